"""Each arm on its own: mean over launches with its interval, and how much launches differ (CoV)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pandas import DataFrame
from scipy import stats

from ablation.plan.plan import Plan
from ablation.statistics.cells import Absent, Grid, explain
from ablation.statistics.metrics import measured
from ablation.statistics.paired import Floats, Moments, moments
from ablation.statistics.sequential import planned_blocks


def cov_interval(cov: ArrayLike, n: ArrayLike, confidence: float) -> tuple[Floats, Floats]:
    """Interval of a coefficient of variation (as a fraction) of n normal observations.

    Source: Vangel (1996), "Confidence intervals for a normal coefficient of variation", Am. Stat.
    50, 21-26: McKay's (1932) interval, corrected; meant for CoV below 33 %, exact to within 1 % of
    its width where launches lie (CoV below 10 %). Both NaN below 2 observations; an upper limit
    that does not exist (large CoV, few observations) is infinite.
    """
    cov, n = np.broadcast_arrays(np.asarray(cov, np.float64), np.asarray(n, np.float64))
    f = np.where(n > 1, n - 1, np.nan)
    limits = []
    for tail in ((1 + confidence) / 2, (1 - confidence) / 2):
        u = stats.chi2.ppf(tail, f)
        under = ((u + 2) / n - 1) * cov**2 + u / f
        root = np.sqrt(np.where(under > 0, under, np.nan))
        limit = np.where(under > 0, cov / np.where(root > 0, root, 1.0), np.inf)
        limits.append(np.where(np.isnan(f) | np.isnan(cov), np.nan, limit))
    return limits[0], limits[1]


def mean_interval(m: Moments, confidence: float) -> tuple[Floats, Floats]:
    """Student t interval of a positive mean, on the logarithm: ``mean / k`` to ``mean * k``.

    ``k = exp(t sd / (mean sqrt(n)))``: the error of the logarithm of a mean by the delta method, as in
    ``compare.contrast``. A rate is never negative, and on its own scale the interval of two launches was
    "1,285 [-1,032, 3,603] tok/s". Where launches lie, at a CoV of a few percent, both scales give the same.
    """
    some = m.mean > 0
    relative = np.where(some, m.error / np.where(some, m.mean, 1.0), np.nan)
    half = stats.t.ppf((1 + confidence) / 2, m.df) * relative
    factor = np.exp(np.minimum(half, 700.0))
    return m.mean / factor, m.mean * factor


def summarise(runs: DataFrame, plan: Plan) -> DataFrame:
    """One row for each (model, arm, concurrency, metric): schema ``tables.ARMS``.

    ``runs`` is the aggregate, one row a run; a launch counts once. ``n_excluded`` counts runs that
    exist and take no part, ``n_missing`` planned blocks without a run; ``note`` says why.
    """
    confidence = plan.study.design.confidence
    grid = Grid(runs, planned_blocks(runs, plan))
    frames = []
    for metric in measured(runs):
        cells = grid.cells(metric)
        m = moments(cells.values)
        low, high = mean_interval(m, confidence)
        some = m.mean > 0
        cov = np.where(some, m.sd / np.where(some, m.mean, 1.0), np.nan)
        cov_low, cov_high = cov_interval(cov, m.n, confidence)
        excluded = (cells.absent != Absent.NO) & (cells.absent != Absent.NOT_RUN)
        present = (cells.absent != Absent.NOT_RUN).sum(axis=1)
        frames.append(
            DataFrame(
                {
                    "model": [key[0] for key in cells.keys],
                    "arm": [key[1] for key in cells.keys],
                    "concurrency": [key[2] for key in cells.keys],
                    "metric": metric.name,
                    "unit": metric.unit,
                    "n": m.n,
                    "mean": m.mean,
                    "low": low,
                    "high": high,
                    "sd": m.sd,
                    "cov_percent": 100 * cov,
                    "cov_low_percent": 100 * cov_low,
                    "cov_high_percent": 100 * cov_high,
                    "n_excluded": excluded.sum(axis=1),
                    "n_missing": np.maximum(grid.planned - present, 0),
                    "note": [
                        explain(absent[cells.blocks <= most].tolist(), metric, int(cells.fewest[i]))
                        for i, (absent, most) in enumerate(
                            zip(cells.absent, grid.planned, strict=True)
                        )
                    ],
                }
            )
        )
    return pd.concat(frames, ignore_index=True) if frames else DataFrame()
