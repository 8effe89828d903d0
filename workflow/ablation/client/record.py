"""The raw record of a run: what was measured, whole or absent, never half-written.

<directory>/requests.parquet   one row a request of the data
<directory>/reads.parquet      one row a socket read: rows of one request together, in order of arrival
<directory>/run.json           what the run was, when, by which client, the server's counters
"""

from __future__ import annotations

import json
import os
import shutil
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ablation.client.transport import Recording
from ablation.errors import UserError

SCHEMA = "ablation.raw/1"

REQUESTS = pa.schema(
    [
        ("request", pa.int32()),
        ("worker", pa.int16()),
        ("scheduled_ns", pa.int64()),
        ("sent_ns", pa.int64()),
        ("first_byte_ns", pa.int64()),
        ("ended_ns", pa.int64()),
        ("status", pa.int16()),
        ("error_class", pa.string()),
        ("error_text", pa.string()),
        ("prompt_tokens_asked", pa.int32()),
        ("output_tokens_asked", pa.int32()),
    ]
)
READS = pa.schema([("request", pa.int32()), ("arrived_ns", pa.int64()), ("data", pa.binary())])
# Reads are written in groups of whole requests of about so many bytes: a reader holds one at a
# time.
GROUP_BYTES = 16 << 20


class RecordError(UserError):
    """A raw record that is not there, not whole or not of this kind; the message names the remedy."""


@dataclass
class RawRecord:
    """A run as measured. `reads` are parquet files of READS, in the order in which they are to
    stand.

    Files that `drive` left lie in `scratch`, which is the record's own: `discard` removes it.
    """

    requests: pa.Table
    reads: list[Path]
    started_at: str
    ended_at: str
    clock: dict[str, int]
    client: dict[str, Any]
    server_counters: dict[str, Any]
    warmup: dict[str, Any]
    run_json: dict[str, Any] = field(default_factory=dict)
    scratch: Path | None = None

    def facts(self) -> dict[str, Any]:
        """What the client knows of run.json; the caller adds spec, run_hash and launch_id."""
        sent = pc.min(self.requests["sent_ns"]).as_py()
        return {
            "schema": SCHEMA,
            "first_send_ns": sent,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "clock": self.clock,
            "client": self.client,
            "server_counters": self.server_counters,
            "warmup": self.warmup,
        }

    def discard(self) -> None:
        """Remove the scratch files; the record cannot be written after that."""
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def request_reads(self) -> Iterator[RequestReads]:
        """The reads of each request that has any, one request after another."""
        for path in self.reads:
            with pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    yield from _split(file.read_row_group(group))


class RequestReads(NamedTuple):
    """The reads of one request: data[ends[i-1]:ends[i]] came at stamps[i] (CLOCK_MONOTONIC ns)."""

    request: int
    stamps: Sequence[int]
    ends: Sequence[int]
    data: memoryview


def write_record(directory: Path, record: RawRecord, run_json: dict[str, Any]) -> None:
    """Write a record beside its place, then rename: `directory` is whole or absent.

    run_json  what the client does not know: spec, run_hash, launch_id, ... It may not contradict facts()
    Raises FileExistsError where the directory stands already; OSError (a full disk) leaves nothing.
    """
    facts = record.facts()
    if clash := sorted(facts.keys() & run_json.keys() - {"schema"}):
        raise ValueError(f"run_json sets what the client measured: {', '.join(clash)}")
    if directory.exists():
        raise FileExistsError(f"{directory} stands already; a record is written once")
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = directory.with_name(f".partial-{os.getpid()}-{directory.name}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        pq.write_table(record.requests.cast(REQUESTS), partial / "requests.parquet")
        with pq.ParquetWriter(partial / "reads.parquet", READS, compression="zstd") as writer:
            for path in record.reads:
                with pq.ParquetFile(path) as part:
                    for group in range(part.num_row_groups):
                        writer.write_table(part.read_row_group(group))
        text = json.dumps(run_json | facts, indent=1, sort_keys=True) + "\n"
        (partial / "run.json").write_text(text, encoding="utf-8")
        for path in partial.iterdir():
            _sync(path)
        _sync(partial)
        partial.rename(directory)
        _sync(directory.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def read_record(directory: Path) -> RawRecord:
    """Read a record back; its reads stay on disk. Raises RecordError."""
    remedy = "delete the directory and run again: the workflow measures what is missing"
    try:
        run_json = json.loads((directory / "run.json").read_text(encoding="utf-8"))
        requests = pq.read_table(directory / "requests.parquet", partitioning=None)
        pq.ParquetFile(directory / "reads.parquet").close()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RecordError(f"{directory}: unreadable raw record ({error}); {remedy}") from error
    if run_json.get("schema") != SCHEMA:
        found = run_json.get("schema")
        raise RecordError(f"{directory}: schema {found!r} where {SCHEMA!r} is read; {remedy}")
    return RawRecord(
        requests=requests,
        reads=[directory / "reads.parquet"],
        started_at=run_json["started_at"],
        ended_at=run_json["ended_at"],
        clock=run_json["clock"],
        client=run_json["client"],
        server_counters=run_json["server_counters"],
        warmup=run_json["warmup"],
        run_json=run_json,
    )


class ReadsWriter:
    """Writes recordings to a parquet file of READS, a group of whole requests at a time."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, READS, compression="zstd")
        self._pending: list[pa.RecordBatch] = []
        self._bytes = 0

    def add(self, request: int, recording: Recording) -> None:
        """Add the reads of a request."""
        count = len(recording.stamps)
        if not count:
            return
        offsets = pa.py_buffer(_offsets(recording))
        data = pa.Array.from_buffers(
            pa.binary(), count, [None, offsets, pa.py_buffer(recording.data)]
        )
        stamps = pa.Array.from_buffers(
            pa.int64(), count, [None, pa.py_buffer(array("q", recording.stamps))]
        )
        ids = pa.repeat(pa.scalar(request, pa.int32()), count)
        self._pending.append(pa.record_batch([ids, stamps, data], schema=READS))
        self._bytes += len(recording.data)
        if self._bytes >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what is left and end the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._pending:
            table = pa.Table.from_batches(self._pending, READS)
            self._writer.write_table(table, row_group_size=len(table))
        self._pending, self._bytes = [], 0


def _offsets(recording: Recording) -> bytes:
    return np.concatenate([[0], recording.ends]).astype(np.int32).tobytes()


def _split(table: pa.Table) -> Iterator[RequestReads]:
    table = table.combine_chunks()
    if not len(table):
        return
    data = table["data"].chunk(0)
    request = table["request"].to_numpy()
    stamps = table["arrived_ns"].to_numpy()
    offsets = np.frombuffer(data.buffers()[1], np.int32)[data.offset : data.offset + len(data) + 1]
    content = memoryview(data.buffers()[2] or b"")
    starts = np.concatenate([[0], np.flatnonzero(np.diff(request)) + 1, [len(request)]])
    for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        base = int(offsets[first])
        yield RequestReads(
            int(request[first]),
            stamps[first:last].tolist(),
            (offsets[first + 1 : last + 1] - base).tolist(),
            content[base : int(offsets[last])],
        )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
