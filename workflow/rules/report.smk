rule write_report:
    input:
        plan="<results>/plan.json",
        sessions=needed_sessions,
        runs="<results>/aggregate/runs.parquet",
        arms="<results>/statistics/arms.parquet",
        comparisons="<results>/statistics/comparisons.parquet",
        variability="<results>/statistics/variability.parquet",
        position="<results>/statistics/position.parquet",
        decisions="<results>/statistics/decisions.parquet",
        accuracy="<results>/statistics/accuracy.parquet",
        figures=expand("<results>/figures/{figure}.svg", figure=FIGURES),
    output:
        html=report(
            "<results>/report/report.html",
            category="Report",
            caption="../report/report.rst",
            labels={"figure": "Report", "format": "html"},
        ),
        markdown="<results>/report/report.md",
    log:
        "<logs>/report.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        # Not an input: the report quotes the probes that there are, and must never start a server for one.
        probes=SCHEDULE.probes_found,
    script:
        "../scripts/report.py"
