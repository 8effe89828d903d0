"""What the reference server does with a request: tokens on a planted schedule, and planted faults.

It knows the truth: when each request had arrived and when each event really went to the socket, on
CLOCK_MONOTONIC, which client and server share on one host. When it was late against its own
schedule it says so (`late_p99_ms`, `bottleneck`).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import os
import random
import time
from array import array
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ablation.reference.answers import Answers
from ablation.reference.plan import Fault, Schedule
from ablation.reference.wire import Writer, event, stream_head

if TYPE_CHECKING:
    from ablation.reference.server import Peer

# Late by more than this at the 99th percentile, the server was the bottleneck: its timers count
# milliseconds, and a schedule of several streams due at once is spread by a few more.
LATE_P99_MS = 10.0


@dataclass(eq=False, slots=True)
class Stream:
    """One request being answered. Times are ns of CLOCK_MONOTONIC."""

    peer: Peer
    writer: Writer
    number: int
    total: int
    received_ns: int
    fault: str | None
    sent: int = 0
    due_ns: int = 0
    head: bytes = b""  # what is to be written before the next event
    sent_ns: array[int] = field(default_factory=lambda: array("q"))  # one per event
    late_ns: array[int] = field(default_factory=lambda: array("q"))  # one per write


class Engine:
    """Serves streams: a heap of what is due, looked at every millisecond."""

    def __init__(
        self,
        schedule: Schedule,
        faults: list[Fault],
        model: str,
        seed: int,
        answers: Answers | None = None,
    ) -> None:
        self.schedule, self.faults, self.model = schedule, faults, model
        self.answers = answers or Answers()
        self.rng = random.Random(seed)
        self.counter = itertools.count(1)
        self.order = itertools.count()
        self.heap: list[tuple[int, int, Stream]] = []
        self.waiting: deque[Stream] = deque()
        self.active = 0
        self.peak = 0
        self.blocked = 0
        self.finished: list[Stream] = []
        self.totals = dict.fromkeys(("prompt", "generation", "success"), 0)
        self.timer: asyncio.TimerHandle | None = None
        self.server: asyncio.Server | None = None
        self.peers: set[Peer] = set()
        # A connection that outlives its response would hide a server that refuses new ones.
        self.keep_alive = all(fault.kind != "refuse" for fault in faults)
        self.began_ns, self.began_cpu = time.monotonic_ns(), time.process_time()

    def fault_of(self, number: int) -> str | None:
        """The fault of the n-th request, if it has one."""
        return next((f.kind for f in self.faults if number % f.every == 0), None)

    def submit(self, stream: Stream) -> None:
        """Serve a stream now, or when there is room."""
        if self.schedule.slots is not None and self.active >= self.schedule.slots:
            self.waiting.append(stream)
            return
        self.active += 1
        stream.head = stream_head(self.keep_alive)
        self.peak = max(self.peak, self.active)
        first = self.schedule.first(stream.writer.prompt_tokens, self.rng)
        began = stream.received_ns if not stream.due_ns else time.monotonic_ns()
        self._push(stream, began + int(first * 1e9))

    def leave(self, stream: Stream, whole: bool) -> None:
        """A stream has ended; the next that waits begins."""
        self.active -= 1
        self.totals["prompt"] += stream.writer.prompt_tokens
        self.totals["generation"] += stream.sent
        self.totals["success"] += whole
        self.finished.append(stream)
        stream.peer.stream = None
        if not self.keep_alive:
            stream.peer.close()
        while self.waiting and (self.schedule.slots is None or self.active < self.schedule.slots):
            following = self.waiting.popleft()
            if following.peer.transport is not None:
                following.due_ns = 1  # it begins now, not when it arrived
                self.submit(following)

    def _push(self, stream: Stream, due_ns: int) -> None:
        stream.due_ns = due_ns
        heapq.heappush(self.heap, (due_ns, next(self.order), stream))
        if self.timer is None:
            self._sleep()

    def _sleep(self) -> None:
        wait = (self.heap[0][0] - time.monotonic_ns()) / 1e9
        self.timer = asyncio.get_running_loop().call_later(max(0.0, wait), self._tick)

    def _tick(self) -> None:
        self.timer = None
        heap = self.heap
        until = time.monotonic_ns()
        while heap and heap[0][0] <= until:
            stream = heapq.heappop(heap)[2]
            if stream.peer.stream is stream:
                self._send(stream)
        if heap and self.timer is None:
            self._sleep()

    def _send(self, stream: Stream) -> None:
        plan, writer = self.schedule, stream.writer
        if (
            stream.fault is not None
            and stream.sent >= stream.total // 2
            and self._misbehave(stream)
        ):
            return
        data = stream.head
        if data:
            data += writer.role()
            stream.head = b""
        events = 0
        while events < plan.events_per_write and stream.sent < stream.total:
            stream.sent = min(stream.total, stream.sent + plan.tokens_per_event)
            data += writer.tokens(stream.sent)
            events += 1
        last = stream.sent >= stream.total
        if last:
            data += writer.end(stream.sent)
        now = time.monotonic_ns()
        stream.peer.write(data)
        stream.sent_ns.extend([now] * events)
        stream.late_ns.append(now - stream.due_ns)
        if last:
            self.leave(stream, whole=True)
            return
        tokens = min(plan.tokens_per_event * plan.events_per_write, stream.total - stream.sent)
        self._push(stream, stream.due_ns + int(plan.next(tokens, self.active, self.rng) * 1e9))

    def _misbehave(self, stream: Stream) -> bool:
        """Do what the fault says; whether the stream has ended by that."""
        kind, peer, writer = stream.fault, stream.peer, stream.writer
        stream.fault = None
        data = stream.head
        match kind:
            case "reset":
                peer.reset()
            case "close" | "hang":
                peer.write(data)
                if kind == "close":
                    peer.close()
            case "not_http":
                peer.write(b"\x00\x01 this is no HTTP\r\n\r\n")
                peer.close()
            case "malformed":
                stream.head += event(b'{"choices": [{"text": "a"}')
                return False
            case "not_utf8":
                stream.head += event(b'{"choices": [{"text": "\xff\xfe"}]}')
                return False
            case "error_event":
                error = {"message": "planted", "type": "InternalServerError", "code": 500}
                stream.head += event(json.dumps({"error": error}).encode())
                return False
            case "huge":
                stream.head += writer.huge(1 << 20)
                stream.sent += 1
                stream.sent_ns.append(time.monotonic_ns())
                return False
            case "cut":
                peer.cut = True
                return False
            case "no_usage":
                writer.usage = writer.running_usage = False
                return False
            case "short":
                stream.total -= 1
                return False
            case "long":
                stream.total += 1
                return False
            case "death":
                os._exit(1)
        self.leave(stream, whole=False)
        return True

    def stop_listening(self) -> None:
        """Refuse every connection from now on, and close those that are idle."""
        if self.server is not None:
            self.server.close()
        for peer in list(self.peers):
            if peer.stream is None:
                peer.close()

    def metrics(self) -> bytes:
        """The counters under vLLM's names, in Prometheus text format."""
        label = f'{{engine="0",model_name="{self.model}"}}'
        values = {
            "num_requests_running": ("gauge", self.active),
            "num_requests_waiting": ("gauge", len(self.waiting)),
            "prompt_tokens_total": ("counter", self.totals["prompt"]),
            "generation_tokens_total": ("counter", self.totals["generation"]),
            "request_success_total": ("counter", self.totals["success"]),
            "prefix_cache_queries_total": ("counter", self.totals["prompt"]),
            "prefix_cache_hits_total": ("counter", 0),
            "num_preemptions_total": ("counter", 0),
        }
        lines = [
            f"# TYPE vllm:{name} {kind}\nvllm:{name}{label} {float(value)}"
            for name, (kind, value) in values.items()
        ]
        return ("\n".join(lines) + "\n").encode()

    def truth(self) -> dict[str, Any]:
        """What really happened since the last call: every stream, and how late the server was."""
        streams, self.finished = self.finished, []
        late = np.array([ns for s in streams for ns in s.late_ns]) / 1e6
        late_p50, late_p99 = np.quantile(late, [0.5, 0.99]).tolist() if len(late) else (0.0, 0.0)
        wall = (time.monotonic_ns() - self.began_ns) / 1e9
        cpu = time.process_time() - self.began_cpu
        self.began_ns, self.began_cpu = time.monotonic_ns(), time.process_time()
        result = {
            "late_p50_ms": late_p50,
            "late_p99_ms": late_p99,
            "bottleneck": late_p99 > LATE_P99_MS,
            "cpu_share": cpu / wall,
            "blocked_writes": self.blocked,
            "peak_active": self.peak,
            "streams": [
                {
                    "number": s.number,
                    "received_ns": s.received_ns,
                    "sent_ns": s.sent_ns.tolist(),
                    "tokens": s.sent,
                }
                for s in streams
            ],
        }
        self.blocked = self.peak = 0
        return result
