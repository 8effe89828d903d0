"""From verdicts to words: what to do with the factor, by level and overall.

A rule, not a judgement: each clause comes from the verdicts of rows of ``comparisons.parquet``, and
the rows are named with it. Nothing is said of levels that were not measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pandas import DataFrame

from ablation.plan.plan import Plan
from ablation.statistics.metrics import METRICS, PRIMARY, Metric
from ablation.statistics.noise import same_settings
from ablation.statistics.sentences import percent
from ablation.statistics.verdict import VERDICTS, WITHHELD

# More ranges than this are a table, not a sentence.
MOST_PARTS = 8
# Reasons of withheld verdicts that a headline gives.
MOST_REASONS = 3


@dataclass(frozen=True)
class Recommendation:
    """What the verdicts of one (model, arm) add up to.

    ``action``: enable, keep, either, depends, partly (shown somewhere, open or withheld elsewhere), open, withheld (no
    verdict, and none that only lacks blocks), noise (A/A), or wrong (its answers differ from the baseline's, whatever
    its speed). A level whose verdict is withheld is never a reason for anything: the sentence says why it is.
    ``sentence`` is the headline, ``clauses`` one by verdict, ``reasons`` the rows' own sentences.
    """

    model: str
    arm: str
    baseline: str
    metric: str
    action: str
    sentence: str
    clauses: list[str]
    reasons: list[str]


def levels_words(levels: Sequence[int], measured: Sequence[int]) -> str:
    """Levels as words; three or more neighbours among those measured become a range.

    ``[5, 10, 50, 500]`` of ``1, 5, 10, 50, 100, 200, 500`` is ``"5 to 50 and 500"``.
    """
    place = {level: i for i, level in enumerate(sorted(measured))}
    groups: list[list[int]] = []
    for level in sorted(levels):
        if groups and place[level] == place[groups[-1][-1]] + 1:
            groups[-1].append(level)
        else:
            groups.append([level])
    parts: list[str] = []
    for group in groups:
        parts += [f"{group[0]} to {group[-1]}"] if len(group) > 2 else [str(x) for x in group]
    if len(parts) > MOST_PARTS:
        return f"{len(levels)} of {len(measured)} levels (see the table)"
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def recommend(comparisons: DataFrame, plan: Plan, metric: str = PRIMARY) -> list[Recommendation]:
    """One recommendation for each (model, arm) that was compared on this metric."""
    if comparisons.empty:
        return []
    rows = comparisons[comparisons["metric"] == metric]
    return [
        _recommend(str(model), str(arm), group.sort_values("concurrency"), plan, metric)
        for (model, arm), group in rows.groupby(["model", "arm"], sort=False)
    ]


def _recommend(model: str, arm: str, rows: DataFrame, plan: Plan, metric: str) -> Recommendation:
    baseline = str(rows["baseline"].iloc[0])
    name, other = (plan.arm_label(a) for a in (arm, baseline))
    measured = [int(level) for level in rows["concurrency"]]
    title = plan.model_title(model)
    reasons = [str(text) for text in rows["text"]]
    at = {
        verdict: [int(x) for x in rows.loc[rows["verdict"] == verdict, "concurrency"]]
        for verdict in VERDICTS
    }
    margin = f"±{plan.study.design.equivalence_margin_percent:g} %"
    wrong = "accuracy" in rows and bool((rows["accuracy"] == "different").any())
    if arm in same_settings(plan):
        clauses = _noise(at, measured, name, other, margin) + _withheld(rows, measured)
        if wrong:
            clauses.append("their answers differ: one of the launches is not what it should be")
        words = "; ".join(clauses)
        return Recommendation(
            model, arm, baseline, metric, "noise", f"{title}: {words}.", clauses, reasons
        )
    clauses = [_differs(name, other, bool(at["faster"]))] if wrong else []
    if at["faster"]:
        size = _size(rows, "faster", METRICS[metric])
        advice = "faster" if wrong else f"use {name}"
        clauses.append(f"{advice} {_where(at['faster'], measured)}: {size}")
    if at["slower"]:
        size = _size(rows, "slower", METRICS[metric])
        clauses.append(
            f"keep {other} {_where(at['slower'], measured)}: with {name} it is slower, {size}"
        )
    if at["equivalent"]:
        where = _where(at["equivalent"], measured)
        advice = "as fast" if wrong else "either will do"
        clauses.append(f"{advice} {where}: equivalent within {margin}")
    if at["inconclusive"]:
        clauses.append(_open(rows, at["inconclusive"], measured))
    clauses += _withheld(rows, measured)
    action = "wrong" if wrong else _action(at)
    sentence = f"{title}: {'; '.join(clauses)}."
    return Recommendation(model, arm, baseline, metric, action, sentence, clauses, reasons)


def _differs(name: str, other: str, faster: bool) -> str:
    who = f"{name} is faster, but its answers" if faster else f"the answers of {name}"
    return f"{who} differ from those of {other}: do not use it before that is explained"


def _size(rows: DataFrame, verdict: str, metric: Metric) -> str:
    """``+3.1 % to +4.4 % output throughput``."""
    sizes = rows.loc[rows["verdict"] == verdict, "difference_percent"]
    low, high = percent(float(sizes.min())), percent(float(sizes.max()))
    return f"{low if low == high else f'{low} to {high}'} {metric.title}"


def _noise(
    at: Mapping[str, list[int]], measured: list[int], name: str, other: str, margin: str
) -> list[str]:
    """What an A/A comparison says of the study itself."""
    clauses = [f"{name} has the settings of {other} (A/A)"]
    false = sorted(at["faster"] + at["slower"])
    if false:
        where = _where(false, measured)
        clauses.append(f"they differ {where}: the noise is not what the statistics assume")
    if at["equivalent"]:
        clauses.append(f"equivalent within {margin} {_where(at['equivalent'], measured)}")
    if at["inconclusive"]:
        clauses.append(f"too noisy to tell {_where(at['inconclusive'], measured)}")
    return clauses


def _where(levels: list[int], measured: list[int]) -> str:
    if len(levels) == len(measured):
        return "at every concurrency measured" if len(levels) > 1 else f"at concurrency {levels[0]}"
    if len(levels) > 1 and levels == sorted(measured)[-len(levels) :]:
        return f"from concurrency {levels[0]} to {levels[-1]}, the highest measured"
    words = levels_words(levels, measured)
    return f"at {words}" if words.endswith(")") else f"at concurrency {words}"


def _open(rows: DataFrame, levels: list[int], measured: list[int]) -> str:
    still = rows[rows["verdict"] == "inconclusive"]
    needs = [float(x) for x in still["more_blocks"]]
    where = f"inconclusive {_where(levels, measured)}"
    if not any(math.isfinite(need) for need in needs):
        few = (still["n_pairs"] < 3).all()
        why = "too few usable blocks" if few else "over 1,000 blocks would not settle it"
        return f"{where}, {why}"
    most = int(max(need for need in needs if math.isfinite(need)))
    words = f"about {most:,} more block{'s' if most != 1 else ''}"
    if all(math.isfinite(need) for need in needs):
        return f"{where}, {words} to settle {'it' if len(levels) == 1 else 'all of it'}"
    return f"{where}, {words} to settle part of it"


def _withheld(rows: DataFrame, measured: list[int]) -> list[str]:
    """The levels without a verdict, by what takes it away."""
    some = rows[rows["verdict"] == WITHHELD]
    clauses = []
    for because, own in some.groupby("withheld_because", sort=False):
        levels = [int(level) for level in own["concurrency"]]
        clauses.append(f"no verdict {_where(levels, measured)}, withheld: {because}")
    if len(clauses) > MOST_REASONS:
        more = len(clauses) - MOST_REASONS
        clauses[MOST_REASONS:] = [
            f"withheld at {more} more level{'s' if more > 1 else ''}, see below"
        ]
    return clauses


def _action(at: Mapping[str, list[int]]) -> str:
    faster, slower, same, unknown = (
        bool(at[v]) for v in ("faster", "slower", "equivalent", "inconclusive")
    )
    if faster and slower:
        return "depends"
    if at[WITHHELD] and not unknown:
        return "partly" if faster or slower or same else "withheld"
    if unknown:
        return "partly" if faster or slower or same else "open"
    if faster:
        return "enable"
    return "keep" if slower else "either"
