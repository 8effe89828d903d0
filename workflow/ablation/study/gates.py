"""The sections `gates` and `slo` of a study: what a run must meet to count, and what a request must meet to be good."""

from __future__ import annotations

from pydantic import Field

from ablation.study.fields import Strict


class Gates(Strict):
    """Thresholds: a run that fails one is kept, shown, and taken out of the comparison.

    Names and defaults are those of `ablation.run.gates.Thresholds`; a test holds them together.
    """

    achieved_concurrency_min: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="Mean in flight inside the window, as a fraction of the level.",
    )
    window_requests_min: float = Field(
        default=1.0,
        ge=0,
        description="Requests that ended inside the window, as a multiple of the level.",
    )
    failed_max: float = Field(
        default=0.0, ge=0, le=1, description="Failed requests, as a fraction of all."
    )
    inexact_tokens_max: int = Field(
        default=0,
        ge=0,
        description="Requests whose prompt or output length is not the one asked for.",
    )
    counter_difference_max: float = Field(
        default=0.0,
        ge=0,
        description="Client's token counts against the server's counters, as a fraction.",
    )
    client_cpu_share_max: float = Field(
        default=0.8, gt=0, description="Of one core, the busiest client process."
    )
    event_loop_lag_p99_max_s: float = Field(
        default=0.02, gt=0, description="Lag of the client's event loop."
    )
    send_delay_p99_max_s: float = Field(
        default=0.02, gt=0, description="From a free slot to the request's bytes on the socket."
    )
    trend_max: float = Field(
        default=0.2,
        gt=0,
        description="Change of throughput over the window, as a fraction of its mean ...",
    )
    trend_p: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="... that fails when noise would bring it less often than this.",
    )
    littles_law_max: float = Field(
        default=0.05,
        gt=0,
        description="Output throughput counted in the window against that by Little's law, as a fraction: "
        "apart where the window cuts too few requests at one phase.",
    )
    jit_lines_max: int = Field(
        default=0,
        ge=0,
        description="Builds and compilations of kernels inside the window, in part or whole, by the server's log.",
    )
    prefix_cache_hits_max: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Prompt tokens found in the prefix cache, as a fraction.",
    )
    throttled_max: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description=(
            "Telemetry samples in the window with throttling by heat, a power brake or the hardware, as a fraction. "
            "The power limit is none of these: it is reported."
        ),
    )
    treatment: bool = Field(
        default=True,
        description="A launch whose log does not show the arm's evidence does not count.",
    )


class Slo(Strict):
    """Objectives of goodput: a request counts when it meets all that are stated."""

    ttft_s: float | None = Field(default=None, gt=0, description="Time to first token.")
    tpot_s: float | None = Field(
        default=None, gt=0, description="Time per output token after the first."
    )
    e2e_s: float | None = Field(default=None, gt=0, description="End-to-end latency.")
