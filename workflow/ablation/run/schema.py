"""The run parquet: one row a request, units and provenance inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ablation.errors import UserError
from ablation.files import write_table
from ablation.run.gate import from_version_1

VERSION = "ablation.run/2"
BEFORE = "ablation.run/1"  # gates had "passed", which stood for "not observed" too


def _field(name: str, kind: pa.DataType, unit: str, description: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit, "description": description})


_S = "seconds since the first send of the run"
RUN = pa.schema(
    [
        _field("request", pa.int32(), "", "number of the request in the run"),
        _field("worker", pa.int16(), "", "client process that made it"),
        _field("scheduled_s", pa.float64(), "s", f"when its slot was free ({_S})"),
        _field("sent_s", pa.float64(), "s", f"when its bytes went to the socket ({_S})"),
        _field("first_byte_s", pa.float64(), "s", f"first read of the response ({_S})"),
        _field(
            "first_token_s",
            pa.float64(),
            "s",
            f"read that completed its first content event ({_S})",
        ),
        _field("ended_s", pa.float64(), "s", f"last read, or the failure ({_S})"),
        _field("status", pa.int16(), "", "HTTP status; null where there was none"),
        _field("error_class", pa.string(), "", "leaf of the failure tree; null: none"),
        _field("error_text", pa.string(), "", "what happened, at most 500 characters"),
        _field("prompt_tokens_asked", pa.int32(), "tokens", "prompt length sent; null: text"),
        _field("output_tokens_asked", pa.int32(), "tokens", "exact length asked for; null: open"),
        _field("prompt_tokens", pa.int32(), "tokens", "from the server's usage"),
        _field("output_tokens", pa.int32(), "tokens", "from the server's usage"),
        _field("events", pa.int32(), "events", "content events; one may carry several tokens"),
        _field(
            "event_s", pa.list_(pa.float64()), "s", f"read that completed each content event ({_S})"
        ),
        _field(
            "event_tokens",
            pa.list_(pa.int32()),
            "tokens",
            "tokens of each event by the server's running usage; null where it gave none",
        ),
        _field("ttft_s", pa.float64(), "s", "sent to first token"),
        _field(
            "tpot_s", pa.float64(), "s", "first to last token, per output token after the first"
        ),
        _field("e2e_s", pa.float64(), "s", "sent to ended; null where it failed"),
        _field("in_window", pa.bool_(), "", "whole, and ended inside the window"),
    ]
)


REMEDY = "delete it and run the workflow again: it is derived from the raw record"


class RunError(UserError):
    """A run parquet that is not there, not whole or not of this kind; the message names the remedy."""


def write_run_parquet(path: Path, rows: pa.Table, metadata: dict[str, Any]) -> None:
    """Write rows of RUN and the run's metadata; the same input gives the same bytes.

    metadata  JSON-able: study, model, arm, block, concurrency, run_hash, launch_id, started_at, ended_at,
              summary, gates, usable, provenance; `schema` is set here. NaN and infinity are
              refused.
    The file is whole or absent.
    """
    write_table(path, rows.cast(RUN), {**metadata, "schema": VERSION})


def read_run_parquet(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """The rows and the metadata of a run. Raises RunError."""
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"{path}: unreadable run parquet ({error}); {REMEDY}") from error
    metadata = read_metadata(table.schema, path)
    return table, metadata


def read_run_metadata(path: Path) -> dict[str, Any]:
    """The metadata alone, without reading the rows. Raises RunError."""
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"{path}: unreadable run parquet ({error}); {REMEDY}") from error
    return read_metadata(schema, path)


def read_metadata(schema: pa.Schema, path: Path) -> dict[str, Any]:
    """The metadata inside a schema, that of the version before as this one has it. Raises RunError where it is neither.

    `usable` stays as it was judged.
    """
    metadata: dict[str, Any] = json.loads((schema.metadata or {}).get(b"ablation", b"{}"))
    if metadata.get("schema") == BEFORE:
        gates = [from_version_1(gate) for gate in metadata.get("gates", [])]
        return metadata | {"schema": VERSION, "gates": gates}
    if metadata.get("schema") != VERSION:
        found = metadata.get("schema")
        raise RunError(f"{path}: schema {found!r} where {VERSION!r} is read; {REMEDY}")
    return metadata
