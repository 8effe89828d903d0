"""Paired tests on log ratios, for many comparisons at once.

Everything here takes ``log_ratios``, ``log(arm / baseline)``: shape (comparisons, blocks), NaN
where a block has no usable pair; and gives arrays of shape (comparisons,). So 20,000 runs, or 2,000
simulated studies, are a handful of calls. Degenerate input has a defined result and no warning:

* no pair: all NaN. One pair: a mean, the rest NaN.
* zero variance: the interval is the mean itself; p is 0 for a mean other than 0, else 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Floats = NDArray[np.float64]

# All 2^n sign patterns up to this many blocks; beyond it, this many random ones.
EXACT_BLOCKS = 16
RANDOM_FLIPS = 2**16 - 1
# A spread this far below the values themselves is rounding, not variance.
ROUNDING = 8 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Moments:
    """Number of pairs, mean, standard deviation (NaN below 2 pairs) and error of the mean."""

    n: NDArray[np.int64]
    mean: Floats
    sd: Floats
    error: Floats

    @property
    def df(self) -> Floats:
        """Degrees of freedom; NaN below 2 pairs, so that what follows is NaN and does not warn."""
        return np.where(self.n > 1, self.n - 1.0, np.nan)


def moments(values: Floats) -> Moments:
    """Count, mean, sample standard deviation and standard error of each row, NaN left out."""
    values = np.atleast_2d(np.asarray(values, dtype=np.float64))
    present = np.isfinite(values)
    n = present.sum(axis=1)
    mean = np.where(n > 0, np.where(present, values, 0).sum(axis=1) / np.maximum(n, 1), np.nan)
    deviation = np.where(present, values - mean[:, None], 0.0)
    sd = np.sqrt((deviation**2).sum(axis=1) / np.maximum(n - 1, 1))
    largest = np.abs(np.where(present, values, 0)).max(axis=1, initial=0.0)
    sd = np.where(sd <= ROUNDING * largest, 0.0, sd)
    sd = np.where(n > 1, sd, np.nan)
    return Moments(n, mean, sd, sd / np.sqrt(np.maximum(n, 1)))


def interval(m: Moments, confidence: float) -> tuple[Floats, Floats]:
    """Student t interval of the mean."""
    half = stats.t.ppf((1 + confidence) / 2, m.df) * m.error
    return m.mean - half, m.mean + half


def _t(difference: Floats, m: Moments) -> Floats:
    """``difference / error``; with no variance infinitely far, or 0 without a difference."""
    some = m.error > 0
    ratio = difference / np.where(some, m.error, 1.0)
    flat = np.where(difference == 0, 0.0, np.copysign(np.inf, difference))
    return np.where(some, ratio, np.where(np.isnan(m.error), np.nan, flat))


def t_test(m: Moments) -> Floats:
    """Two-sided p of Student's one-sample t test of a mean of 0 (``scipy.stats.ttest_1samp``)."""
    p = 2 * stats.t.sf(np.abs(_t(m.mean, m)), m.df)
    return np.asarray(np.minimum(p, 1.0))


def equivalence_test(m: Moments, margin: float) -> Floats:
    """p of two one-sided t tests of ``|mean| < margin`` (log scale), the larger of the two.

    Source: Schuirmann (1987), J. Pharmacokinet. Biopharm. 15, 657-680. With no variance it is 0
    inside the margin and 1 on or outside it.
    """
    above = stats.t.sf(_t(m.mean + margin, m), m.df)
    below = stats.t.cdf(_t(m.mean - margin, m), m.df)
    p = np.maximum(above, below)
    return np.where(m.error == 0, np.where(np.abs(m.mean) < margin, 0.0, 1.0), p)


@lru_cache(maxsize=32)
def _sign_patterns(n: int) -> Floats:
    """Sign patterns with the first sign fixed (the test is two-sided): shape (2^(n-1), n)."""
    codes = np.arange(2 ** (n - 1))[:, None] >> np.arange(n - 1)
    signs = np.ones((2 ** (n - 1), n))
    signs[:, 1:] -= 2.0 * (codes & 1)
    return signs


