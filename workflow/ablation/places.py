"""Where a relative path of a study lies."""

from __future__ import annotations

from pathlib import Path

HOME = Path(__file__).resolve().parents[2]  # the workflow's own folder


def here_or_home(path: str) -> Path:
    """From the working folder or, where that has no such file, from the workflow's own."""
    here = Path(path)
    return here if here.is_absolute() or here.exists() else HOME / path


def executable(path: str) -> str:
    """A program as it can be started: a bare name is left to PATH, a relative path is resolved."""
    # Not resolve(): the link .venv-vllm/bin/python is what makes it that environment's Python.
    return str(here_or_home(path).absolute()) if "/" in path else path
