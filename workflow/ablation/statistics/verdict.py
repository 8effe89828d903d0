"""The rule from p-values to a verdict, and the margin that it is about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ablation.statistics.paired import Floats

FEWEST_PAIRS = 3


def log_margin(percent: float) -> float:
    """The equivalence margin on the log scale, ``log(1 + m)``: ratios of 1/(1+m) to 1+m."""
    if not 0 < percent < 100:
        raise ValueError(f"the equivalence margin must be above 0 and below 100 %, got {percent}")
    return float(np.log1p(percent / 100))


def verdicts(
    n: NDArray[np.int64],
    better: NDArray[np.bool_],
    p_holm: Floats,
    p_tost_holm: Floats,
    alpha: float,
) -> list[str]:
    """faster, slower, equivalent or inconclusive for each comparison.

    "Equivalent" goes first: a difference that is real and surely smaller than the margin is one
    that the study declared not to matter. Faster means better: more throughput, less latency.
    """
    enough = n >= FEWEST_PAIRS
    same = enough & (p_tost_holm < alpha)
    differs = enough & (p_holm < alpha) & ~same
    words = np.where(same, "equivalent", "inconclusive")
    words = np.where(differs, np.where(better, "faster", "slower"), words)
    return [str(word) for word in words]
