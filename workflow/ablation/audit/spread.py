"""The spread behind a row of a published table, as the error of its log difference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import integrate, stats

from ablation.audit.table import Arm, Row
from ablation.statistics import paired

Ends = tuple[float, float]


@dataclass(frozen=True)
class Spread:
    """Standard error of a log difference and its degrees of freedom, at the smallest and at the largest spread."""

    error: Ends
    df: Ends


def counts(row: Row) -> tuple[int, int] | None:
    """Runs of the baseline and of the arm, where both are known."""
    if row.baseline is None or row.arm is None or row.baseline.n is None or row.arm.n is None:
        return None
    return row.baseline.n, row.arm.n


def cov_of(arm: Arm) -> Ends | None:
    """The CoV as a fraction, at both ends; never below what rounding alone would scatter. None without a spread."""
    floor = arm.half_unit / math.sqrt(3) / arm.value
    if len(arm.repeats) > 1:
        logs = np.log([p.value for p in arm.repeats])
        own = max(float(paired.moments(logs).sd[0]), floor)
        return own, own
    if arm.cov_percent is None:
        return None
    low, high = (max(c / 100, floor) for c in arm.cov_percent)
    return low, high


def _error_cov(arm: Arm) -> Ends | None:
    """The CoV that a mean would need to have the error of what is printed: larger than the runs' for a median."""
    cov, factor = cov_of(arm), math.sqrt(excess(arm))
    return None if cov is None else (factor * cov[0], factor * cov[1])


def spread_of(row: Row) -> Spread | None:
    """The error of a row's log difference; None where the table prints no spread of both arms."""
    if row.baseline is None or row.arm is None:
        return None
    a, b, n = _error_cov(row.arm), _error_cov(row.baseline), counts(row)
    if a is None or b is None or n is None or min(n) < 2:
        return None
    if row.paired and n[0] == n[1]:
        low, high = _paired_sd(row, a, b)
        scale = math.sqrt(n[0])
        return Spread((low / scale, high / scale), (n[0] - 1.0, n[0] - 1.0))
    low_end, high_end = (welch(x, y, n[1], n[0]) for x, y in zip(a, b, strict=True))
    return Spread((low_end[0], high_end[0]), (low_end[1], high_end[1]))


def _paired_sd(row: Row, a: Ends, b: Ends) -> Ends:
    """The standard deviation of the pairs' log ratios: known from printed runs, else between two bounds."""
    assert row.arm is not None
    assert row.baseline is not None
    floor = math.hypot(*(x.half_unit / math.sqrt(3) / x.value for x in (row.arm, row.baseline)))
    if _runs_in_pairs(row):
        pairs = zip(row.arm.repeats, row.baseline.repeats, strict=True)
        own = float(paired.moments(np.log([x.value / y.value for x, y in pairs])).sd[0])
        return max(own, floor), max(own, floor)
    nearest = max(0.0, a[0] - b[1], b[0] - a[1])
    return max(nearest, floor), max(a[1] + b[1], floor)


def _runs_in_pairs(row: Row) -> bool:
    a, b = row.arm, row.baseline
    return bool(row.paired and a and b and len(a.repeats) == len(b.repeats) > 1)


def welch(a: float, b: float, n_a: int, n_b: int) -> tuple[float, float]:
    """Standard error of a log difference of two means with these CoVs (fractions), and Welch's degrees of freedom."""
    va, vb = a**2 / n_a, b**2 / n_b
    if va + vb == 0:
        return 0.0, float(n_a + n_b - 2)
    df = (va + vb) ** 2 / (va**2 / (n_a - 1) + vb**2 / (n_b - 1))
    return math.sqrt(va + vb), df


def compared_by(row: Row) -> str:
    if not row.paired or row.arm is None or row.baseline is None or row.arm.n != row.baseline.n:
        return ""
    return "each pair" if _runs_in_pairs(row) else "the spread of either arm"


def excess(arm: Arm | None) -> float:
    """By how much the variance of what is printed exceeds that of a mean of as many normal runs: 1 for a mean."""
    if arm is None or arm.statistic != "median" or arm.center is None or arm.n is None or arm.n < 3:
        return 1.0
    return _median_excess(min(arm.n | 1, 1001))


@lru_cache(maxsize=64)
def _median_excess(n: int) -> float:
    """n times the variance of the median of n standard normal values, n odd.

    From the density of the middle order statistic (David and Nagaraja 2003, Order Statistics, 2.1). An
    even number is taken as the next odd one, which is a little more.
    """
    m = (n - 1) // 2
    log_ways = math.lgamma(n + 1) - 2 * math.lgamma(m + 1)

    def density(x: float) -> float:
        tails = stats.norm.logcdf(x) + stats.norm.logsf(x)
        return x * x * math.exp(log_ways + m * tails + stats.norm.logpdf(x))

    return float(n * integrate.quad(density, -8, 8, points=[0], limit=200)[0])
