"""p-values of one family adjusted together: step-down max-t with the dependence that the data show.

The levels of a launch share its noise, so their tests are not independent. Holm's bound allows for the worst
dependence and gives power away. Here each level's test is held against the distribution of the largest statistic of
all levels that are still in play, from the most extreme level down (Westfall and Young 1993, "Resampling-Based
Multiple Testing"; Romano and Wolf 2005, J. Am. Stat. Assoc. 100, 94-108).

That distribution is the one of a rotation test (Langsrud 2005, Stat. Comput. 15, 53-60). If the arms do not differ and
the rows of the matrix of log ratios (blocks x levels) are normal, every rotation of the blocks is as likely as the
matrix itself, whatever the correlation of the levels. That is the assumption of the t test and no other. A level's t
statistic depends on a rotation only through one unit vector u, which is the same for all levels: t grows with
r = u'x / |x|, and the data's own u is (1, ..., 1) / sqrt(blocks). So u is drawn uniformly from the sphere. Three things
follow:

* A family of one level gets the p-value of its t test.
* Each level by itself has exactly the t distribution, so by Bonferroni's inequality the adjusted p-value is at most
  Holm's for every data set. It is bounded by Holm's here, so that the numerical integration cannot break that.
* There is no floor. Flipping the signs of whole blocks is the same method with u from the corners of the cube, and
  cannot give less than 2 / 2^blocks.

docs/multiplicity.md says what else was tried, and how each procedure does in simulation.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.stats import qmc

from ablation.statistics.paired import Floats, holm

PROCEDURE = "step-down max-t"
# Directions u of the numerical integration. The standard error of an adjusted p near 0.05 is about 0.0025 with the few
# and 0.001 with the many, which serve the families whose verdict is near. Simulations are quick: 0.0035.
QUICK, FEW, MANY = 2**10, 2**11, 2**14
# A verdict is near where an adjusted p lies between the test's level times these.
_NEAR = (1 / 3, 2.0)
# Families of more blocks keep Holm's p-values: the directions would take too much memory.
MOST_BLOCKS = 256
# So many values of the reference distribution are made at once.
_AT_ONCE = 2**20
# Statistics that are equal but for rounding in single precision are ties.
_TIE = 1e-6


@lru_cache(maxsize=32)
def directions(blocks: int, count: int) -> NDArray[np.float32]:
    """Points spread evenly over the unit sphere, always the same: shape (count, blocks).

    Scrambled Sobol points (Owen 1998, J. Complexity 14, 466-489) taken through the normal distribution: about half the
    error of as many random points.
    """
    normal = qmc.MultivariateNormalQMC(np.zeros(blocks), rng=np.random.default_rng(20050601))
    points = normal.random(count)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), dtype=np.float32)


def step_down(
    values: Floats, p: Floats, alpha: float, *, two_sided: bool, decisions_only: bool = False
) -> Floats:
    """Adjusted p-values, shape (families, levels), of one-sample t tests over blocks.

    ``values``: what was tested for a mean of 0, shape (families, levels, blocks), NaN where a level has no pair in a
    block. ``p``: the p-values of the tests, two-sided, or one-sided for a mean above 0; NaN stays NaN and is not
    counted. A level with missing blocks is held against u restricted to its blocks: its own test stays exact, the joint
    distribution is approximate. ``alpha``: the level at which the family is judged; p-values near it are computed more
    closely. With ``decisions_only`` a family keeps Holm's p-values where both lead to the same decisions at ``alpha``,
    and nothing is computed more closely: for simulations.
    """
    present = np.isfinite(values) & np.isfinite(p)[:, :, None]
    bound = holm(p)
    if not 2 <= values.shape[2] <= MOST_BLOCKS:
        return bound
    todo = np.isfinite(p).sum(axis=1) > 1
    if decisions_only:
        todo &= ((p < alpha) & (bound >= alpha)).any(axis=1)
    adjusted = bound.copy()
    for count in (QUICK,) if decisions_only else (FEW, MANY):
        rows = np.flatnonzero(todo)
        step = max(1, _AT_ONCE // (values.shape[1] * count))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            own = np.where(present[some], values[some], 0.0)
            found = _reached(own, present[some], p[some], count, two_sided=two_sided)
            # Between the test's own p-value and Holm's, the bounds of the exact value.
            adjusted[some] = np.clip(found, p[some], bound[some])
        near = (adjusted > _NEAR[0] * alpha) & (adjusted < _NEAR[1] * alpha)
        todo &= (near & (p < bound)).any(axis=1)
    return adjusted


def level_alpha(values: Floats, alpha: float) -> Floats:
    """The level at which the most extreme of a family's tests has to pass, shape (families,); ``values`` as above.

    Between ``alpha`` over the number of levels, where they are independent, and ``alpha``, where they are one. It is
    read from the correlation that so few blocks show: an estimate for planning, not a test.
    """
    present = np.isfinite(values)
    tested = (present.sum(axis=2) > 1).sum(axis=1)
    bound = alpha / np.maximum(tested, 1)
    blocks = values.shape[2]
    if not 2 <= blocks <= MOST_BLOCKS:
        return np.asarray(bound)
    u = directions(blocks, FEW)
    found = np.empty(len(values))
    step = max(1, _AT_ONCE // (values.shape[1] * FEW))
    for start in range(0, len(values), step):
        some = slice(start, start + step)
        own = _unit(np.where(present[some], values[some], 0.0))
        largest = np.abs(own @ u.T).max(axis=1)
        found[some] = np.quantile(largest, 1 - alpha, axis=1)
    free = blocks - 1.0
    t = found * np.sqrt(free / np.maximum(1 - found**2, 1e-12))
    return np.asarray(np.clip(2 * stats.t.sf(t, free), bound, alpha))


def _unit(values: Floats) -> NDArray[np.float32]:
    """Each level's values as a vector of length 1, or 0 where all are 0."""
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    unit = np.divide(values, length, out=np.zeros_like(values), where=length > 0)
    return np.asarray(unit, dtype=np.float32)


