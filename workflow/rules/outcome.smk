# The last step: fails where a launch failed, so that the exit code says so. Everything else is there by then.
rule outcome:
    input:
        "<results>/report/report.html",
        "<results>/report/report.md",
        "<results>/report/tidy.parquet",
        "<results>/report/tidy.csv",
        expand("<results>/figures/{figure}.png", figure=FIGURES),
        sittings=needed_sittings,
    output:
        touch("<results>/report/complete"),
    log:
        "<logs>/outcome.log",
    conda:
        "../../envs/analysis.yaml"
    script:
        "../scripts/outcome.py"


# Only measures; tables and figures can be made later, on another machine, from the store.
rule measure:
    input:
        sittings=needed_sittings,
    output:
        touch("<results>/sittings/complete"),
    log:
        "<logs>/measure.log",
    conda:
        "../../envs/analysis.yaml"
    script:
        "../scripts/outcome.py"