def sign_flip_test(log_ratios: Floats) -> Floats:
    """Two-sided p of the sign-flip (Fisher randomisation) test of the mean log ratio.

    Under the null the labels of a block's two launches could have been swapped, which flips the
    sign of its log ratio: p is the share of all 2^n patterns with a mean at least as far from 0.
    Exact up to 16 pairs (``scipy.stats.permutation_test`` with ``permutation_type="samples"``
    gives the same, one comparison at a time); above, 65,535 seeded random patterns and the
    observed one (Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9, 39).
    """
    values = np.atleast_2d(np.asarray(log_ratios, dtype=np.float64))
    present = np.isfinite(values)
    counts = present.sum(axis=1)
    p = np.full(len(values), np.nan)
    for n in np.unique(counts[counts > 0]).tolist():
        rows = np.flatnonzero(counts == n)
        packed = values[rows][present[rows]].reshape(len(rows), n)
        # Sums that are equal but for the order of adding must count as ties.
        reached = np.abs(packed.sum(axis=1)) - 1e-12 * np.abs(packed).sum(axis=1)
        if n <= EXACT_BLOCKS:
            patterns = _sign_patterns(n)
            for i, row in enumerate(rows):
                p[row] = np.mean(np.abs(patterns @ packed[i]) >= reached[i])
        else:
            for i, row in enumerate(rows):
                signs = np.random.default_rng(0).integers(0, 2, (RANDOM_FLIPS, n)) * 2.0 - 1
                hits = np.count_nonzero(np.abs(signs @ packed[i]) >= reached[i])
                p[row] = (1 + hits) / (1 + RANDOM_FLIPS)
    return p


def sign_flip_floor(n: NDArray[np.int64]) -> Floats:
    """The smallest p that the sign-flip test can give from n pairs: 2 / 2^n (6 pairs: 0.031)."""
    floor = np.maximum(np.exp2(1.0 - n), np.where(n > EXACT_BLOCKS, 1 / (1 + RANDOM_FLIPS), 0))
    return np.where(n > 0, floor, np.nan)


def hedges_g(m: Moments) -> Floats:
    """Paired Hedges' g: ``J(n - 1) * mean / sd`` of the log ratios (d_z with its bias removed).

    ``J(f) = Gamma(f/2) / (sqrt(f/2) Gamma((f-1)/2))``: Hedges (1981), J. Educ. Stat. 6, 107-128.
    NaN below 3 pairs, where J is 0; infinite for a difference without variance.
    """
    f = np.where(m.n > 2, m.n - 1.0, np.nan)
    correction = np.exp(special.gammaln(f / 2) - special.gammaln((f - 1) / 2)) / np.sqrt(f / 2)
    d = np.where(m.sd > 0, m.mean / np.where(m.sd > 0, m.sd, 1.0), np.nan)
    flat = np.where(m.mean == 0, 0.0, np.copysign(np.inf, m.mean))
    return np.asarray(np.where(m.sd == 0, flat, d) * correction)


def holm(p: Floats) -> Floats:
    """p-values adjusted for their number, each family along the last axis; NaN stays NaN and is not counted.

    Source: Holm (1979), Scand. J. Stat. 6, 65-70.
    """
    p = np.asarray(p, dtype=np.float64)
    tested = np.isfinite(p)
    order = np.argsort(np.where(tested, p, np.inf), axis=-1, kind="stable")
    ordered = np.take_along_axis(np.where(tested, p, 0.0), order, axis=-1)
    left = tested.sum(axis=-1, keepdims=True) - np.arange(p.shape[-1])
    steps = np.minimum(np.maximum.accumulate(ordered * np.maximum(left, 0), axis=-1), 1.0)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, steps, axis=-1)
    return np.where(tested, adjusted, np.nan)
