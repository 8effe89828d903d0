# Are the answers of the arms the same? Reads what the sessions left in the store; needs no server.
rule accuracy:
    input:
        sessions=needed_sessions,
    output:
        "<results>/statistics/accuracy.parquet",
    log:
        "<logs>/accuracy.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        accuracy=SCHEDULE.study.accuracy.model_dump(),
        baseline=SCHEDULE.study.factor.baseline,
        run_hashes=SCHEDULE.all_run_hashes(),
    script:
        "../scripts/accuracy.py"
