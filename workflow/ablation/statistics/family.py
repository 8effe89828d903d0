"""One family of comparisons judged: the levels of a (model, metric, arm), tested and adjusted together.

Comparisons, looks while blocks are added, and simulated studies all go through this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablation.statistics import paired
from ablation.statistics.multiplicity import step_down
from ablation.statistics.paired import Floats
from ablation.statistics.verdict import verdicts


@dataclass(frozen=True)
class Judged:
    """Arrays of shape (families, levels): moments of the log ratios, p-values, and the verdict's word."""

    n: NDArray[np.int64]
    mean: Floats
    sd: Floats
    p: Floats
    p_tost: Floats
    p_adjusted: Floats
    p_tost_adjusted: Floats
    verdict: NDArray[np.str_]


def judge(
    log_ratios: Floats,
    alpha: float,
    margin: float,
    *,
    higher_is_better: bool = True,
    decisions_only: bool = False,
    joint: bool = True,
) -> Judged:
    """Verdicts at level ``alpha``: ``log_ratios`` has shape (families, levels, blocks), ``margin`` is on the log scale.

    Differences and equivalence are two families of tests, each adjusted over the levels (``multiplicity.step_down``).
    The test of equivalence is that of the margin nearer to the mean (the larger p of the two one-sided tests), so what
    is adjusted is a one-sided test that the distance to that margin is above 0.

    Two switches are for simulations: with ``decisions_only`` p-values that no verdict depends on are Holm's; without
    ``joint`` all are.
    """
    shape = log_ratios.shape[:2]
    m = paired.moments(log_ratios.reshape(-1, log_ratios.shape[2]))
    n, mean, sd = m.n.reshape(shape), m.mean.reshape(shape), m.sd.reshape(shape)
    p = paired.t_test(m).reshape(shape)
    p_tost = paired.equivalence_test(m, margin).reshape(shape)
    inside = margin - np.where(mean < 0, -1.0, 1.0)[:, :, None] * log_ratios
    if joint:
        adjusted = step_down(log_ratios, p, alpha, two_sided=True, decisions_only=decisions_only)
        same = step_down(inside, p_tost, alpha, two_sided=False, decisions_only=decisions_only)
    else:
        adjusted, same = paired.holm(p), paired.holm(p_tost)
    better = mean > 0 if higher_is_better else mean < 0
    return Judged(
        n, mean, sd, p, p_tost, adjusted, same, verdicts(n, better, adjusted, same, alpha)
    )
