"""Arm against baseline: paired by block on the log ratio, with a verdict for each level.

The unit is a server launch. Within a block each arm was launched once, so a block gives one pair.
A family is the levels of one (model, metric, arm): p-values of the difference and of equivalence
are each adjusted over it (step-down max-t, ``multiplicity``), so the chance of any false "faster" or
"slower" in a family stays below alpha, and so does that of any false "equivalent".

A verdict is withheld where a premise of the comparison does not hold: the ``doubts`` that the caller
has, and exclusions by gates that decide it (``exclusions``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

from ablation.plan.plan import Plan
from ablation.statistics import exclusions, paired
from ablation.statistics.cells import Absent, Cells, Grid, explain
from ablation.statistics.exclusions import Pairs
from ablation.statistics.family import Judged, judge
from ablation.statistics.metrics import PRIMARY, Metric, measured, quantile_confidence
from ablation.statistics.multiplicity import level_alpha
from ablation.statistics.power import detectable_in_sd, more_blocks
from ablation.statistics.premises import doubts_of
from ablation.statistics.sentences import measured_words, sentence
from ablation.statistics.sequential import decide, planned_blocks
from ablation.statistics.verdict import INCONCLUSIVE, Doubt, log_margin, withhold

Contrast = tuple[str, str, int]


def compare(runs: DataFrame, plan: Plan, doubts: Iterable[Doubt] = ()) -> DataFrame:
    """One row for each (model, metric, arm but the baseline, concurrency): ``tables.COMPARISONS``.

    ``runs`` is the aggregate, one row a run. Only usable runs with a positive finite value count; a
    block counts when both arms have one. Empty when no model ran the baseline and another arm. In a
    study that may stop early (``design.sequential``) the verdicts of the primary metric are those of its
    looks; intervals and p-values are those of the blocks that are there, as if their number was fixed.
    ``doubts`` name more comparisons whose verdict is withheld, and why, beside those that the runs show
    (``premises.doubts_of``). A block whose launches were not measured together gives no pair.
    """
    doubts = [*doubts, *doubts_of(runs, plan)]
    design = plan.study.design
    margin = log_margin(design.equivalence_margin_percent)
    confidence = design.confidence
    baseline = plan.baseline
    grid = Grid(runs, planned_blocks(runs, plan))
    contrasts = [
        (model, arm, int(level))
        for model, entry in plan.models.items()
        if baseline in entry.arms
        for arm in entry.arms
        if arm != baseline
        for level in plan.levels
    ]
    frames = []
    for metric in measured(runs) if contrasts else []:
        cells = grid.cells(metric)
        frames.append(_compare(cells, grid, contrasts, metric, baseline, margin, confidence))
    if not frames:
        return DataFrame()
    table = pd.concat(frames, ignore_index=True)
    table["equivalence_margin_percent"] = design.equivalence_margin_percent
    table["settled_at"] = np.nan
    if design.sequential is not None:
        decisions = decide(runs, plan, doubts)
        table = table if decisions.empty else _with_looks(table, decisions)
    table = withhold(table, doubts)
    table["more_blocks"] = table["more_blocks"].where(table["verdict"] == INCONCLUSIVE)
    records: list[Any] = table.to_dict("records")
    table["text"] = [sentence(row, confidence) for row in records]
    order = {model: i for i, model in enumerate(plan.models)}
    table = table.sort_values("model", key=lambda s: s.map(order), kind="stable")
    return table.reset_index(drop=True)


def _compare(
    cells: Cells,
    grid: Grid,
    contrasts: list[Contrast],
    metric: Metric,
    baseline: str,
    margin: float,
    confidence: float,
) -> DataFrame:
    """The rows of one metric."""
    alpha = 1 - confidence
    ours = [cells.row[c] for c in contrasts]
    theirs = [cells.row[(model, baseline, level)] for model, _, level in contrasts]
    absent = cells.absent_pairs(ours, theirs)
    both = absent == Absent.NO
    pairs = cells.pairs(ours, theirs)
    # The levels of a (model, arm) stand one after another.
    levels = len({level for _, _, level in contrasts})
    families = pairs.ratios.reshape(-1, levels, pairs.ratios.shape[1])
    judged = judge(families, alpha, margin, higher_is_better=metric.higher_is_better)
    m = paired.moments(pairs.ratios)
    low, high = paired.interval(m, confidence)
    words = judged.verdict.ravel()
    size = np.repeat(np.maximum(np.isfinite(judged.p).sum(axis=1), 1), levels)
    each = np.repeat(level_alpha(families, alpha), levels)
    # A verdict of the primary metric may be open by its looks although it is not by a fixed number of blocks.
    open_ = (words == INCONCLUSIVE) | (metric.name == PRIMARY)
    n = np.where(open_, m.n, 0).astype(np.float64)
    more = more_blocks(m.mean, m.sd, n, alpha=each, margin=margin)
    detectable = np.array([detectable_in_sd(int(n), round(alpha, 12)) for n in m.n])
    fewest = _smaller(cells.fewest[ours], cells.fewest[theirs])
    observations = _smaller(cells.observations[ours], cells.observations[theirs])
    return DataFrame(
        {
            "model": [c[0] for c in contrasts],
            "concurrency": [c[2] for c in contrasts],
            "metric": metric.name,
            "unit": metric.unit,
            "arm": [c[1] for c in contrasts],
            "baseline": baseline,
            "n_pairs": m.n,
            "blocks": [cells.blocks[row].tolist() for row in both],
            "n_planned": grid.planned[ours],
            "mean_arm": _mean(cells.values[ours], both),
            "mean_baseline": _mean(cells.values[theirs], both),
            "ratio": np.exp(m.mean),
            "difference_percent": 100 * np.expm1(m.mean),
            "low_percent": 100 * np.expm1(low),
            "high_percent": 100 * np.expm1(high),
            "p": judged.p.ravel(),
            "p_adjusted": judged.p_adjusted.ravel(),
            "family_size": size,
            "p_sign_flip": paired.sign_flip_test(pairs.ratios),
            "sign_flip_floor": paired.sign_flip_floor(m.n),
            "p_tost": judged.p_tost.ravel(),
            "p_tost_adjusted": judged.p_tost_adjusted.ravel(),
            "hedges_g": paired.hedges_g(m),
            "mde_percent": 100 * np.expm1(detectable * m.sd),
            "verdict": words,
            "more_blocks": more,
            "left_out": [
                explain(row[cells.blocks <= most].tolist(), metric, few)
                for row, most, few in zip(absent, grid.planned[ours], fewest, strict=True)
            ],
            "observations": [few if few >= 0 else np.nan for few in observations],
            "quantile_confidence": [
                quantile_confidence(metric.quantile, few)
                if metric.quantile and few >= 0
                else np.nan
                for few in observations
            ],
            **_excluded(pairs, judged, metric, margin, confidence),
        }
    ).pipe(_withheld, pairs, metric)


def _mean(values: paired.Floats, counted: NDArray[np.bool_]) -> paired.Floats:
    n = counted.sum(axis=1)
    total = np.where(counted, values, 0.0).sum(axis=1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _excluded(
    pairs: Pairs, judged: Judged, metric: Metric, margin: float, confidence: float
) -> dict[str, Any]:
    """What gates took out of each comparison, and what it comes to with the returnable runs put back."""
    families, levels = judged.verdict.shape
    returned = pairs.returned
    verdict = judged.verdict.copy()
    some = (returned > 0).reshape(families, levels).any(axis=1)
    if some.any():
        back = pairs.put_back.reshape(families, levels, -1)[some]
        again = judge(back, 1 - confidence, margin, higher_is_better=metric.higher_is_better)
        verdict[some] = again.verdict
    m = paired.moments(pairs.put_back)
    low, high = paired.interval(m, confidence)
    there = returned > 0
    return {
        "excluded_arm": pairs.arm_out.sum(axis=1),
        "excluded_baseline": pairs.baseline_out.sum(axis=1),
        "p_excluded": exclusions.p_one_sided(pairs.tilt),
        "n_put_back": m.n,
        "put_back_percent": np.where(there, 100 * np.expm1(m.mean), np.nan),
        "put_back_low_percent": np.where(there, 100 * np.expm1(low), np.nan),
        "put_back_high_percent": np.where(there, 100 * np.expm1(high), np.nan),
        "put_back_verdict": np.where(there, verdict.ravel(), ""),
    }


def _withheld(table: DataFrame, pairs: Pairs, metric: Metric) -> DataFrame:
    """The table with what is said of exclusions, and the verdicts withheld that hang on them."""
    counted = table["verdict"].to_numpy(dtype=str)
    back = table["put_back_verdict"].to_numpy(dtype=str)
    turns = exclusions.turned(counted, np.where(back == "", counted, back), pairs.tilt)
    uneven = (table["excluded_arm"] != table["excluded_baseline"]).to_numpy()
    beside, because = [""] * len(table), [""] * len(table)
    for i in np.flatnonzero(uneven | ((back != "") & (back != counted))).tolist():
        row = table.iloc[i]
        with_them = measured_words(
            metric,
            back[i],
            *(row[f"put_back_{part}percent"] for part in ("", "low_", "high_")),
        )
        if turns[i]:
            without = measured_words(
                metric,
                counted[i],
                *(row[part] for part in ("difference_percent", "low_percent", "high_percent")),
            )
            because[i] = exclusions.because(pairs, i, without, with_them)
        else:
            beside[i] = exclusions.said(pairs, i, with_them)
    table = table.assign(exclusions=beside, withheld_because=because)
    return withhold(table, ())


def _with_looks(table: DataFrame, decisions: DataFrame) -> DataFrame:
    """The primary metric's verdicts as its looks gave them, and at how many blocks (0: open).

    An A/A arm decides nothing, so it has no looks and keeps the verdict of a fixed design.
    """
    taken = ["verdict", "settled_at", "withheld_because"]
    looks = {
        (str(row["model"]), str(row["arm"]), int(row["concurrency"])): [row[c] for c in taken]
        for row in decisions.to_dict("records")
    }
    columns = (table[c].tolist() for c in ("metric", "model", "arm", "concurrency"))
    for i, (metric, *key_) in enumerate(zip(*columns, strict=True)):
        key = (key_[0], key_[1], key_[2])
        if metric == PRIMARY and key in looks:
            table.loc[i, taken] = looks[key]
    return table


def _smaller(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> Sequence[int]:
    """The smaller count of a pair of cells; -1 is "no run", not a count."""
    both = np.where(ours < 0, theirs, np.where(theirs < 0, ours, np.minimum(ours, theirs)))
    return [int(value) for value in both]
