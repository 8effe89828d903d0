"""How far a server came, and how long each part took, by the words of vLLM 0.14 to 0.33."""

from __future__ import annotations

import re
from typing import Literal

Stage = Literal["start", "weights", "kv_cache", "graph_capture", "ready", "under_load"]

# What a server was doing when it ended there.
WORDS: dict[str, str] = {
    "start": "at the start, before the weights",
    "weights": "while loading the weights",
    "kv_cache": "while sizing the KV cache",
    "graph_capture": "at graph capture",
    "ready": "once it was ready",
    "under_load": "under load",
}

# (name, pattern with one number in seconds, GiB or tokens)
_NUMBERS = (
    ("weights_s", re.compile(r"Loading weights took ([\d.]+) seconds")),
    (
        "model_loading_s",
        re.compile(r"Model loading took [\d.]+ Gi?B(?: memory)? and ([\d.]+) seconds"),
    ),
    ("model_memory_gib", re.compile(r"Model loading took ([\d.]+) Gi?B")),
    ("checkpoint_gib", re.compile(r"Checkpoint size: ([\d.]+) GiB")),
    ("kv_cache_tokens", re.compile(r"KV cache size: ([\d,]+) tokens")),
    ("graph_capture_s", re.compile(r"Graph capturing finished in ([\d.]+) secs")),
    ("engine_init_s", re.compile(r"init engine \(.*\) took ([\d.]+) s")),
)
# A server that is ready says one of these, the first with uvicorn's own lines switched off too.
_SERVES = re.compile(
    r"Starting vLLM (?:API )?server|Application startup complete|Uvicorn running on"
)
# The last that has begun is where a server is.
_BEGUN: tuple[tuple[Stage, re.Pattern[str]], ...] = (
    (
        "under_load",
        re.compile(
            r'"POST /v1/(?:chat/)?completions|Avg prompt throughput: [\d.]*[1-9]|Added request|num_running_reqs=[1-9]'
        ),
    ),
    ("ready", re.compile(r"Application startup complete")),
    (
        "graph_capture",
        re.compile(r"Capturing CUDA graph|Graph capturing finished|Capturing cudagraph"),
    ),
    (
        "kv_cache",
        re.compile(
            r"Model loading took|Loading weights took|KV cache size:|Available KV cache memory"
        ),
    ),
    ("weights", re.compile(r"Starting to load model|Loading (?:safetensors|pt) checkpoint")),
)


def stages(log: str) -> dict[str, float]:
    """Start-up stages: seconds, GiB or tokens by name, where the log states them."""
    found = {}
    for name, pattern in _NUMBERS:
        match = pattern.search(log)
        if match:
            found[name] = float(match.group(1).replace(",", ""))
    return found


def reached(log: str, *, loaded: bool = False) -> Stage:
    """The stage that a server came to. `loaded`: requests were sent to it (its log need not say so)."""
    if loaded:
        return "under_load"
    serves = _SERVES.search(log)
    for stage, pattern in _BEGUN:
        # Requests count only once it was ready: an engine that dies at the start may dump its queue, too.
        since = serves.end() if serves else len(log)
        if pattern.search(log, since if stage == "under_load" else 0):
            return stage
    return "start"
