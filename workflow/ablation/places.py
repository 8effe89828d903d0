"""Where what a study names lies on this host: relative paths, programs, models, the cache of the hub.

Whether a model's location is a folder of this host or a name on the hub is decided here and nowhere else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]  # the workflow's own folder

# `owner/name`; for GGUF files vLLM also takes `owner/name:QUANTISATION` and `owner/name/file.gguf`.
_HUB_NAME = re.compile(
    r"(?P<repository>[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*)(?::[\w.-]+|/[\w.-]+\.gguf)?"
)
_URI = re.compile(r"[a-z][a-z0-9+.-]*://")
_OURS = (
    "resources/"  # where the workflow makes models: a folder, whether it has been made yet or not
)


def here_or_home(path: str) -> Path:
    """From the working folder or, where that has no such file, from the workflow's own."""
    here = Path(path)
    return here if here.is_absolute() or here.exists() else HOME / path


def executable(path: str) -> str:
    """A program as it can be started: a bare name is left to PATH, a relative path is resolved."""
    # Not resolve(): the link .venv-vllm/bin/python is what makes it that environment's Python.
    return str(here_or_home(path).absolute()) if "/" in path else path


def model_path(location: str) -> Path | None:
    """The folder or file of this host that a model's location means, whether it is there or not.

    None for a name on the hub and for a URI. As in vLLM, what exists is local, even where it looks like a name on
    the hub (`org/name`); a relative path starts from the working folder, `~` is the user's home.
    """
    if _URI.match(location):
        return None
    local = os.path.expanduser(location)
    written_as_path = location.startswith(("/", "./", "../", "~", _OURS))
    if not written_as_path and not os.path.exists(local) and _HUB_NAME.fullmatch(location):
        return None
    return Path(local)


def hub_home(environment: Mapping[str, str]) -> Path:
    """The folder of huggingface_hub: HF_HOME, by default in the user's cache."""
    caches = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(environment.get("HF_HOME") or f"{caches}/huggingface").expanduser()


def hub_cache(environment: Mapping[str, str]) -> Path:
    """Where huggingface_hub keeps what it downloaded, by its own rules (huggingface_hub/constants.py)."""
    named = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    return Path(named).expanduser() if named else hub_home(environment) / "hub"


def hub_snapshot(
    location: str, environment: Mapping[str, str], revision: str | None = None
) -> Path | None:
    """The folder of a hub model's files in the cache of this host; None where it was not downloaded.

    `revision` is a branch, a tag or a commit; without one it is `main` and, where the cache does not know that, the
    only snapshot that there is. Several snapshots and no `main` are None: which one a server would take is not known.
    """
    name = _HUB_NAME.fullmatch(location)
    if name is None:
        return None
    repository = hub_cache(environment) / f"models--{name['repository'].replace('/', '--')}"
    snapshots = repository / "snapshots"
    wanted = revision or "main"
    try:
        commit = (repository / "refs" / wanted).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        commit = wanted
    if commit and (snapshots / commit).is_dir():
        return snapshots / commit
    found = sorted(snapshots.glob("*/"))
    return found[0] if revision is None and len(found) == 1 else None


def model_folder(
    location: str, environment: Mapping[str, str], revision: str | None = None
) -> Path | None:
    """Where a model's files lie on this host: its own folder, or its snapshot in the hub's cache.

    `location` may also be a file (GGUF). None where there is nothing on this host.
    """
    local = model_path(location)
    if local is None:
        return hub_snapshot(location, environment, revision)
    return local if local.exists() else None
