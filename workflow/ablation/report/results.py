"""The results: verdict, table by level, latencies, findings; each number is a parquet row's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pandas import DataFrame

from ablation.evidence.difference import SENTENCE as SAME_LOGS
from ablation.plan.plan import Plan
from ablation.report.content import (
    NONE,
    Cell,
    Column,
    Section,
    Table,
    number,
    percent_spread,
    spread,
)
from ablation.statistics.metrics import (
    METRICS,
    PRIMARY,
    QUANTILE_CONFIDENCE,
    TAIL,
    Metric,
    observations_needed,
)
from ablation.statistics.multiplicity import PROCEDURE
from ablation.statistics.recommendation import recommend
from ablation.statistics.verdict import INCONCLUSIVE, WITHHELD

LATENCIES = ("ttft", "itl", "tpot", "e2e")


def label(plan: Plan, arm: str) -> str:
    """An arm's name for people."""
    return plan.arm_label(arm)


def title(plan: Plan, model: str) -> str:
    """A model's name for people."""
    return plan.model_title(model)


def verdict(
    plan: Plan,
    runs: DataFrame,
    comparisons: DataFrame,
    unchanged: Sequence[tuple[str, str]] = (),
    unproved: Mapping[tuple[str, str], Sequence[str]] | None = None,
) -> Section:
    """The answer in one sentence for each comparison of a model.

    ``unchanged``: (model, arm) of the comparisons whose servers' logs do not differ; their sentences say so.
    ``unproved``: (model, arm) -> what the logs cannot tell of the arm's settings; the sentence is not given without it.
    """
    section = Section("verdict", "Verdict")
    recommendations = recommend(comparisons, plan)
    section.sentences = [
        _with_doubts(
            r.sentence,
            [SAME_LOGS] if (r.model, r.arm) in unchanged else [],
            # An A/A arm has nothing to prove: it changes no setting.
            () if r.action == "noise" else (unproved or {}).get((r.model, r.arm), ()),
        )
        for r in recommendations
    ]
    if not recommendations:
        section.sentences = [
            "No verdict: no model ran the baseline and another arm, so there is nothing to compare."
        ]
    unusable = int((~runs["usable"].astype(bool)).sum()) if len(runs) else 0
    planned = sum(len(s.levels) for s in plan.sessions)
    section.items = [
        *_beside(plan, comparisons),
        f"{len(runs):,} of {planned:,} planned runs are here, {unusable:,} unusable.",
    ]
    return section


def _with_doubts(sentence: str, *doubts: Sequence[str]) -> str:
    said = [doubt.rstrip(".") for some in doubts for doubt in some]
    return f"{sentence.rstrip('.')}; but {'; and '.join(said)}." if said else sentence


def _beside(plan: Plan, comparisons: DataFrame) -> list[str]:
    """What is said of exclusions beside the throughput verdicts that stand, a line for each row."""
    if comparisons.empty:
        return []
    rows = comparisons[(comparisons["metric"] == PRIMARY) & (comparisons["exclusions"] != "")]
    return [
        f"{title(plan, row['model'])}, {label(plan, row['arm'])} at concurrency {row['concurrency']}: "
        f"{row['exclusions']}."
        for row in rows.to_dict("records")
    ]


def levels(plan: Plan, arms: DataFrame, comparisons: DataFrame) -> Section:
    """Throughput by level: one table a model."""
    section = Section("levels", "Throughput by model and concurrency")
    confidence = f"{100 * plan.study.design.confidence:g} %"
    section.sentences = [
        f"Mean over server launches with its {confidence} t interval on the logarithm; CoV over launches with "
        "its interval (Vangel 1996); difference of the geometric mean ratio over blocks with its "
        f"{confidence} paired t interval; p adjusted over the levels by {PROCEDURE} (Westfall and Young 1993, "
        "by rotations). Faster is better."
    ]
    for model, entry in plan.models.items():
        if entry.arms:
            section.tables.append(_levels(plan, model, arms, comparisons))
    return section


