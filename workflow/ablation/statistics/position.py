"""Does it matter which arm of a block is launched first? A cold cache or a GPU that warms up favours one place.

The order within a block is random, so such an effect biases no comparison in the long run. It widens every interval,
and with few blocks the order may be far from balanced: then it stands in the difference of the arms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from scipy import stats

from ablation.plan.plan import Plan
from ablation.statistics.metrics import METRICS, PRIMARY
from ablation.statistics.paired import Floats
from ablation.statistics.premises import pairs_apart

# An effect of the place is called large from this share of the equivalence margin on: a smaller one cannot move a
# difference by more than a quarter of what the study calls one.
LARGE = 0.25


def position(runs: DataFrame, plan: Plan) -> DataFrame:
    """One row for each model and place from the second on, against the first: ``tables.POSITION``.

    ``runs`` is the aggregate; the place of a launch is its rank by ``started_at`` among the launches of its model and
    block. The value of a launch is the mean over levels of its log throughput, over those at which every arm has a
    usable run in this block. Blocks, arms and places have additive effects (least squares); with two arms this is the
    test of a period effect in a crossover trial (Hills and Armitage 1979, Br. J. Clin. Pharmacol. 8, 7-20). A block
    whose launches were not measured together has no places.
    ``bias_percent`` is what the effect adds to the difference of the arms in these blocks: 0 where every arm was as
    often in every place. NaN where the blocks are too few, or their orders cannot tell places from arms.
    """
    rows: list[dict[str, Any]] = []
    if runs.empty:
        return DataFrame()
    metric = METRICS[PRIMARY]
    apart = {(model, block) for model, _, block, _ in pairs_apart(runs, plan)}
    confidence = plan.study.design.confidence
    for model, entry in plan.models.items():
        if len(entry.arms) < 2:
            continue
        own = runs[runs["model"] == model]
        together = [(model, int(block)) not in apart for block in own["block"]]
        values, places = _launches(own[together], entry.arms)
        effects, errors, free = _effects(values, places)
        first = [int((places[:, i] == 0).sum()) for i in range(len(entry.arms))]
        for place in range(1, len(entry.arms)):
            effect, error = effects[place - 1], errors[place - 1]
            half = stats.t.ppf((1 + confidence) / 2, free) * error if free > 0 else np.nan
            p = 2 * stats.t.sf(abs(effect) / error, free) if free > 0 and error > 0 else np.nan
            rows.append(
                {
                    "model": model,
                    "metric": metric.name,
                    "place": place + 1,
                    "n_blocks": len(values),
                    "difference_percent": 100 * np.expm1(effect),
                    "low_percent": 100 * np.expm1(effect - half),
                    "high_percent": 100 * np.expm1(effect + half),
                    "p": p,
                    "arms": list(entry.arms),
                    "first": first,
                    "balanced": _balanced(places),
                    "bias_percent": _bias(places, effects, entry.arms, plan.baseline),
                }
            )
    return DataFrame(rows)


def _launches(runs: DataFrame, arms: list[str]) -> tuple[Floats, NDArray[np.int64]]:
    """Mean log throughput and place of every launch, shape (blocks, arms); blocks that lack an arm are left out."""
    value = runs[PRIMARY].to_numpy(dtype=np.float64, na_value=np.nan)
    good = runs["usable"].to_numpy(dtype=bool) & np.isfinite(value) & (value > 0)
    frame = runs[["arm", "block", "concurrency", "started_at"]].assign(
        log=np.log(value, where=good, out=np.full(len(value), np.nan))
    )
    if frame.empty:
        return np.empty((0, len(arms))), np.empty((0, len(arms)), dtype=np.int64)
    logs = frame.pivot(index=["block", "concurrency"], columns="arm", values="log")
    values = logs.reindex(columns=arms).dropna().groupby("block").mean()
    started = frame.groupby(["block", "arm"])["started_at"].min().unstack()
    started = started.reindex(columns=arms).dropna()
    both = values.index.intersection(started.index)
    places = started.loc[both].rank(axis=1, method="first").to_numpy(dtype=np.int64) - 1
    return values.loc[both].to_numpy(dtype=np.float64), places


def _effects(values: Floats, places: NDArray[np.int64]) -> tuple[Floats, Floats, int]:
    """Effect of each place from the second on, against the first (log), its standard error, degrees of freedom.

    NaN where the blocks' orders cannot tell places from arms.
    """
    blocks, arms = values.shape
    nothing = np.full(arms - 1, np.nan)
    free = blocks * arms - blocks - 2 * (arms - 1)
    if free < 1:
        return nothing, nothing, free
    cell = np.arange(blocks * arms)
    block, arm, place = cell // arms, cell % arms, places.ravel()
    columns = [(block == b) for b in range(blocks)]
    columns += [(arm == a) for a in range(1, arms)] + [(place == k) for k in range(1, arms)]
    design = np.array(columns, dtype=np.float64).T
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return nothing, nothing, free
    fit, *_ = np.linalg.lstsq(design, values.ravel(), rcond=None)
    left = values.ravel() - design @ fit
    variance = float(left @ left) / free
    errors = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    last = slice(1 - arms, None)
    return np.asarray(fit[last], dtype=np.float64), np.asarray(errors[last]), free


def _balanced(places: NDArray[np.int64]) -> bool | None:
    """Whether every arm was launched in every place as often as in any other, to within one block."""
    if not len(places):
        return None
    arms = places.shape[1]
    counts = np.array([[(places[:, a] == k).sum() for k in range(arms)] for a in range(arms)])
    return bool(np.ptp(counts) <= 1)


def _bias(places: NDArray[np.int64], effects: Floats, arms: list[str], baseline: str) -> float:
    """The largest bias of a difference from the baseline, in percent: by how much its arms' mean places differ."""
    if baseline not in arms or not len(places):
        return float("nan")
    all_places = np.concatenate([[0.0], effects])
    mean = all_places[places].mean(axis=0)
    apart = np.delete(mean - mean[arms.index(baseline)], arms.index(baseline))
    return float(100 * np.expm1(apart[np.abs(apart).argmax()]))
