"""Raw records: whole or absent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ablation.client import record as module
from ablation.client.record import (
    REQUESTS,
    RawRecord,
    ReadsWriter,
    RecordError,
    read_record,
    write_record,
)
from ablation.client.sockets import Inbox
from ablation.client.transport import Recording

READS = {1: [b"abc", b"", b"d" * 1000], 3: [b"e"], 0: []}


def recording(pieces: list[bytes]) -> Recording:
    inbox = Inbox()
    for number, piece in enumerate(pieces):
        inbox.add(piece, 1000 + number)
    made = Recording()
    made.keep(inbox)
    return made


def raw(folder: Path) -> RawRecord:
    row = dict.fromkeys(REQUESTS.names) | {"request": 1, "sent_ns": 900}
    path = folder / "reads-0.parquet"
    writer = ReadsWriter(path)
    for request, pieces in READS.items():
        writer.add(request, recording(pieces))
    writer.close()
    return RawRecord(
        requests=pa.Table.from_pylist([row], REQUESTS),
        reads=[path],
        started_at="2026-01-01T00:00:00+00:00",
        ended_at="2026-01-01T00:01:00+00:00",
        clock={"monotonic_ns": 1, "unix_ns": 2},
        client={"cpu_share": 0.1},
        server_counters={"before": {}, "after": {}},
        warmup={"requests": 2, "failed": 0, "seconds": 1.0},
    )


@pytest.mark.parametrize("group_bytes", [1, 1 << 20])
def test_round_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_bytes: int) -> None:
    monkeypatch.setattr(module, "GROUP_BYTES", group_bytes)
    write_record(tmp_path / "run", raw(tmp_path), {"run_hash": "x", "spec": {}})
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "reads.parquet",
        "requests.parquet",
        "run.json",
    ]
    back = read_record(tmp_path / "run")
    assert back.run_json["run_hash"] == "x"
    assert back.run_json["first_send_ns"] == 900
    assert back.client == {"cpu_share": 0.1}
    reads = list(back.request_reads())
    assert [r.request for r in reads] == [1, 3]
    assert list(reads[0].stamps) == [1000, 1001, 1002]
    assert list(reads[0].ends) == [3, 3, 1003]
    assert bytes(reads[0].data) == b"abc" + b"d" * 1000
    assert bytes(reads[1].data) == b"e"


def test_many_groups_keep_requests_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP_BYTES", 100)
    writer = ReadsWriter(tmp_path / "reads.parquet")
    for request in range(50):
        writer.add(request, recording([b"x" * request] * 5))
    writer.close()
    assert pq.ParquetFile(tmp_path / "reads.parquet").num_row_groups > 10
    made = raw(tmp_path)
    made.reads = [tmp_path / "reads.parquet"]
    assert [(r.request, len(r.stamps)) for r in made.request_reads()] == [(i, 5) for i in range(50)]


def test_a_record_is_written_once(tmp_path: Path) -> None:
    write_record(tmp_path / "run", raw(tmp_path), {})
    with pytest.raises(FileExistsError):
        write_record(tmp_path / "run", raw(tmp_path), {})


def test_the_caller_cannot_contradict_the_client(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="clock"):
        write_record(tmp_path / "run", raw(tmp_path), {"clock": {}})


@pytest.mark.parametrize("failing", ["write_table", "fsync", "rename"])
def test_a_failure_on_the_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    made = raw(tmp_path)
    owner = {"write_table": pq, "fsync": os, "rename": Path}[failing]
    monkeypatch.setattr(owner, failing, full)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match="No space left"):
        write_record(tmp_path / "run", made, {})
    assert sorted(tmp_path.iterdir()) == before


def broken(folder: Path, what: str) -> None:
    if what == "absent":
        return
    write_record(folder / "run", raw(folder), {})
    if what == "json":
        (folder / "run/run.json").write_text("{")
    if what == "schema":
        (folder / "run/run.json").write_text(json.dumps({"schema": "ablation.raw/0"}))
    if what == "reads":
        (folder / "run/reads.parquet").write_bytes(b"PAR1")
    if what == "requests":
        (folder / "run/requests.parquet").unlink()


@pytest.mark.parametrize("what", ["absent", "json", "schema", "reads", "requests"])
def test_a_broken_record_says_what_to_do(tmp_path: Path, what: str) -> None:
    broken(tmp_path, what)
    with pytest.raises(RecordError, match="delete the directory and run again"):
        read_record(tmp_path / "run")


def test_discard_removes_the_scratch_files(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    made = raw(scratch)
    made.scratch = scratch
    made.discard()
    assert not scratch.exists()
