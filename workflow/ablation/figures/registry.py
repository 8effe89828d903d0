"""Which figures there are: the one place that knows their titles, inputs and place in the report.

Light on purpose: the rule files read it each time Snakemake starts, so nothing is drawn with here and
a figure's module is imported only when it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ablation.figures import inputs
from ablation.plan.plan import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CATEGORY = "Figures"


@dataclass(frozen=True)
class Entry:
    """A figure, whose drawing function is ``draw`` of the module ``ablation.figures.{name}``.

    ``title`` heads it in reports, ``alt`` describes it to who cannot see it. ``inputs`` are the names
    of the rule's inputs, each with the function that reads it; ``draw`` takes the same names.
    ``source`` is what a reader opens for its numbers, under results/{study}/. ``section`` is the id of
    the report's section that shows it: where a study has no such section, the report goes without.
    """

    title: str
    alt: str
    inputs: Mapping[str, inputs.Reader]
    source: str
    section: str

    @property
    def labels(self) -> dict[str, str]:
        """For Snakemake's own report."""
        return {"figure": self.title, "format": "svg"}


FIGURES: dict[str, Entry] = {
    "difference": Entry(
        title="Difference from the baseline",
        alt="Difference from the baseline in percent by level, with interval and equivalence band",
        inputs={"comparisons": inputs.table},
        source="statistics/comparisons.parquet",
        section="verdict",
    ),
    "throughput": Entry(
        title="Throughput by concurrency and arm",
        alt="Throughput by concurrency and arm, one panel a model; the numbers stand in the tables by "
        "level",
        inputs={"arms": inputs.table},
        source="statistics/arms.parquet",
        section="levels",
    ),
    "pareto": Entry(
        title="Throughput against latency",
        alt="Output throughput over median inter-token latency and over median time to first token, a line an "
        "arm through the levels",
        inputs={"arms": inputs.table},
        source="statistics/arms.parquet",
        section="levels",
    ),
    "latency": Entry(
        title="Distributions of TTFT, ITL and end-to-end latency",
        alt="Median and ranges of quantiles of each latency by level and arm",
        inputs={"distributions": inputs.table},
        source="aggregate/distributions.parquet",
        section="latency",
    ),
    "variability": Entry(
        title="Variability between launches",
        alt="Coefficient of variation by level and arm with its interval, and its parts within and between "
        "launches",
        inputs={
            "arms": inputs.table,
            "variability": inputs.table,
            "comparisons": inputs.table,
        },
        source="statistics/arms.parquet and variability.parquet",
        section="variability",
    ),
    "blocks": Entry(
        title="Every launch at its time",
        alt="Throughput of each launch at the time of its run, the arms of a block joined",
        inputs={"runs": inputs.table},
        source="aggregate/runs.parquet",
        section="variability",
    ),
    "published": Entry(
        title="Beside the published table",
        alt="Differences in percent by level: the published ones with what their n and CoV leave open, and ours",
        inputs={"published": inputs.published_table, "comparisons": inputs.table},
        source="statistics/comparisons.parquet",
        section="audit",
    ),
    "concurrency": Entry(
        title="Achieved against nominal concurrency",
        alt="Mean requests in flight of every run against its level; runs that failed the gate are crosses",
        inputs={"runs": inputs.table},
        source="aggregate/runs.parquet",
        section="gates",
    ),
    "timeline": Entry(
        title="One run, request by request",
        alt="A line a request from its send over its first token to its end, with the window and the number in "
        "flight",
        inputs={"run": inputs.as_paths},
        source="runs/{model}/{arm}/block-{block}/concurrency-{level}.parquet",
        section="gates",
    ),
    "startup": Entry(
        title="Start-up and stage times",
        alt="Seconds of each stage of every server launch by arm; launches that failed are crosses",
        inputs={"sessions": inputs.evidence},
        source="sessions/{model}/{arm}/block-{block}.json",
        section="sessions",
    ),
    "energy": Entry(
        title="Energy per output token, and power",
        alt="Energy per output token and mean power by concurrency and arm, two panels a model; the numbers "
        "stand in the tables of energy",
        inputs={"arms": inputs.table, "runs": inputs.table},
        source="statistics/arms.parquet and aggregate/runs.parquet",
        section="energy",
    ),
    "roofline": Entry(
        title="Throughput under its bounds",
        alt="Achieved output throughput by concurrency and arm below the bounds by memory bandwidth and by "
        "arithmetic; the numbers stand in the tables of bounds",
        inputs={"runs": inputs.table},
        source="aggregate/runs.parquet",
        section="roofline",
    ),
}


def drawing(name: str) -> Callable[..., Figure]:
    """The drawing function of a figure: ``draw(plan, **inputs)``. Raises KeyError for an unknown one."""
    if name not in FIGURES:
        raise KeyError(f"no figure {name!r}; there are {', '.join(FIGURES)}")
    draw: Callable[..., Figure] = import_module(f"ablation.figures.{name}").draw
    return draw


def draw(name: str, plan: Plan, files: Mapping[str, Any]) -> Figure:
    """Read a figure's inputs (name to one path or several) and draw it."""
    readers = FIGURES[name].inputs
    data = {key: read(inputs.paths(files[key])) for key, read in readers.items()}
    return drawing(name)(plan, **data)
