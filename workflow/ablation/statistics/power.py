"""What n blocks can show: minimum detectable effect, and how many more blocks a verdict takes.

The paired t test's power comes from the noncentral t distribution (``scipy.stats.nct``). Effects
are on the log scale and positive or negative alike.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from ablation.statistics.paired import Floats

POWER = 0.80
MOST_BLOCKS = 1000
# Beyond this noncentrality the power is 1 to double precision for every df that is asked for.
_CERTAIN = 35.0


def t_test_power(effect: ArrayLike, sd: ArrayLike, n: ArrayLike, alpha: ArrayLike) -> Floats:
    """Probability that a two-sided paired t test of n pairs finds this true effect at ``alpha``."""
    effect, sd, n, alpha = np.broadcast_arrays(effect, sd, n, alpha)
    noncentrality = np.abs(effect) * np.sqrt(n) / sd
    critical = stats.t.isf(alpha / 2, n - 1)
    bounded = np.minimum(noncentrality, _CERTAIN)
    power = stats.nct.sf(critical, n - 1, bounded) + stats.nct.sf(critical, n - 1, -bounded)
    return np.asarray(np.where(noncentrality > _CERTAIN + critical, 1.0, np.minimum(power, 1.0)))


def equivalence_power(
    effect: ArrayLike, sd: ArrayLike, n: ArrayLike, alpha: ArrayLike, margin: float
) -> Floats:
    """Probability that two one-sided tests show ``|effect| < margin``: a bound, tight at 80 %.

    Source: Phillips (1990), J. Pharmacokinet. Biopharm. 18, 137-144, with the overlap left out.
    """
    effect, sd, n, alpha = np.broadcast_arrays(effect, sd, n, alpha)
    critical = stats.t.isf(alpha, n - 1)
    total = np.full(effect.shape, -1.0)
    for distance in (margin - effect, margin + effect):
        noncentrality = np.clip(distance * np.sqrt(n) / sd, -_CERTAIN, _CERTAIN)
        total = total + stats.nct.sf(critical, n - 1, noncentrality)
    return np.asarray(np.clip(total, 0.0, 1.0))


@lru_cache(maxsize=1024)
def detectable_in_sd(n: int, alpha: float, power: float = POWER) -> float:
    """The effect, in standard deviations of the log ratios, that n pairs find with this power.

    NaN below 2 pairs.
    """
    if n < 2:
        return float("nan")

    def short(effect: float) -> float:
        return float(t_test_power(effect, 1.0, n, alpha)) - power

    high = 1.0
    while short(high) < 0:
        high *= 2
    return float(optimize.brentq(short, 0.0, high, xtol=1e-12))


def more_blocks(
    mean: Floats, sd: Floats, n: Floats, *, alpha: Floats, margin: float, most: int = MOST_BLOCKS
) -> Floats:
    """How many blocks more would settle each comparison, at the mean and spread seen so far.

    The smaller of what a difference and what equivalence needs at 80 % power; ``alpha`` is the
    level's own (divided by the family's size: the strictest step of Holm). NaN where it takes more
    than ``most`` blocks in all, or where nothing can be said (fewer than 2 pairs). An estimate from
    an estimate: the mean and the spread will move.
    """
    mean, sd, n, alpha = (np.asarray(x, dtype=np.float64) for x in (mean, sd, n, alpha))
    known = np.isfinite(mean) & np.isfinite(sd) & (sd > 0) & (n >= 2)
    total = np.full(mean.shape, np.nan)
    mean_, sd_, alpha_ = mean[known], sd[known], alpha[known]

    def enough(blocks: Floats) -> np.ndarray:
        found = t_test_power(mean_, sd_, blocks, alpha_) >= POWER
        same = equivalence_power(mean_, sd_, blocks, alpha_, margin) >= POWER
        return np.asarray(found | same)

    # Both powers rise with n, so the smallest sufficient n is found by bisection.
    low = n[known].copy()
    high = np.full(low.shape, float(most))
    reachable = enough(high)
    while np.any(high - low > 1):
        middle = np.floor((low + high) / 2)
        ok = enough(middle)
        high, low = np.where(ok, middle, high), np.where(ok, low, middle)
    total[known] = np.where(reachable, high, np.nan)
    return np.where(total > n, total - n, np.nan)
