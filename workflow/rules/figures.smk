# Each figure from the tables alone, as SVG or PNG. What they are is told by ablation.figures.registry.
from ablation.figures.registry import CATEGORY, FIGURES


rule throughput_figure:
    input:
        arms="<results>/statistics/arms.parquet",
    output:
        report(
            "<results>/figures/throughput.{format}",
            category=CATEGORY,
            caption="../report/throughput.rst",
            labels=FIGURES["throughput"].labels,
        ),
    log:
        "<logs>/figures/throughput-{format}.log",
    wildcard_constraints:
        format="svg|png",
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
        report(
            "<results>/figures/difference.{format}",
            category=CATEGORY,
            caption="../report/difference.rst",
            labels=FIGURES["difference"].labels,
        ),
    log:
        "<logs>/figures/difference-{format}.log",
    params:
        figure="difference",


rule figures:
    input:
        expand("<results>/figures/{figure}.{format}", figure=FIGURES, format=["svg", "png"]),
