"""The probes that were made of a study as it stands: the report quotes them, and never asks for one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def probes_found(folder: Path, probe_hash: Callable[[str, str], str | None]) -> dict[str, str]:
    """File -> digest of its content, for the probes below `folder` whose configuration is still the study's.

    `probe_hash(model, arm)` is the hash of the study as it stands, None where it has no such pair.
    """
    found = {}
    for path in sorted(folder.glob("*/*.json")):
        content = path.read_bytes()
        try:
            record: dict[str, Any] = json.loads(content)
        except ValueError:
            continue
        if record.get("probe_hash") == probe_hash(path.parent.name, path.stem):
            found[str(path)] = hashlib.sha256(content).hexdigest()[:16]
    return found
