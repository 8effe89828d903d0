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


use rule throughput_figure as pareto_figure with:
    input:
        arms="<results>/statistics/arms.parquet",
    output:
        svg=report(
            "<results>/figures/pareto.svg",
            category=CATEGORY,
            caption="../report/pareto.rst",
            labels=FIGURES["pareto"].labels,
        ),
        png="<results>/figures/pareto.png",
    log:
        "<logs>/figures/pareto.log",
    params:
        figure="pareto",


use rule throughput_figure as latency_figure with:
    input:
        distributions="<results>/aggregate/distributions.parquet",
    output:
        svg=report(
            "<results>/figures/latency.svg",
            category=CATEGORY,
            caption="../report/latency.rst",
            labels=FIGURES["latency"].labels,
        ),
        png="<results>/figures/latency.png",
    log:
        "<logs>/figures/latency.log",
    params:
        figure="latency",


use rule throughput_figure as variability_figure with:
    input:
        arms="<results>/statistics/arms.parquet",
        variability="<results>/statistics/variability.parquet",
        comparisons="<results>/statistics/comparisons.parquet",
    output:
        svg=report(
            "<results>/figures/variability.svg",
            category=CATEGORY,
            caption="../report/variability.rst",
            labels=FIGURES["variability"].labels,
        ),
        png="<results>/figures/variability.png",
    log:
        "<logs>/figures/variability.log",
    params:
        figure="variability",


use rule throughput_figure as blocks_figure with:
    input:
        runs="<results>/aggregate/runs.parquet",
    output:
        svg=report(
            "<results>/figures/blocks.svg",
            category=CATEGORY,
            caption="../report/blocks.rst",
            labels=FIGURES["blocks"].labels,
        ),
        png="<results>/figures/blocks.png",
    log:
        "<logs>/figures/blocks.log",
    params:
        figure="blocks",


use rule throughput_figure as published_figure with:
    input:
        published=SCHEDULE.published_files(),
        comparisons="<results>/statistics/comparisons.parquet",
    output:
        svg=report(
            "<results>/figures/published.svg",
            category=CATEGORY,
            caption="../report/published.rst",
            labels=FIGURES["published"].labels,
        ),
        png="<results>/figures/published.png",
    log:
        "<logs>/figures/published.log",
    params:
        figure="published",


use rule throughput_figure as concurrency_figure with:
    input:
        runs="<results>/aggregate/runs.parquet",
    output:
        svg=report(
            "<results>/figures/concurrency.svg",
            category=CATEGORY,
            caption="../report/concurrency.rst",
            labels=FIGURES["concurrency"].labels,
        ),
        png="<results>/figures/concurrency.png",
    log:
        "<logs>/figures/concurrency.log",
    params:
        figure="concurrency",


use rule throughput_figure as timeline_figure with:
    input:
        run=needed_timeline_runs,
    output:
        svg=report(
            "<results>/figures/timeline.svg",
            category=CATEGORY,
            caption="../report/timeline.rst",
            labels=FIGURES["timeline"].labels,
        ),
        png="<results>/figures/timeline.png",
    log:
        "<logs>/figures/timeline.log",
    params:
        figure="timeline",


# The same of any run.
use rule throughput_figure as timeline_of_run with:
    input:
        run="<results>/runs/{model}/{arm}/block-{block}/concurrency-{level}.parquet",
    output:
        svg="<results>/figures/timeline/{model}/{arm}/block-{block}/concurrency-{level}.svg",
        png="<results>/figures/timeline/{model}/{arm}/block-{block}/concurrency-{level}.png",
    log:
        "<logs>/figures/timeline/{model}/{arm}/block-{block}/concurrency-{level}.log",
    params:
        figure="timeline",


use rule throughput_figure as startup_figure with:
    input:
        sessions=needed_sessions,
    output:
        svg=report(
            "<results>/figures/startup.svg",
            category=CATEGORY,
            caption="../report/startup.rst",
            labels=FIGURES["startup"].labels,
        ),
        png="<results>/figures/startup.png",
    log:
        "<logs>/figures/startup.log",
    params:
        figure="startup",


use rule throughput_figure as energy_figure with:
    input:
        arms="<results>/statistics/arms.parquet",
        runs="<results>/aggregate/runs.parquet",
    output:
        svg=report(
            "<results>/figures/energy.svg",
            category=CATEGORY,
            caption="../report/energy.rst",
            labels=FIGURES["energy"].labels,
        ),
        png="<results>/figures/energy.png",
    log:
        "<logs>/figures/energy.log",
    params:
        figure="energy",


use rule throughput_figure as roofline_figure with:
    input:
        runs="<results>/aggregate/runs.parquet",
    output:
        svg=report(
            "<results>/figures/roofline.svg",
            category=CATEGORY,
            caption="../report/roofline.rst",
            labels=FIGURES["roofline"].labels,
        ),
        png="<results>/figures/roofline.png",
    log:
        "<logs>/figures/roofline.log",
    params:
        figure="roofline",


rule figures:
    input:
        expand("<results>/figures/{figure}.{format}", figure=FIGURES, format=["svg", "png"]),
