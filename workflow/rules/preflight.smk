# What can be refused is refused here, before any server starts.
rule preflight:
    input:
        "<results>/plan.json",
    output:
        "<results>/preflight.json",
    log:
        "<logs>/preflight.log",
    conda:
        "../../envs/analysis.yaml"
    script:
        "../scripts/preflight.py"
