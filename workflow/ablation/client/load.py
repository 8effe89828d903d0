"""A closed loop of requests against one server, driven by processes of our own: `drive`.

    warm-up    ramped, its requests from another stream than the data, drained
    data       fresh connections, ramped; exactly `requests` requests with `concurrency` in flight

The caller is a plain synchronous process. It only watches (the server's life, the workers' words):
what is measured is measured in worker processes, which cannot outlive it.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import ablation
from ablation.client import CLIENT_VERSION
from ablation.client.counters import scrape_settled
from ablation.client.failures import ServerDeath, blame_server_death
from ablation.client.record import REQUESTS, RawRecord
from ablation.client.spec import LoadError, LoadSpec, Progress, ServerDied

__all__ = ["LoadError", "LoadSpec", "Progress", "ServerDied", "drive"]

POLL_S = 0.1


def drive(
    spec: LoadSpec,
    *,
    server_alive: Callable[[], bool],
    on_progress: Callable[[Progress], None] | None = None,
    scratch: Path | None = None,
) -> RawRecord:
    """Warm up, drive the level, and return what was measured.

    server_alive  asked ten times a second; once it says no, what is in flight is ended
    on_progress   told about four times a second, in this thread
    scratch       a folder on a disk with room for the raw bytes (default: the system's temporary folder)

    Raises ServerDied with the partial record; LoadError where no connection can be opened, every
    warm-up request failed, or a client process ended by itself. The record's files are removed by
    `record.discard()`; on every other way out (SystemExit from a signal handler too) nothing is
    left: no process and no file.
    """
    folder = Path(tempfile.mkdtemp(prefix="load-", dir=scratch))
    crew = _Crew(spec, folder, server_alive, on_progress)
    try:
        return crew.run()
    except ServerDied:
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        crew.end()


class _Crew:
    """The worker processes of one level, and what they say."""

    def __init__(
        self,
        spec: LoadSpec,
        scratch: Path,
        server_alive: Callable[[], bool],
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.spec, self.scratch = spec, scratch
        self.server_alive, self.on_progress = server_alive, on_progress
        self.death_ns: int | None = None
        self.processes: list[subprocess.Popen[bytes]] = []
        self.selector = selectors.DefaultSelector()
        self.buffers: dict[int, bytes] = {}
        # what was said: event -> worker -> its words
        self.said: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
        self.phase: tuple[Literal["warmup", "data"], int, float] = ("warmup", 0, 0.0)

    def run(self) -> RawRecord:
        told = [self.spec.for_worker(i, self.scratch) for i in range(self.spec.processes)]
        for words in told:
            self._start(words)
        self._gather("ready")
        warm_began = time.monotonic()
        self._go("warmup", told[0]["warmup_requests"])
        warm = self._gather("warm").values()
        warmup = {
            "requests": sum(w["done"] for w in warm),
            "failed": sum(w["failed"] for w in warm),
            "seconds": time.monotonic() - warm_began,
        }
        first = next((w["first"] for w in warm if w["first"]), None)
        if self.death_ns is None and 0 < warmup["requests"] == warmup["failed"]:
            raise LoadError(
                f"every warm-up request failed, the first with: {first}. Nothing was measured; "
                "check the request against the server's log"
            )
        before: dict[str, float] = {}
        started_at, clock = _now(), _clock()
        if self.death_ns is None:
            self._gather("fresh")
            before = scrape_settled(self.spec.url)
            started_at, clock = _now(), _clock()
            self._go("data", self.spec.requests)
            self._gather("drained")
        ended_at = _now()
        after = scrape_settled(self.spec.url) if before and self.death_ns is None else {}
        stats = [done["stats"] for done in self._gather("done").values()]
        requests = self._requests()
        record = RawRecord(
            requests=requests,
            reads=[self.scratch / f"reads-{i}.parquet" for i in range(len(self.processes))],
            started_at=started_at,
            ended_at=ended_at,
            clock=clock,
            client=_client(stats, requests),
            server_counters={"before": before, "after": after},
            warmup=warmup,
            scratch=self.scratch,
        )
        if self.death_ns is not None:
            raise ServerDied(
                f"the server's process ended {len(requests)} requests into the level "
                f"{self.spec.concurrency} ({self.phase[0]}); its log has the reason",
                record,
            )
        return record

    def end(self) -> None:
        """Leave no process. Safe to call at any moment."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
        for process in self.processes:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
        self.selector.close()

    def _start(self, words: dict[str, Any]) -> None:
        root = str(Path(ablation.__file__).parent.parent)
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        process = subprocess.Popen(
            [sys.executable, "-m", "ablation.client.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"},
        )
        self.processes.append(process)
        assert process.stdout is not None
        index = len(self.processes) - 1
        self.selector.register(process.stdout, selectors.EVENT_READ, index)
        self.buffers[index] = b""
        self._tell(index, words)

    def _tell(self, worker: int, words: dict[str, Any]) -> None:
        pipe = self.processes[worker].stdin
        assert pipe is not None
        data = memoryview(json.dumps(words).encode() + b"\n")
        try:
            while data:  # an unbuffered pipe may take a part
                data = data[pipe.write(data) or 0 :]
        except BrokenPipeError:
            pass  # it has ended: _gather sees that and says so

    def _go(self, phase: Literal["warmup", "data"], total: int) -> None:
        self.phase = (phase, total, time.monotonic())
        self.said["progress"].clear()
        start_ns = time.monotonic_ns() + 20_000_000
        for worker in range(len(self.processes)):
            self._tell(worker, {"do": "go", "start_ns": start_ns})

    def _gather(self, awaited: str) -> dict[int, dict[str, Any]]:
        """Wait until every worker has said one word; watch the server meanwhile."""
        while len(self.said[awaited]) < len(self.processes):
            self._watch()
            for key, _ in self.selector.select(timeout=POLL_S):
                if data := os.read(key.fd, 1 << 16):
                    *lines, self.buffers[key.data] = (self.buffers[key.data] + data).split(b"\n")
                    for line in lines:
                        self._hear(key.data, json.loads(line))
                elif key.data in self.said["done"]:
                    self.selector.unregister(key.fileobj)
                else:
                    code = self.processes[key.data].wait()
                    raise LoadError(
                        f"client process {key.data} ended by itself (exit code {code}); its message "
                        "is on standard error. Out of memory is the usual reason: fewer requests "
                        "or more workers help"
                    )
        return self.said[awaited]

    def _hear(self, worker: int, message: dict[str, Any]) -> None:
        self.said[message["event"]][worker] = message
        match message["event"]:
            case "unreachable":
                if self.server_alive():
                    raise LoadError(
                        f"no connection to {self.spec.url} ({message['text']}); is the server up, "
                        "and the port its own?"
                    )
                raise LoadError(f"the server at {self.spec.url} ended before the load began")
            case "progress" if self.on_progress is not None:
                phase, total, began = self.phase
                last = self.said["progress"].values()
                self.on_progress(
                    Progress(
                        phase,
                        sum(m["done"] for m in last),
                        sum(m["failed"] for m in last),
                        sum(m["flight"] for m in last),
                        total,
                        time.monotonic() - began,
                    )
                )

    def _watch(self) -> None:
        if self.death_ns is None and not self.server_alive():
            self.death_ns = time.monotonic_ns()
            for worker in range(len(self.processes)):
                self._tell(worker, {"do": "abort", "reason": "the server's process ended"})

    def _requests(self) -> pa.Table:
        parts = [self.scratch / f"requests-{i}.parquet" for i in range(len(self.processes))]
        table = pa.concat_tables(pq.read_table(part) for part in parts).sort_by("request")
        if self.death_ns is None:
            return table
        rows = table.to_pylist()
        for row in rows:
            if blame_server_death(row["error_class"], row["ended_ns"], self.death_ns):
                row["error_class"] = ServerDeath.error_class
        return pa.Table.from_pylist(rows, REQUESTS)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _clock() -> dict[str, int]:
    return {"monotonic_ns": time.monotonic_ns(), "unix_ns": time.time_ns()}


def _client(stats: list[dict[str, Any]], requests: pa.Table) -> dict[str, Any]:
    """The client about itself: the worst of its workers, each worker, and versions."""
    worst = {
        name: max((s[name] for s in stats if s.get(name) is not None), default=None)
        for name in (
            "cpu_share",
            "event_loop_lag_p50_s",
            "event_loop_lag_p99_s",
            "event_loop_lag_max_s",
        )
    }
    sent = requests["sent_ns"].to_numpy(zero_copy_only=False)
    delay = (sent - requests["scheduled_ns"].to_numpy(zero_copy_only=False)) / 1e9
    delay = delay[np.isfinite(delay)]
    quantiles = np.quantile(delay, [0.5, 0.99, 1.0]).tolist() if len(delay) else [None] * 3
    names = ("send_delay_p50_s", "send_delay_p99_s", "send_delay_max_s")
    packages = ("httpx", "httptools", "uvloop", "pyarrow", "numpy")
    return (
        worst
        | dict(zip(names, quantiles, strict=True))
        | {
            "connections_reopened": sum(s.get("connections_reopened", 0) for s in stats),
            "workers": stats,
            "versions": {"client": str(CLIENT_VERSION), "python": platform.python_version()}
            | {package: version(package) for package in packages},
        }
    )
