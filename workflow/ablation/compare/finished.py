"""A finished study, read from its results folder alone: no configuration, no server, no store."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pandas import DataFrame

from ablation.compare.folders import CompareError
from ablation.plan.plan import Plan, read_plan
from ablation.statistics import tables

SESSION = "ablation.session/1"


@dataclass(frozen=True)
class Finished:
    """``name`` is that of its folder: two machines may have run a study of the same name."""

    name: str
    folder: Path
    plan: Plan
    sessions: list[dict[str, Any]]
    arms: DataFrame
    comparisons: DataFrame

    @property
    def launches(self) -> list[dict[str, Any]]:
        """All server launches, in the order of the sessions' files."""
        return [launch for session in self.sessions for launch in session["launches"]]


def read_finished(folder: Path) -> Finished:
    """A study's plan, sessions and statistics.

    Raises CompareError or StudyError where a file lacks, cannot be read, or has a schema that is not read here.
    """
    plan = read_plan(folder / "plan.json")
    statistics = folder / "statistics"
    arms = _table(folder, statistics / "arms.parquet", tables.ARMS.names)
    comparisons = _table(folder, statistics / "comparisons.parquet", tables.COMPARISONS.names)
    paths = sorted((folder / "sessions").glob("*/*/*.json"))
    if not paths:
        raise CompareError(f"{folder}/sessions: no session's evidence; {_remedy(folder)}")
    sessions = [_json(folder, path, SESSION) for path in paths]
    return Finished(folder.name, folder, plan, sessions, arms, comparisons)


def _json(folder: Path, path: Path, schema: str) -> dict[str, Any]:
    content = _read(folder, path, lambda: json.loads(path.read_text(encoding="utf-8")))
    found = content.get("schema") if isinstance(content, dict) else None
    if found != schema:
        raise _version(path, found, schema)
    document: dict[str, Any] = content
    return document


def _table(folder: Path, path: Path, columns: list[str]) -> DataFrame:
    frame: DataFrame = _read(folder, path, lambda: tables.read(path))
    found = frame.attrs["ablation"].get("schema")
    if found != tables.SCHEMA:
        raise _version(path, found, tables.SCHEMA)
    lacking = [name for name in columns if name not in frame]
    if lacking:
        raise CompareError(f"{path}: lacks the column {lacking[0]!r}; {_remedy(folder)}")
    return frame


def _read(folder: Path, path: Path, read: Callable[[], Any]) -> Any:
    if not path.is_file():
        raise CompareError(f"{path}: not there; {_remedy(folder)}")
    try:
        return read()
    except (OSError, ValueError) as error:  # pyarrow's and json's errors are ValueErrors
        raise CompareError(f"{path}: cannot be read ({error}); {_remedy(folder)}") from None


def _version(path: Path, found: object, wanted: str) -> CompareError:
    return CompareError(
        f"{path}: has schema {found!r}, {wanted!r} is read here; derive both studies with the same version "
        "of the workflow (the raw records in their store are kept)"
    )


def _remedy(folder: Path) -> str:
    return (
        f"finish the study in {folder} (snakemake --cores 1 report, with its configuration), or copy it "
        "whole from where it was made"
    )
