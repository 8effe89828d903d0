# What can be refused is refused here, before any server starts. Its parameters are what it looks at, and no more:
# when it runs again, all sessions do (and find their records in the store).
rule preflight:
    output:
        "<results>/preflight.json",
    log:
        "<logs>/preflight.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        looked_at=SCHEDULE.preflight_subject(),
    script:
        "../scripts/preflight.py"
