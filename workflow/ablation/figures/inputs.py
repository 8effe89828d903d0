"""What figures are drawn from, read from files: one function for each kind of input."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

    from ablation.audit.table import PublishedTable

# Takes the paths behind one named input; what comes of it is what the drawing function takes.
Reader = Callable[[list[Path]], Any]


def paths(files: str | Path | Iterable[str | Path]) -> list[Path]:
    """One path or several, as Snakemake has them, as a list."""
    return [Path(files)] if isinstance(files, str | Path) else [Path(file) for file in files]


def table(files: list[Path]) -> DataFrame:
    """A single parquet table as a frame."""
    # Imported here: the rule files look at the registry, and need no pandas for it.
    from ablation.statistics import tables

    (file,) = files
    return tables.read(file)


def evidence(files: list[Path]) -> list[dict[str, Any]]:
    """The evidence of sessions."""
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def as_paths(files: list[Path]) -> list[Path]:
    """The paths themselves: the drawing function reads of them what it needs."""
    return files


def published_table(files: list[Path]) -> PublishedTable | None:
    """The published table that the study names; None where it names none."""
    from ablation.audit.read import read_published

    return read_published(files[0]) if files else None
