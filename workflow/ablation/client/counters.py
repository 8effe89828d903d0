"""The server's own counters, read from its `/metrics` before and after a run.

Prometheus text format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re
import time

import httpx

NAMES = (
    "prompt_tokens",
    "generation_tokens",
    "request_success",
    "prefix_cache_queries",
    "prefix_cache_hits",
    "num_preemptions",
)
_SAMPLE = re.compile(r"^vllm:([a-z_]+?)(?:_total)?(?:\{.*\})?\s+([0-9.eE+-]+)(?:\s+\d+)?$")


def parse(text: str) -> dict[str, float]:
    """The counters of NAMES in a page of metrics, each summed over its labels (engines, reasons)."""
    totals: dict[str, float] = {}
    for line in text.splitlines():
        if (match := _SAMPLE.match(line)) and match[1] in NAMES:
            totals[match[1]] = totals.get(match[1], 0.0) + float(match[2])
    return totals


def scrape(url: str, *, timeout_s: float = 5.0) -> dict[str, float]:
    """Read the counters of a server now; empty where it has none (that is for a gate to say)."""
    try:
        # verify costs a file of certificates for each client, which plain http has no use for
        tls = url.startswith("https")
        response = httpx.get(
            f"{url.rstrip('/')}/metrics", timeout=timeout_s, trust_env=False, verify=tls
        )
    except httpx.HTTPError:
        return {}
    return parse(response.text) if response.status_code == 200 else {}


def scrape_settled(url: str, *, within_s: float = 2.0) -> dict[str, float]:
    """Read the counters until two readings 0.2 s apart agree: an engine reports its last step late."""
    deadline = time.monotonic() + within_s
    last = scrape(url)
    while last and time.monotonic() < deadline:
        time.sleep(0.2)
        now = scrape(url)
        if now == last:
            break
        last = now
    return last
