"""What decides a measurement, and its hash: the address of the measurement in the store.

Everything that could change the numbers is in the hash, and nothing else: gates, margins, titles, the study's
name and the port are not, so that changing them never costs a measurement.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

VERSION = 1  # raise when the meaning of a raw record changes: all measurements are then taken again


def spec_hash(spec: dict[str, Any]) -> str:
    """16 hexadecimal digits of SHA-256 over the canonical JSON of a spec."""
    text = json.dumps(
        {"version": VERSION, **spec}, sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def session_spec(
    *,
    kind: str,
    model: str,
    arm: str,
    block: int,
    command: list[str],
    env: dict[str, str],
    vllm: str,
    launch: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What decides a launch. The executable's path is left out: the version of vLLM stands for it.

    `launch` is what a container or an endpoint adds; a process has none.
    """
    return {
        **({} if launch is None else {"launch": launch}),
        "kind": kind,
        "model": model,
        "arm": arm,
        "block": block,
        "arguments": command[1:],
        "env": dict(sorted(env.items())),
        "vllm": vllm,
    }


def run_spec(session: dict[str, Any], load: dict[str, Any]) -> dict[str, Any]:
    """What decides a run: the load of its level, and its session's spec."""
    return {**load, "session": session}
