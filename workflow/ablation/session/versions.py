"""Versions of the workflow and of what it is made of, for provenance."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from ablation import __version__
from ablation.client import CLIENT_VERSION

PARTS = ("snakemake", "httpx", "httptools", "uvloop", "pandas", "pyarrow", "scipy")


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = [
        ("workflow", __version__),
        ("client", str(CLIENT_VERSION)),
        ("python", platform.python_version()),
    ]
    for part in PARTS:
        try:
            found.append((part, version(part)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def workflow_versions() -> dict[str, str]:
    """Name -> version; a fresh dictionary each time."""
    return dict(_versions())