def _levels(plan: Plan, model: str, arms: DataFrame, comparisons: DataFrame) -> Table:
    metric = METRICS[PRIMARY]
    names = list(plan.models[model].arms)
    others = [arm for arm in names if arm != plan.baseline and plan.baseline in names]
    columns = [Column("Concurrency")]
    for arm in names:
        columns += [
            Column(f"{label(plan, arm)} ({metric.unit})", True),
            Column(f"CoV, {label(plan, arm)} (%)", True),
            Column(f"n, {label(plan, arm)}", True),
        ]
    for arm in others:
        who = f", {label(plan, arm)}" if len(others) > 1 else ""
        columns += [
            Column(f"Difference{who}", True),
            Column(f"Verdict{who}"),
            Column(f"p (adjusted){who}", True),
            Column(f"Detectable{who} (%)", True),
        ]
    mine = _index(arms, model)
    pairs = _index(comparisons, model)
    rows = []
    for level in plan.levels:
        row = [Cell(str(level), sort=float(level))]
        for arm in names:
            row += _arm_cells(mine.get((arm, PRIMARY, level)))
        for arm in others:
            row += _pair_cells(pairs.get((arm, PRIMARY, level)))
        rows.append(row)
    return Table(
        id=f"levels-{model}",
        caption=f"{title(plan, model)}: output throughput by concurrency",
        columns=columns,
        rows=rows,
        source=_source(plan, f"model = {model}, metric = {PRIMARY}", "arm, concurrency", others),
    )


def _source(plan: Plan, fixed: str, keys: str, others: list[str]) -> str:
    base = f"results/{plan.name}/statistics"
    files = f"{base}/arms.parquet" + (f" and {base}/comparisons.parquet" if others else "")
    return f"{files}, rows with {fixed}, by {keys}"


def _index(frame: DataFrame, model: str) -> dict[tuple[str, str, int], Any]:
    """Rows of a model by (arm, metric, concurrency)."""
    if frame.empty:
        return {}
    records = frame[frame["model"] == model].to_dict("records")
    return {(str(r["arm"]), str(r["metric"]), int(r["concurrency"])): r for r in records}


def _arm_cells(row: Mapping[str, Any] | None) -> list[Cell]:
    if row is None:
        return [Cell(NONE), Cell(NONE), Cell("0", sort=0.0)]
    out = int(row["n_excluded"]) + int(row["n_missing"])
    cov = spread(row["cov_percent"], row["cov_low_percent"], row["cov_high_percent"], 3)
    n = Cell(
        str(row["n"]),
        kind="warn" if out else "",
        sort=float(row["n"]),
        detail=f"({out} left out)" if out else "",
    )
    return [spread(row["mean"], row["low"], row["high"]), cov, n]


def _pair_cells(row: Mapping[str, Any] | None) -> list[Cell]:
    if row is None:
        return [Cell(NONE)] * 4
    return [
        percent_spread(row["difference_percent"], row["low_percent"], row["high_percent"]),
        verdict_cell(row),
        Cell(NONE) if math.isnan(row["p_adjusted"]) else _p(row["p_adjusted"]),
        number(row["mde_percent"], 2),
    ]


def verdict_cell(row: Mapping[str, Any]) -> Cell:
    """The verdict, and what an open one would take; beside one that stands, the runs that gates took out unevenly."""
    more = row["more_blocks"]
    text = str(row["verdict"])
    detail = ""
    if text == INCONCLUSIVE and more is not None and not math.isnan(more):
        detail = f"{int(more):,} more block{'s' if more != 1 else ''}"
    if row["exclusions"]:
        out = f"{int(row['excluded_arm'])} of the arm, {int(row['excluded_baseline'])} of the baseline"
        detail = "; ".join(filter(None, [detail, f"excluded: {out}"]))
    if row.get("accuracy") == "different":
        detail = "; ".join(filter(None, [detail, "answers differ"]))
    return Cell(METRICS[row["metric"]].word(text), kind=text, detail=detail)


def _p(value: float) -> Cell:
    return Cell("< 0.001" if value < 0.001 else f"{value:.3f}", sort=value)