def _reached(
    values: Floats, present: NDArray[np.bool_], p: Floats, count: int, *, two_sided: bool
) -> Floats:
    """Share of directions in which a level still in play is at least as extreme as each level was."""
    order = np.argsort(p, axis=1, kind="stable")  # NaN last
    p = np.take_along_axis(p, order, axis=1)
    values = np.take_along_axis(values, order[:, :, None], axis=1)
    present = np.take_along_axis(present, order[:, :, None], axis=1)
    u = directions(values.shape[2], count if two_sided else count // 2)
    reference = _unit(values) @ u.T
    pairs = present.sum(axis=2)
    if (pairs < values.shape[2]).any():
        shares = present.astype(np.float32) @ np.square(u).T
        reference /= np.sqrt(np.where(shares > 0, shares, 1.0))
    # A direction and its opposite are equally likely: one-sided, both are looked at.
    signed = (np.abs(reference),) if two_sided else (reference, -reference)
    hits = np.zeros(p.shape)
    for side in signed:
        reached = np.zeros(side.shape, dtype=bool)
        for n in np.unique(pairs[np.isfinite(p)]).tolist():
            own = side
            if (pairs != n).any():
                own = np.where((pairs == n)[:, :, None], side, np.float32(-2.0))
            # The largest over the level and all that are less extreme than it.
            largest = np.maximum.accumulate(own[:, ::-1], axis=1)[:, ::-1]
            reached |= largest >= _threshold(p, n, two_sided)[:, :, None]
        hits += np.count_nonzero(reached, axis=2)
    found = np.maximum.accumulate((hits + 1) / (len(signed) * len(u) + 1), axis=1)
    back = np.empty_like(found)
    np.put_along_axis(back, order, found, axis=1)
    return back


def _threshold(p: Floats, pairs: int, two_sided: bool) -> NDArray[np.float32]:
    """The r at which a test of so many pairs has this p-value."""
    free = pairs - 1.0
    t = stats.t.isf(np.where(np.isfinite(p), p, 1.0) / (2 if two_sided else 1), free)
    some = np.isfinite(t)
    r = np.where(some, t / np.sqrt(np.where(some, t, 0.0) ** 2 + free), np.sign(t))
    return np.asarray(r - _TIE, dtype=np.float32)
