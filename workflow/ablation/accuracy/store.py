"""accuracy.parquet of a launch, beside its log in the store: schema ablation.accuracy/1.

One row for each (repeat, prompt, position); the file's `ablation` metadata says which launch, which prompt set
and how it was asked.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ablation.errors import UserError
from ablation.files import write_table

FILE = "accuracy.parquet"
VERSION = "ablation.accuracy/1"


class AccuracyError(UserError):
    """Answers that cannot be had, read or used; the message says why."""


def _field(name: str, kind: pa.DataType, unit: str, description: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit, "description": description})


ANSWERS = pa.schema(
    [
        _field("repeat", pa.int8(), "", "1 or 2: the set is sent twice to one launch"),
        _field("prompt", pa.int32(), "", "number of the prompt in the set, from 0"),
        _field("position", pa.int16(), "", "place of the token in the answer, from 1"),
        _field("token", pa.string(), "", "greedy token, `token_id:N` or the server's text"),
        _field("logprob", pa.float64(), "nat", "its log-probability"),
        _field("top_tokens", pa.list_(pa.string()), "", "most probable tokens, falling"),
        _field("top_logprobs", pa.list_(pa.float64()), "nat", "their log-probabilities"),
    ]
)


def write_answers(path: Path, rows: list[dict[str, Any]], metadata: dict[str, Any]) -> None:
    """Write the answers, whole or not at all; metadata is JSON-able, `schema` is set here."""
    write_table(path, pa.Table.from_pylist(rows, ANSWERS), {**metadata, "schema": VERSION})


def read_answers(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """The rows and the metadata. Raises AccuracyError."""
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise AccuracyError(f"{path}: unreadable answers ({error})") from error
    metadata: dict[str, Any] = json.loads((table.schema.metadata or {}).get(b"ablation", b"{}"))
    if metadata.get("schema") != VERSION:
        raise AccuracyError(f"{path}: schema {metadata.get('schema')!r} where {VERSION!r} is read")
    return table, metadata
