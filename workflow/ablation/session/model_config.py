"""The config.json of the model that a launch served, kept with the launch: what it read per token follows from it.

A report is written where the model no longer is, and a folder's content may change: only the launch knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MOST_BYTES = 1_000_000


def model_config(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any] | None:
    """{"location", "config"} of a server's `--model`: a folder, or a name in the hub's cache on this machine.

    None where it cannot be seen from here (inside a container, not downloaded yet).
    """
    location = argument(command, "model")
    if location is None:
        return None
    for file in _places(location, environment):
        try:
            if file.stat().st_size > MOST_BYTES:
                continue
            config = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(config, dict):
            return {"location": location, "config": config}
    return None


def argument(command: Sequence[str], name: str) -> str | None:
    """The value of the last `--name value` or `--name=value`; None without."""
    found = None
    for i, word in enumerate(command):
        if word == f"--{name}" and i + 1 < len(command):
            found = command[i + 1]
        elif word.startswith(f"--{name}="):
            found = word.split("=", 1)[1]
    return found


def _places(location: str, environment: Mapping[str, str]) -> list[Path]:
    """A folder's config.json; the hub's cache as huggingface_hub lays it out, the revision of `main` first."""
    found = [Path(location).expanduser() / "config.json"]
    home = Path(environment.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    cache = Path(environment.get("HF_HUB_CACHE") or home / "hub").expanduser()
    repository = cache / f"models--{location.replace('/', '--')}"
    try:
        revision = (repository / "refs" / "main").read_text(encoding="ascii").strip()
        found.append(repository / "snapshots" / revision / "config.json")
    except OSError:
        pass
    return found + sorted(repository.glob("snapshots/*/config.json"))
