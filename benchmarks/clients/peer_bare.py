"""The floor: a bare asyncio protocol under uvloop that stamps each read, and nothing else.

    python peer_bare.py URL LEVEL REQUESTS INPUT OUTPUT

No HTTP library, no failure handling: what Python itself costs for an event. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import uvloop

LAST = b"0\r\n\r\n"


class Stream(asyncio.Protocol):
    """One connection; a request is (sent, [(stamp, bytes), ...])."""

    def __init__(self, wire: bytes, waiting: Any) -> None:
        self.wire, self.waiting = wire, waiting
        self.requests: list[tuple[float, list[float], list[bytes]]] = []
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def send(self) -> None:
        """Make the next request, if there is one."""
        if next(self.waiting, None) is None:
            self.done.set_result(None)
            return
        self.stamps: list[float] = []
        self.reads: list[bytes] = []
        self.requests.append((time.perf_counter(), self.stamps, self.reads))
        self.transport.write(self.wire)

    def data_received(self, data: bytes) -> None:
        """Stamp and keep."""
        self.stamps.append(time.perf_counter())
        self.reads.append(data)
        if data.endswith(LAST):
            self.send()


def seen(request: tuple[float, list[float], list[bytes]]) -> list[float]:
    """When each token of a request came."""
    _, stamps, reads = request
    return [
        at for at, read in zip(stamps, reads, strict=True) for _ in range(read.count(b'"text"'))
    ]


async def main(url: str, level: int, requests: int, isl: int, osl: int) -> dict[str, Any]:
    """Drive the level, ramped by 4 ms a connection, and return what was seen."""
    address = urlsplit(url)
    body = json.dumps(
        {
            "model": "reference",
            "prompt": list(range(isl)),
            "max_tokens": osl,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    wire, waiting, loop = head.encode() + body, iter(range(requests)), asyncio.get_running_loop()
    streams = [
        (
            await loop.create_connection(
                lambda: Stream(wire, waiting), address.hostname, address.port
            )
        )[1]
        for _ in range(level)
    ]
    cpu, began = time.process_time(), time.perf_counter()
    for stream in streams:
        stream.send()
        await asyncio.sleep(0.004)
    await asyncio.gather(*(stream.done for stream in streams))
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    made = [(request[0], seen(request)) for stream in streams for request in stream.requests]
    itl = [b - a for _, times in made for a, b in itertools.pairwise(times)]
    return {
        "ttft_s": [times[0] - sent for sent, times in made],
        "itl_s": itl,
        "events": len(itl) + len(made),
        "seconds": seconds,
        "cpu_s": cpu,
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(main(sys.argv[1], *map(int, sys.argv[2:])))))