def latencies(plan: Plan, comparisons: DataFrame) -> Section:
    """TTFT, ITL, TPOT and E2E of the arms, one table for each comparison of a model."""
    section = Section("latency", "Latency: TTFT, ITL, TPOT and E2E", folded=True)
    section.sentences = [
        "In milliseconds; mean over the paired blocks. Less is better, so a negative difference is "
        f"faster. A quantile is printed where {100 * QUANTILE_CONFIDENCE:g} % confidence can be had that the largest "
        "observation of a run lies above it, which bounds it whatever the distribution (Wilks 1941): "
        f"{observations_needed(0.9)} observations for a p90, {observations_needed(0.99)} for a p99. Beside a "
        "quantile of the tail stands the confidence that the fewest observations of a run give; MLPerf asks for "
        f"two such observations at 99 %, {observations_needed(0.99, 0.99, 2)} for a p99."
    ]
    names = [m for m in METRICS if m.split("_")[0] in LATENCIES]
    if comparisons.empty:
        section.sentences = ["No model ran the baseline and another arm."]
        return section
    rows = comparisons[comparisons["metric"].isin(names)]
    for (model, arm), own in rows.groupby(["model", "arm"], sort=False):
        section.tables.append(_latency(plan, str(model), str(arm), own))
    return section


def _latency(plan: Plan, model: str, arm: str, rows: DataFrame) -> Table:
    ours, theirs = label(plan, arm), label(plan, str(rows["baseline"].iloc[0]))
    body = []
    records: list[Any] = rows.to_dict("records")
    for row in records:
        metric = METRICS[row["metric"]]
        head = [_metric(metric, row), Cell(str(row["concurrency"]), sort=float(row["concurrency"]))]
        if not row["n_pairs"]:
            few = "too few observations" in row["left_out"]
            why = "not printed: " + row["left_out"] if few else "no usable pair"
            body.append([*head, Cell(NONE), Cell(NONE), Cell(NONE), Cell(why, kind="inconclusive")])
            continue
        body.append(
            [
                *head,
                number(row["mean_arm"] * metric.scale),
                number(row["mean_baseline"] * metric.scale),
                percent_spread(row["difference_percent"], row["low_percent"], row["high_percent"]),
                verdict_cell(row),
            ]
        )
    return Table(
        id=f"latency-{model}-{arm}",
        caption=f"{title(plan, model)}: latency, {ours} against {theirs}",
        columns=[
            Column("Metric"),
            Column("Concurrency", True),
            Column(f"{ours} (ms)", True),
            Column(f"{theirs} (ms)", True),
            Column("Difference", True),
            Column("Verdict"),
        ],
        rows=body,
        source=f"results/{plan.name}/statistics/comparisons.parquet, rows with "
        f"model = {model}, arm = {arm}, by metric, concurrency (there in seconds)",
    )


def _metric(metric: Metric, row: Mapping[str, Any]) -> Cell:
    """A metric's title, below that of a tail quantile how sure its observations make it."""
    if metric.quantile is None or metric.quantile < TAIL or not row["n_pairs"]:
        return Cell(metric.title)
    if math.isnan(row["observations"]):
        return Cell(metric.title)
    confidence = 100 * row["quantile_confidence"]
    words = "> 99.9 %" if confidence > 99.9 else f"{confidence:.1f} %"
    return Cell(metric.title, detail=f"({int(row['observations']):,} a run: {words})")


def findings(plan: Plan, comparisons: DataFrame) -> Section:
    """The rows' own sentences, throughput first."""
    section = Section("findings", "Findings")
    if comparisons.empty:
        section.sentences = ["There is no comparison to report."]
        return section
    main = comparisons[comparisons["metric"] == PRIMARY]
    section.items = [str(text) for text in main["text"]]
    pairs = int(main["n_pairs"].max())
    floor = float(main["sign_flip_floor"].min())
    settled = int((~main["verdict"].isin([INCONCLUSIVE, WITHHELD])).sum())
    section.sentences = [
        f"{settled} of {len(main)} throughput comparisons have a verdict. With {pairs} blocks the "
        f"exact sign-flip test cannot give less than p = {floor:.4g}."
        if pairs
        else "No block has a usable pair.",
        f"From results/{plan.name}/statistics/comparisons.parquet, column text; "
        "the sentences of the latencies stand there too.",
    ]
    return section
