"""The config.json of the model that a launch served, kept with the launch: what it read per token follows from it.

A report is written where the model no longer is, and a folder's content may change: only the launch knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ablation.model.files import read_config
from ablation.places import model_folder


def model_config(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any] | None:
    """{"location", "config"} of a server's `--model`: a folder, or a name in the hub's cache on this machine.

    None where it cannot be seen from here (inside a container, not downloaded yet).
    """
    location = argument(command, "model")
    if location is None:
        return None
    folder = model_folder(location, environment, argument(command, "revision"))
    config = read_config(folder / "config.json") if folder is not None else None
    return None if config is None else {"location": location, "config": config}


def argument(command: Sequence[str], name: str) -> str | None:
    """The value of the last `--name value` or `--name=value`; None without."""
    found = None
    for i, word in enumerate(command):
        if word == f"--{name}" and i + 1 < len(command):
            found = command[i + 1]
        elif word.startswith(f"--{name}="):
            found = word.split("=", 1)[1]
    return found
