rule throughput_figure:
    input:
        arms="<results>/statistics/arms.parquet",
        comparisons="<results>/statistics/comparisons.parquet",
    output:
        report(
            "<results>/figures/throughput.{format}",
            category="Figures",
            caption="../report/throughput.rst",
            labels={"figure": "Throughput by concurrency and arm", "format": "{format}"},
        ),
    log:
        "<logs>/figures/throughput-{format}.log",
    wildcard_constraints:
        format="svg|png",
    conda:
        "../../envs/analysis.yaml"
    params:
        factor=SCHEDULE.study.factor.model_dump(),
    script:
        "../scripts/figures.py"


rule difference_figure:
    input:
        arms="<results>/statistics/arms.parquet",
        comparisons="<results>/statistics/comparisons.parquet",
    output:
        report(
            "<results>/figures/difference.{format}",
            category="Figures",
            caption="../report/difference.rst",
            labels={"figure": "Difference between the arms", "format": "{format}"},
        ),
    log:
        "<logs>/figures/difference-{format}.log",
    wildcard_constraints:
        format="svg|png",
    conda:
        "../../envs/analysis.yaml"
    params:
        factor=SCHEDULE.study.factor.model_dump(),
    script:
        "../scripts/figures.py"


FIGURES = ["difference", "throughput"]


rule figures:
    input:
        expand("<results>/figures/{figure}.{format}", figure=FIGURES, format=["svg", "png"]),
