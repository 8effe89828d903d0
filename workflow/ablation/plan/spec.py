"""What decides a measurement, and its hash: the address of the measurement in the store.

Everything that could change the numbers is in the hash, and nothing else: gates, margins, titles, the study's
name and the port are not, so that changing them never costs a measurement. What was really there (the build, the
host, the moment) cannot be known from a study: each launch records it, and `ablation.sitting` holds it against what
is there now.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

VERSION = 1  # raise when the meaning of a raw record changes: all measurements are then taken again


def spec_hash(spec: Mapping[str, object]) -> str:
    """16 hexadecimal digits of SHA-256 over the canonical JSON of a spec."""
    text = json.dumps(
        {"version": VERSION, **spec}, sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_spec(session: Mapping[str, object], load: Mapping[str, object]) -> dict[str, object]:
    """What decides a run: the load of its level, and its session's spec."""
    return {**load, "session": dict(session)}
