"""How much launches of an arm differ, where that comes from, and whether the arms differ in it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from pandas import DataFrame
from scipy import stats

from ablation.plan.plan import Plan
from ablation.statistics.cells import Absent, Grid
from ablation.statistics.metrics import METRICS, PRIMARY
from ablation.statistics.paired import Floats

# A split of launches into two groups is called modes when chance gives one as clear this rarely.
MODE_P = 0.01
FEWEST_FOR_MODES = 6
_MODE_SAMPLES = 20_000


def variance_ratio(
    x: Floats, y: Floats, confidence: float = 0.95
) -> tuple[float, float, float, float]:
    """Ratio of the variances of paired values, ``var(x) / var(y)``, its interval, and p of equality.

    Exact for pairs that are bivariate normal, at any n from 3 up, whatever their correlation: the
    variances are equal when the sum and the difference do not correlate. Blocks make the arms
    correlate, which an F test must not ignore. It is as sensitive to heavy tails as the F test.
    Sources: Pitman (1939), Biometrika 31, 9-12; Morgan (1939), Biometrika 31, 13-19. NaN where the
    ratio cannot be had: below 3 pairs, or a variance of 0 on either side.
    """
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    nothing = (float("nan"),) * 4
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return nothing
    ratio = float(np.var(x, ddof=1) / np.var(y, ddof=1))
    free = max(1.0 - float(np.corrcoef(x, y)[0, 1]) ** 2, 0.0)
    f = len(x) - 2
    if free < 1e-12:
        # Perfectly correlated: the ratio is known, and equal only if it is 1.
        return ratio, ratio, ratio, float(np.isclose(ratio, 1.0))
    t = abs(ratio - 1) * np.sqrt(f / (4 * ratio * free))
    k = 1 + 2 * free * float(stats.t.isf((1 - confidence) / 2, f)) ** 2 / f
    reach = k + np.sqrt(k * k - 1)
    return ratio, ratio / reach, ratio * reach, float(2 * stats.t.sf(t, f))


def split(batches: list[Floats]) -> tuple[float, float, float]:
    """Spread within and between launches in percent, and the share of variance between launches.

    ``batches``: for each launch the throughput of equal slices of its window. One-way random
    effects on the logarithm (analysis of variance; Searle, Casella and McCulloch 1992, ch. 3),
    the component between launches not below 0. Neighbouring slices are not independent, so the
    part within is a lower bound. NaN with fewer than 2 launches or 2 slices.
    """
    logs = [np.log(b[np.isfinite(b) & (b > 0)]) for b in batches]
    logs = [x for x in logs if len(x) >= 2]
    if len(logs) < 2:
        return (float("nan"),) * 3
    sizes = np.array([len(x) for x in logs])
    total, groups = int(sizes.sum()), len(logs)
    means = np.array([x.mean() for x in logs])
    grand = float((sizes * means).sum() / total)
    within = sum(float(((x - x.mean()) ** 2).sum()) for x in logs) / (total - groups)
    between = float((sizes * (means - grand) ** 2).sum()) / (groups - 1)
    typical = (total - float((sizes**2).sum()) / total) / (groups - 1)
    component = max((between - within) / typical, 0.0)
    whole = component + within
    share = component / whole if whole > 0 else float("nan")
    return 100 * float(np.sqrt(within)), 100 * float(np.sqrt(component)), share


def _clearest_split(values: Floats) -> tuple[Floats, np.ndarray]:
    """Share of each row's sum of squares explained by its best cut into two groups of 2 or more,
    and how many of the sorted values lie below that cut."""
    ordered = np.sort(values, axis=1)
    n = ordered.shape[1]
    centred = ordered - ordered.mean(axis=1, keepdims=True)
    below = np.cumsum(centred, axis=1)[:, 1 : n - 2]
    size = np.arange(2, n - 1)
    explained = below**2 * n / (size * (n - size))
    total = (centred**2).sum(axis=1)
    best = explained.argmax(axis=1)
    share = explained.max(axis=1) / np.where(total > 0, total, 1.0)
    return np.where(total > 0, share, 0.0), best + 2


@lru_cache(maxsize=64)
def _chance_splits(n: int) -> Floats:
    """What the clearest split explains in samples of one normal distribution, sorted."""
    normal = np.random.default_rng(n).standard_normal((_MODE_SAMPLES, n))
    return np.asarray(np.sort(_clearest_split(normal)[0]))


def modes(values: ArrayLike) -> tuple[float, list[int]]:
    """p of one group of launches, and the places of those in the lower group if there are two.

    The clearest cut into two groups of at least 2 launches against what chance gives: the test of
    Engelman and Hartigan (1969), J. Am. Stat. Assoc. 64, 1647-1648, its null distribution from
    20,000 seeded normal samples. NaN and no group below 6 launches.
    """
    values = np.asarray(values, dtype=np.float64)
    values = np.log(np.where(values > 0, values, np.nan))
    kept = np.flatnonzero(np.isfinite(values))
    if len(kept) < FEWEST_FOR_MODES or np.ptp(values[kept]) == 0:
        return float("nan"), []
    share, low = _clearest_split(values[kept][None, :])
    chance = _chance_splits(len(kept))
    reached = len(chance) - int(np.searchsorted(chance, share[0], side="left"))
    p = (1 + reached) / (1 + len(chance))
    if p >= MODE_P:
        return p, []
    order = kept[np.argsort(values[kept], kind="stable")]
    return p, sorted(order[: int(low[0])].tolist())


def variability(runs: DataFrame, plan: Plan) -> DataFrame:
    """One row for each (model, arm, concurrency) of the primary metric: ``tables.VARIABILITY``.

    The variance ratio is the arm's against the baseline's; NaN for the baseline itself and where
    the model did not run it.
    """
    grid = Grid(runs, plan)
    cells = grid.cells(METRICS[PRIMARY])
    baseline = plan.baseline
    confidence = plan.study.design.confidence
    usable = runs[runs["usable"].astype(bool)]
    slices: dict[tuple[str, str, int], list[Floats]] = {}
    if "batch_throughput_tok_s" in runs:
        columns = ("model", "arm", "concurrency", "batch_throughput_tok_s")
        for model, arm, level, batch in zip(*(usable[c] for c in columns), strict=True):
            if batch is not None:
                values = np.asarray(batch, dtype=np.float64)
                slices.setdefault((model, arm, int(level)), []).append(values)
    rows = []
    for i, (model, arm, level) in enumerate(cells.keys):
        values = cells.values[i]
        within, between, share = split(slices.get((model, arm, level), []))
        p_modes, low = modes(values)
        ratio = (float("nan"),) * 4
        other = cells.row.get((model, baseline, level))
        if arm != baseline and other is not None:
            both = (cells.absent[i] == Absent.NO) & (cells.absent[other] == Absent.NO)
            ours, theirs = np.log(values[both]), np.log(cells.values[other][both])
            ratio = variance_ratio(ours, theirs, confidence)
        rows.append(
            {
                "model": model,
                "arm": arm,
                "concurrency": level,
                "metric": PRIMARY,
                "n": int((cells.absent[i] == Absent.NO).sum()),
                "within_percent": within,
                "between_percent": between,
                "between_share": share,
                "p_one_mode": p_modes,
                "low_blocks": [int(b) for b in cells.blocks[low]],
                "variance_ratio": ratio[0],
                "variance_ratio_low": ratio[1],
                "variance_ratio_high": ratio[2],
                "p_variance": ratio[3],
            }
        )
    return DataFrame(rows)
