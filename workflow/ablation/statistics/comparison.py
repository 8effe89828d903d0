"""Arm against baseline: paired by block on the log ratio, with a verdict for each level.

The unit is a server launch. Within a block each arm was launched once, so a block gives one pair.
A family is the levels of one (model, metric, arm): p-values of the difference and of equivalence
are each adjusted over it (Holm), so the chance of any false "faster" or "slower" in a family stays
below alpha, and so does that of any false "equivalent".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

from ablation.plan.plan import Plan
from ablation.statistics import paired
from ablation.statistics.cells import Absent, Cells, Grid, explain
from ablation.statistics.metrics import PRIMARY, Metric, measured
from ablation.statistics.power import detectable_in_sd, more_blocks
from ablation.statistics.sentences import sentence
from ablation.statistics.sequential import decide, planned_blocks
from ablation.statistics.verdict import log_margin, verdicts

Contrast = tuple[str, str, int]


def compare(runs: DataFrame, plan: Plan) -> DataFrame:
    """One row for each (model, metric, arm but the baseline, concurrency): ``tables.COMPARISONS``.

    ``runs`` is the aggregate, one row a run. Only usable runs with a positive finite value count; a
    block counts when both arms have one. Empty when no model ran the baseline and another arm. In a
    study that may stop early (``design.sequential``) the verdicts of the primary metric are those of its
    looks; intervals and p-values are those of the blocks that are there, as if their number was fixed.
    """
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
        decisions = decide(runs, plan)
        table = table if decisions.empty else _with_looks(table, decisions)
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
    ours = np.array([cells.row[c] for c in contrasts])
    theirs = np.array([cells.row[(model, baseline, level)] for model, _, level in contrasts])
    absent = np.maximum(cells.absent[ours], cells.absent[theirs])
    both = absent == Absent.NO
    arm = np.where(both, cells.values[ours], np.nan)
    base = np.where(both, cells.values[theirs], np.nan)
    ratios = np.log(np.where(both, arm, 1.0)) - np.log(np.where(both, base, 1.0))
    ratios = np.where(both, ratios, np.nan)

    m = paired.moments(ratios)
    low, high = paired.interval(m, confidence)
    p, p_tost = paired.t_test(m), paired.equivalence_test(m, margin)
    families = DataFrame(contrasts, columns=["model", "arm", "level"]).groupby(["model", "arm"])
    p_holm, p_tost_holm = np.full(len(p), np.nan), np.full(len(p), np.nan)
    size = np.ones(len(p))
    for rows in families.indices.values():
        p_holm[rows], p_tost_holm[rows] = paired.holm(p[rows]), paired.holm(p_tost[rows])
        size[rows] = max(int(np.isfinite(p[rows]).sum()), 1)
    better = m.mean > 0 if metric.higher_is_better else m.mean < 0
    words = verdicts(m.n, better, p_holm, p_tost_holm, alpha)
    more = more_blocks(m.mean, m.sd, m.n.astype(np.float64), alpha=alpha / size, margin=margin)
    open_ = np.array([word == "inconclusive" for word in words], dtype=bool)
    detectable = np.array([detectable_in_sd(int(n), round(alpha, 12)) for n in m.n])
    with_pairs = np.maximum(m.n, 1)
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
            "mean_arm": np.where(m.n > 0, np.where(both, arm, 0).sum(axis=1) / with_pairs, np.nan),
            "mean_baseline": np.where(
                m.n > 0, np.where(both, base, 0).sum(axis=1) / with_pairs, np.nan
            ),
            "ratio": np.exp(m.mean),
            "difference_percent": 100 * np.expm1(m.mean),
            "low_percent": 100 * np.expm1(low),
            "high_percent": 100 * np.expm1(high),
            "p": p,
            "p_holm": p_holm,
            "family_size": size.astype(np.int64),
            "p_sign_flip": paired.sign_flip_test(ratios),
            "sign_flip_floor": paired.sign_flip_floor(m.n),
            "p_tost": p_tost,
            "p_tost_holm": p_tost_holm,
            "hedges_g": paired.hedges_g(m),
            "mde_percent": 100 * np.expm1(detectable * m.sd),
            "verdict": words,
            "more_blocks": np.where(open_, more, np.nan),
            "left_out": [
                explain(row[cells.blocks <= most].tolist(), metric, fewest)
                for row, most, fewest in zip(
                    absent,
                    grid.planned[ours],
                    _fewest(cells.fewest[ours], cells.fewest[theirs]),
                    strict=True,
                )
            ],
        }
    )


def _with_looks(table: DataFrame, decisions: DataFrame) -> DataFrame:
    """The primary metric's verdicts as its looks gave them, and at how many blocks (0: open).

    An A/A arm decides nothing, so it has no looks and keeps the verdict of a fixed design.
    """
    looks = {
        (str(model), str(arm), int(level)): (str(verdict), int(at))
        for model, arm, level, verdict, at in zip(
            *(decisions[c] for c in ("model", "arm", "concurrency", "verdict", "settled_at")),
            strict=True,
        )
    }
    columns = (table[c].tolist() for c in ("metric", "model", "arm", "concurrency"))
    for i, (metric, *key_) in enumerate(zip(*columns, strict=True)):
        key = (key_[0], key_[1], key_[2])
        if metric == PRIMARY and key in looks:
            table.loc[i, ["verdict", "settled_at"]] = looks[key]
            if looks[key][1]:
                table.at[i, "more_blocks"] = np.nan
    return table


def _fewest(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> list[int]:
    """The smaller count of a pair of cells; -1 is "no run", not a count."""
    both = np.where(ours < 0, theirs, np.where(theirs < 0, ours, np.minimum(ours, theirs)))
    return [int(value) for value in both]
