"""One process of the load generator: `python -m ablation.client.worker`, started by `load.drive`.

Speaks JSON lines with its parent on stdin and stdout. Every slot keeps one request in flight until
the requests are used up; what arrives is stamped and kept (see transport), and written to parquet
at the end. It ends when its parent does: by PDEATHSIG where the system has it, and when stdin
closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uvloop

from ablation.client import failures, workload
from ablation.client.record import REQUESTS, ReadsWriter
from ablation.client.transport import Client, Recording, RecordingTransport, body_of

LAG_PERIOD_S = 0.01
# After a failed connection a slot waits, so that a dead server is found out before it costs every
# request.
PAUSE_AFTER_CONNECTION_FAILURE_S = 0.5


@dataclass(slots=True)
class Job:
    """One request to make, and what became of it (ns of CLOCK_MONOTONIC)."""

    index: int
    request: httpx.Request
    prompt_tokens: int | None
    output_tokens: int | None
    scheduled_ns: int = 0
    ended_ns: int = 0
    failure: failures.RequestFailed | None = None

    @property
    def recording(self) -> Recording:
        """What came back."""
        recording: Recording = self.request.extensions["recording"]
        return recording


class Worker:
    """Drives its share of a level: slots and requests number `worker`, `worker + workers`, ..."""

    def __init__(self, spec: dict[str, Any], emit: Callable[..., None]) -> None:
        self.spec = spec
        self.emit = emit
        self.worker: int = spec["worker"]
        self.workers: int = spec["workers"]
        self.transport = RecordingTransport(spec["url"])
        self.client = Client(
            transport=self.transport, base_url=spec["url"], headers=spec["headers"], timeout=None
        )
        self.slots = range(self.worker, spec["concurrency"], self.workers)
        self.finished: list[Job] = []
        self.failed = 0
        self.in_flight = 0
        self.abort_reason: str | None = None
        self.phase_task: asyncio.Task[None] | None = None

    def jobs(self, stream: workload.Stream, total: int) -> list[Job]:
        """This worker's share of a stream, with the bytes of each request built."""
        work = workload.Workload.from_json(self.spec["workload"])
        indices = range(total)[self.worker :: self.workers]
        made = workload.requests(work, self.spec["seed"], stream, indices)
        return [self._job(work, index, prompt) for index, prompt in zip(indices, made, strict=True)]

    def _job(self, work: workload.Workload, index: int, prompt: workload.Prompt) -> Job:
        length = str(len(prompt.body))
        headers = {"content-type": "application/json", "content-length": length}
        request = self.client.build_request("POST", workload.PATHS[work.route], headers=headers)
        self.transport.prepare(request, prompt.body)
        return Job(index, request, prompt.prompt_tokens, prompt.output_tokens)

    async def phase(self, jobs: list[Job], start_ns: int, phase: str) -> None:
        """Make all requests of one phase; returns when the last has ended."""
        self.finished, self.failed, self.in_flight = [], 0, 0
        waiting = iter(jobs)
        reporter = asyncio.create_task(self._report(phase))
        try:
            async with asyncio.TaskGroup() as group:
                for slot in self.slots:
                    offset = self.spec["ramp_s"] * slot / self.spec["concurrency"]
                    group.create_task(self._slot(waiting, start_ns + int(offset * 1e9)))
        finally:
            reporter.cancel()

    async def _slot(self, waiting: Any, scheduled_ns: int) -> None:
        while (early := scheduled_ns - time.monotonic_ns()) > 0:  # libuv's timers may be early
            await asyncio.sleep(early / 1e9)
        limit = self.spec["max_failures"] / self.workers
        while self.failed <= limit and (job := next(waiting, None)) is not None:
            job.scheduled_ns = scheduled_ns
            await self._make(job)
            if isinstance(job.failure, failures.ConnectionFailed):
                self.emit("trouble")  # makes the parent look whether the server lives
                await asyncio.sleep(PAUSE_AFTER_CONNECTION_FAILURE_S)
                scheduled_ns = time.monotonic_ns()
            else:
                scheduled_ns = job.ended_ns

    async def _make(self, job: Job) -> None:
        recording = job.recording
        self.in_flight += 1
        self.finished.append(job)  # before it ends: an aborted run keeps what was in flight
        try:
            async with asyncio.timeout(self.spec["timeout_s"]):
                await self.client.send(job.request, stream=True)
            job.ended_ns = recording.stamps[-1]
            if recording.status != 200:
                job.failure = failures.of_status(recording.status, body_of(recording.data))
        except asyncio.CancelledError:
            job.ended_ns = time.monotonic_ns()
            job.failure = failures.ServerDeath(self.abort_reason or "the client was ended")
            raise
        except Exception as error:
            job.ended_ns = time.monotonic_ns()
            job.failure = failures.from_transport(error)
            if isinstance(job.failure, failures.TimedOut):
                seconds, reads = self.spec["timeout_s"], len(recording.stamps)
                job.failure = failures.TimedOut(f"not whole after {seconds:g} s ({reads} reads)")
        finally:
            self.in_flight -= 1
            self.failed += job.failure is not None

    async def _report(self, phase: str) -> None:
        while True:
            await asyncio.sleep(0.25)
            done = len(self.finished) - self.in_flight
            self.emit("progress", phase=phase, done=done, failed=self.failed, flight=self.in_flight)

    async def run(self, next_command: Callable[[], Any]) -> None:
        """Warm up, then measure, each at its parent's word; then write what was measured."""
        warm = self.jobs("warmup", self.spec["warmup_requests"])
        data = self.jobs("data", self.spec["requests"])
        try:
            await self.transport.open(len(self.slots))
        except httpx.TransportError as error:
            self.emit("unreachable", text=str(error))
            return
        self.emit("ready")
        await self._guarded(self.phase(warm, (await next_command())["start_ns"], "warmup"))
        first = next((str(job.failure) for job in self.finished if job.failure), None)
        self.emit("warm", done=len(self.finished), failed=self.failed, first=first)
        self.finished = []  # the warm-up is no data
        if self.abort_reason:
            self._write()
            self.emit("done", stats={})
            return
        del warm
        with contextlib.suppress(httpx.TransportError):  # requests will say what is wrong
            await self.transport.renew(len(self.slots))
        gc.collect()
        gc.freeze()
        gc.disable()
        self.emit("fresh")
        start_ns = (await next_command())["start_ns"]
        sampler = LagSampler()
        cpu, wall = time.process_time(), time.monotonic()
        await self._guarded(self.phase(data, start_ns, "data"))
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        lags = sampler.stop()
        self.emit("drained")
        self._write()
        stats = {
            "cpu_s": cpu,
            "wall_s": wall,
            "cpu_share": cpu / wall,
            "lag_samples": len(lags),
            **lag_quantiles(lags),
            "max_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "connections_opened": self.transport.opened,
            "connections_reopened": self.transport.reopened,
            "reads_unstamped": self.transport.unstamped_reads,
        }
        self.emit("done", stats=stats)
        await self.client.aclose()

    async def _guarded(self, phase: Any) -> None:
        """Run a phase that `abort` may end."""
        self.phase_task = asyncio.create_task(phase)
        if self.abort_reason:
            self.phase_task.cancel()
        try:
            await self.phase_task
        except asyncio.CancelledError:
            if not self.abort_reason:
                raise

    def abort(self, reason: str) -> None:
        """End what is in flight now; it is recorded with this reason."""
        self.abort_reason = reason
        if self.phase_task is not None:
            self.phase_task.cancel()

    def _write(self) -> None:
        scratch = Path(self.spec["scratch"])
        jobs = sorted(self.finished, key=lambda job: job.index)
        columns: dict[str, list[Any]] = {name: [] for name in REQUESTS.names}
        for job in jobs:
            for name, value in zip(REQUESTS.names, self._row(job), strict=True):
                columns[name].append(value)
        pq.write_table(pa.table(columns, REQUESTS), scratch / f"requests-{self.worker}.parquet")
        writer = ReadsWriter(scratch / f"reads-{self.worker}.parquet")
        for job in jobs:
            writer.add(job.index, job.recording)
            job.request.extensions = {}  # written: its memory may go
        writer.close()

    def _row(self, job: Job) -> tuple[Any, ...]:
        recording, failure = job.recording, job.failure
        return (
            job.index,
            self.worker,
            job.scheduled_ns,
            recording.sent_ns or None,
            recording.stamps[0] if recording.stamps else None,
            job.ended_ns,
            recording.status or None,
            failure.error_class if failure else None,
            failure.text if failure else None,
            job.prompt_tokens,
            job.output_tokens,
        )


