# Each figure from the tables alone, as SVG and PNG. What they are is told by ablation.figures.registry.
from ablation.figures.registry import CATEGORY, FIGURES


rule throughput_figure:
    input:
        arms="<results>/statistics/arms.parquet",
    output:
        svg=report(
            "<results>/figures/throughput.svg",
            category=CATEGORY,
            caption="../report/throughput.rst",
            labels=FIGURES["throughput"].labels,
        ),
        png="<results>/figures/throughput.png",
    log:
        "<logs>/figures/throughput.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        figure="throughput",
        factor=SCHEDULE.study.factor.model_dump(),
    script:
        "../scripts/figures.py"


use rule throughput_figure as difference_figure with:
    input:
        comparisons="<results>/statistics/comparisons.parquet",
    output:
        svg=report(
            "<results>/figures/difference.svg",
            category=CATEGORY,
            caption="../report/difference.rst",
            labels=FIGURES["difference"].labels,
        ),
        png="<results>/figures/difference.png",
    log:
        "<logs>/figures/difference.log",
    params:
        figure="difference",


rule figures:
    input:
        expand("<results>/figures/{figure}.{format}", figure=FIGURES, format=["svg", "png"]),
