rule aggregate:
    input:
        runs=needed_runs,
    output:
        runs="<results>/aggregate/runs.parquet",
        distributions="<results>/aggregate/distributions.parquet",
    log:
        "<logs>/aggregate.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        run_hashes=SCHEDULE.all_run_hashes(),
    script:
        "../scripts/aggregate.py"
