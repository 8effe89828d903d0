"""Files that are whole or absent: the one way in which the workflow writes, and in which it reads what it wrote."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ablation.errors import UserError

METADATA = b"ablation"  # key of a parquet file's own metadata


class DamagedError(UserError):
    """A file that is empty, cut short, or not what its name says; the message names it and the remedy."""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to. It takes that place, synced to the disk, when the block ends without an error.

    The name keeps the suffix, since some writers go by it. Nothing is left behind where the block fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")
    try:
        yield partial
        sync(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the disk hold a file or a folder before anything says that it is there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all. NaN and infinity, which JSON lacks, become null."""
    write_text(path, json.dumps(_finite(data), indent=1, allow_nan=False) + "\n")


def write_table(path: Path, table: pa.Table, metadata: Mapping[str, Any]) -> None:
    """Write a table as parquet with its metadata, whole or not at all; the same input gives the same bytes."""
    text = json.dumps(metadata, sort_keys=True, allow_nan=False)
    with whole(path) as partial:
        pq.write_table(
            table.replace_schema_metadata({METADATA: text.encode()}), partial, compression="zstd"
        )


def read_json(path: Path, remedy: str = "") -> dict[str, Any]:
    """A JSON file that holds a mapping. Raises DamagedError naming the file and `remedy`."""
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text)
    except (OSError, ValueError) as error:
        why = "it is empty" if _is_empty(path) else str(error)
        raise DamagedError(_sentence(path, why, remedy)) from None
    if not isinstance(data, dict):
        raise DamagedError(_sentence(path, "it holds no mapping", remedy))
    return data


def _finite(value: Any) -> Any:
    """The same with null for every number that JSON cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _is_empty(path: Path) -> bool:
    """Whether a file has nothing in it, or nothing but the zeros that a power cut leaves."""
    try:
        with path.open("rb") as file:
            return not file.read(4096).strip(b"\0 \n")
    except OSError:
        return False


def _sentence(path: Path, why: str, remedy: str) -> str:
    return f"{path}: cannot be read ({why}){f'; {remedy}' if remedy else ''}"
