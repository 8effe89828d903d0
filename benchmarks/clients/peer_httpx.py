"""The obvious client: plain `httpx.AsyncClient`, one stream a request, JSON decoded per event.

    python peer_httpx.py URL LEVEL REQUESTS INPUT OUTPUT

Prints one JSON object: what it measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import httpx


async def main(url: str, level: int, requests: int, isl: int, osl: int) -> dict[str, Any]:
    """Drive the level and return what was seen."""
    ttft: list[float] = []
    itl: list[float] = []
    waiting = iter(range(requests))
    body = {
        "model": "reference",
        "prompt": list(range(isl)),
        "max_tokens": osl,
        "stream": True,
        "stream_options": {"include_usage": True},
    }

    async def slot(client: httpx.AsyncClient) -> None:
        for _ in waiting:
            last = time.perf_counter()
            first = True
            async with client.stream("POST", f"{url}/v1/completions", json=body) as response:
                async for line in response.aiter_lines():
                    if not line.startswith("data: ") or line == "data: [DONE]":
                        continue
                    if json.loads(line[6:])["choices"]:
                        now = time.perf_counter()
                        (ttft if first else itl).append(now - last)
                        first, last = False, now

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=None) as client:
        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(slot(client) for _ in range(level)))
        cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    events = len(ttft) + len(itl)
    return {"ttft_s": ttft, "itl_s": itl, "events": events, "seconds": seconds, "cpu_s": cpu}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))))
