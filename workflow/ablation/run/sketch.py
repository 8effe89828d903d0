"""A distribution in a few hundred counts, which can be pooled over runs exactly.

Values are counted in bins whose bounds grow by a constant factor, so that any quantile of any pool is
known to within ``ACCURACY`` of its value, however many runs are pooled and wherever it lies. Source:
Masson, Rim and Lee (2019), "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", PVLDB 12 (12), 2195-2205.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

ACCURACY = 0.0025
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
# Two events of one read are 0 apart: below any clock, and a logarithm needs more than 0.
SMALLEST = 1e-7

Sketch = Mapping[str, Sequence[float]]


def sketch(values: Any, weights: Any = None) -> dict[str, list[Any]]:
    """Bins that are occupied, in order, and how much lies in each (observations, or their weights)."""
    values = np.maximum(np.asarray(values, np.float64), SMALLEST)
    index = np.ceil(np.log(values) / np.log(_GAMMA) - 1e-9).astype(np.int64)
    bins, place = np.unique(index, return_inverse=True)
    counts = np.bincount(place, weights, len(bins)).astype(float).round(3)
    return {
        "bins": bins.tolist(),
        "counts": [int(count) if count.is_integer() else count for count in counts.tolist()],
    }


def pool(sketches: Iterable[Sketch]) -> dict[int, float]:
    """Bin to count over all sketches."""
    total: dict[int, float] = {}
    for one in sketches:
        for index, count in zip(one["bins"], one["counts"], strict=True):
            total[int(index)] = total.get(int(index), 0.0) + count
    return total


def quantiles(pooled: Mapping[int, float], orders: Sequence[float]) -> Any:
    """Quantiles of a pool (inverse of the empirical distribution), each to within ``ACCURACY``.

    NaN for an empty pool.
    """
    if not pooled:
        return np.full(len(orders), np.nan)
    bins = np.array(sorted(pooled))
    reached = np.cumsum([pooled[index] for index in bins.tolist()])
    wanted = np.asarray(orders, np.float64) * reached[-1] * (1 - 1e-12)
    place = np.minimum(np.searchsorted(reached, wanted), len(bins) - 1)
    # The point of a bin that is at most ACCURACY away from both of its bounds.
    return 2 * _GAMMA ** bins[place] / (_GAMMA + 1)
