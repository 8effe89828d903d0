# Miniatures with random weights; full-size models come from a folder or the hub.
rule model:
    output:
        "<resources>/models/{recipe}/config.json",
    log:
        "<logs>/model/{recipe}.log",
    wildcard_constraints:
        recipe=SCHEDULE.recipe_pattern(),
    conda:
        "../../envs/analysis.yaml"
    script:
        "../scripts/model.py"