class LagSampler:
    """How late each of a series of 10 ms timers was: the event loop's lag. libuv's timers count whole
    milliseconds, so up to 1 ms of it is the timer's own. A plain callback, not a task: it is paid for out of
    the CPU that the client's gate looks at."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lags: list[int] = []
        self._wait()

    def _wait(self) -> None:
        self._due_ns = time.monotonic_ns() + int(LAG_PERIOD_S * 1e9)
        self._timer = self._loop.call_later(LAG_PERIOD_S, self._sample)

    def _sample(self) -> None:
        self._lags.append(max(0, time.monotonic_ns() - self._due_ns))
        self._wait()

    def stop(self) -> list[int]:
        """The lags, in ns."""
        self._timer.cancel()
        return self._lags


def lag_quantiles(lags: list[int]) -> dict[str, float | None]:
    """p50, p99 and maximum of the lags, in seconds."""
    names = ("event_loop_lag_p50_s", "event_loop_lag_p99_s", "event_loop_lag_max_s")
    if not lags:
        return dict.fromkeys(names)
    values = np.quantile(np.array(lags) / 1e9, [0.5, 0.99, 1.0])
    return dict(zip(names, values.tolist(), strict=True))


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def main() -> None:
    """Read the spec from stdin, then obey commands: go (next phase), abort; the end of stdin ends
    all."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # stray prints may not break the protocol

    def emit(event: str, **fields: Any) -> None:
        out.write(json.dumps({"event": event, **fields}) + "\n")

    first = sys.stdin.readline()
    if not first:
        return

    async def serve() -> None:
        worker = Worker(json.loads(first), emit)
        loop = asyncio.get_running_loop()
        commands: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        def take(command: dict[str, Any]) -> None:
            if command["do"] == "abort":
                worker.abort(command["reason"])
                commands.put_nowait({"start_ns": 0})  # whoever waits for a word goes on, and ends
            else:
                commands.put_nowait(command)

        def listen() -> None:
            for line in sys.stdin:
                loop.call_soon_threadsafe(take, json.loads(line))
            os._exit(1)  # the parent is gone

        threading.Thread(target=listen, daemon=True).start()
        await worker.run(commands.get)

    uvloop.run(serve())
    os._exit(0)  # what there is, is written: freeing it would only take time


if __name__ == "__main__":
    main()
