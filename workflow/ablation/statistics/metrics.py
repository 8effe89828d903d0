"""The metrics that arms are compared on: their column, unit, direction, and what a quantile needs.

A metric's name is its column in ``aggregate/runs.parquet``, so every number can be traced back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from pandas import DataFrame

PRIMARY = "output_throughput_tok_s"
ENERGY = "energy_per_output_token_j"

# A quantile is printed only where the largest observation exceeds it with this confidence.
QUANTILE_CONFIDENCE = 0.95
# From this order on a quantile is one of the tail: the confidence that its observations give stands beside it.
TAIL = 0.9


@dataclass(frozen=True)
class Metric:
    """One column of the aggregate, and how a person reads it.

    ``words`` is how a person says the verdicts faster and slower of this metric.
    ``scale`` turns the stored value into ``display_unit`` (seconds into milliseconds).
    ``quantile`` and ``count`` are set for a quantile within a run: its order, and the column
    with the number of observations behind it.
    """

    name: str
    title: str
    unit: str
    higher_is_better: bool
    display_unit: str
    scale: float = 1.0
    quantile: float | None = None
    count: str | None = None
    words: tuple[str, str] = ("faster", "slower")

    def word(self, verdict: str) -> str:
        """A verdict in this metric's words."""
        return dict(zip(("faster", "slower"), self.words, strict=True)).get(verdict, verdict)

    def better(self, log_ratio: float) -> bool:
        """Whether an arm with this log(arm / baseline) is the better one."""
        return log_ratio > 0 if self.higher_is_better else log_ratio < 0


def quantile_confidence(quantile: float, observations: int, beyond: int = 1) -> float:
    """Probability that at least ``beyond`` of so many observations exceed a quantile of their distribution.

    With it the ``beyond``-th largest observation is an upper limit of the quantile, whatever the distribution:
    ``1 - sum over i < beyond of C(n, i) (1 - q)^i q^(n - i)``, for the largest ``1 - q^n``.
    Source: Wilks (1941), Ann. Math. Stat. 12, 91-96.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"a quantile lies between 0 and 1, got {quantile}")
    fewer = sum(
        math.comb(observations, i) * (1 - quantile) ** i * quantile ** (observations - i)
        for i in range(min(beyond, observations + 1))
    )
    return max(1 - fewer, 0.0)


@lru_cache(maxsize=64)
def observations_needed(
    quantile: float, confidence: float = QUANTILE_CONFIDENCE, beyond: int = 1
) -> int:
    """The fewest observations that bound a quantile from above with this confidence: THE rule for printing one.

    A quantile is printed where the largest observation of a run exceeds it with a confidence of 95 % or more, and the
    confidence that the run's own number gives is printed with it. With fewer, all observations may well lie below the
    true quantile. p50 takes 5, p90 29, p99 299.

    MLPerf is stricter: with ``confidence`` 0.99 and ``beyond`` 2 a p99 takes 662 and a p99.9 6,636 (early stopping of
    LoadGen, loadgen/early_stopping.cc in mlcommons/inference; metrics/early_stopping.py in mlcommons/endpoints).

    It assumes independent observations; tokens of one request are not, so it is a necessary condition for an
    inter-token latency, not a sufficient one.
    """
    low, high = 0, 1
    while quantile_confidence(quantile, high, beyond) < confidence:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = quantile_confidence(quantile, middle, beyond) >= confidence
        low, high = (low, middle) if enough else (middle, high)
    return high


def _latencies() -> list[Metric]:
    titles = {
        "ttft": "time to first token",
        "itl": "inter-token latency",
        "tpot": "time per output token",
        "e2e": "end-to-end latency",
    }
    # TPOT and E2E have one observation a request, as TTFT has.
    counts = {"ttft": "ttft_count", "itl": "itl_count", "tpot": "ttft_count", "e2e": "ttft_count"}
    orders = {"mean": None, "p50": 0.5, "p90": 0.9, "p99": 0.99}
    return [
        Metric(
            name=f"{kind}_{order}_s",
            title=f"{order} {title}",
            unit="s",
            higher_is_better=False,
            display_unit="ms",
            scale=1e3,
            quantile=quantile,
            count=None if quantile is None else counts[kind],
        )
        for kind, title in titles.items()
        for order, quantile in orders.items()
    ]


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in [
        Metric(PRIMARY, "output throughput", "tok/s", True, "tok/s"),
        Metric("total_throughput_tok_s", "total throughput", "tok/s", True, "tok/s"),
        Metric("request_throughput_req_s", "request throughput", "req/s", True, "req/s"),
        Metric("goodput_req_s", "goodput", "req/s", True, "req/s"),
        *_latencies(),
        Metric(
            ENERGY,
            "energy per output token",
            "J/tok",
            False,
            "J/tok",
            words=("less energy", "more energy"),
        ),
    ]
}


def measured(runs: DataFrame) -> list[Metric]:
    """The metrics that these runs have a value of (goodput is all null without SLOs,
    energy without telemetry).

    The primary one is always among them, so that a study whose runs are all lost still says so.
    """
    return [
        m
        for m in METRICS.values()
        if m.name == PRIMARY or (m.name in runs and bool(runs[m.name].notna().any()))
    ]
