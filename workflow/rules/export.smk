# The runs in long form, for a person's own analysis.
rule export:
    input:
        "<results>/aggregate/runs.parquet",
    output:
        parquet="<results>/report/tidy.parquet",
        csv="<results>/report/tidy.csv",
    log:
        "<logs>/export.log",
    conda:
        "../../envs/analysis.yaml"
    script:
        "../scripts/export.py"
