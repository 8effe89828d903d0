rule statistics:
    input:
        "<results>/aggregate/runs.parquet",
    output:
        arms="<results>/statistics/arms.parquet",
        comparisons="<results>/statistics/comparisons.parquet",
        variability="<results>/statistics/variability.parquet",
        position="<results>/statistics/position.parquet",
        decisions="<results>/statistics/decisions.parquet",
    log:
        "<logs>/statistics.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        design=SCHEDULE.study.design.model_dump(),
        baseline=SCHEDULE.study.factor.baseline,
    script:
        "../scripts/statistics.py"
