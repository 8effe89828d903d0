"""What `drive` is told, what it tells while it runs, and how it fails."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ablation.client.record import RawRecord
from ablation.client.workload import Workload
from ablation.errors import UserError

SLOTS_PER_WORKER = 256


class LoadError(UserError):
    """A load that could not be driven; the message names the remedy."""


class ServerDied(LoadError):
    """The server's process ended under the load. `record` holds what was measured until then."""

    def __init__(self, text: str, record: RawRecord) -> None:
        super().__init__(text)
        self.record = record


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """One level on one server.

    url              http(s)://host:port of the server
    concurrency      requests in flight
    requests         requests of the data; at least 3 x concurrency, or the level is not held
    warmup_requests  default 2 x concurrency
    seed             of the prompts: `workload.seed_of(...)`, the same for every arm of a block
    ramp_s           the first `concurrency` requests are spread over so many seconds (default: 4 ms each)
    timeout_s        for each whole request
    workers          client processes; auto: one per 256 in flight, at most a quarter of the cores
    max_failures     no further request is sent after so many failures (default: 2 x concurrency, at
                     least 20), so that a broken server does not cost hours
    headers          sent with each request; they are not recorded
    """

    url: str
    workload: Workload
    concurrency: int
    requests: int
    seed: int
    warmup_requests: int | None = None
    ramp_s: float | None = None
    timeout_s: float = 600.0
    workers: int | Literal["auto"] = "auto"
    max_failures: int | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise LoadError(f"concurrency must be at least 1, got {self.concurrency}")
        if self.requests < self.concurrency:
            raise LoadError(
                f"{self.requests} requests cannot hold {self.concurrency} in flight; "
                f"ask for at least {3 * self.concurrency}"
            )

    @property
    def processes(self) -> int:
        """How many client processes drive it."""
        if self.workers != "auto":
            return max(1, min(self.workers, self.concurrency))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return max(1, min(-(-self.concurrency // SLOTS_PER_WORKER), (cores or 1) // 4))

    def for_worker(self, worker: int, scratch: Path) -> dict[str, Any]:
        """What a worker process is told."""
        warmup = self.warmup_requests
        ramp, failures = self.ramp_s, self.max_failures
        return asdict(self) | {
            "workload": self.workload.to_json(),
            "worker": worker,
            "workers": self.processes,
            "scratch": str(scratch),
            "warmup_requests": 2 * self.concurrency if warmup is None else warmup,
            "ramp_s": 0.004 * (self.concurrency - 1) if ramp is None else ramp,
            "max_failures": max(20, 2 * self.concurrency) if failures is None else failures,
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a level is (requests; seconds since the phase began)."""

    phase: Literal["warmup", "data"]
    done: int
    failed: int
    in_flight: int
    total: int
    elapsed_s: float
