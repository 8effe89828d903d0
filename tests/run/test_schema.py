"""The run parquet: explained, whole, byte-identical."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ablation.run import schema
from ablation.run.schema import (
    RUN,
    RunError,
    read_run_metadata,
    read_run_parquet,
    write_run_parquet,
)
from tests.run_rows import closed_loop, table, unsent

ROWS = table([*closed_loop(2, 5), unsent()])


def test_every_field_has_a_unit_and_a_description() -> None:
    for field in RUN:
        assert field.metadata[b"description"]
        assert b"unit" in field.metadata
        if field.name.endswith("_s"):
            assert field.metadata[b"unit"] == b"s"


def test_round_trip_and_same_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "a" / "one.parquet", tmp_path / "two.parquet"
    write_run_parquet(one, ROWS, {"study": "s", "usable": True})
    write_run_parquet(two, ROWS, {"usable": True, "study": "s"})
    assert one.read_bytes() == two.read_bytes()
    rows, metadata = read_run_parquet(one)
    assert metadata == {"schema": "ablation.run/2", "study": "s", "usable": True}
    assert read_run_metadata(one) == metadata
    assert rows.equals(ROWS)
    assert rows.schema.field("ttft_s").metadata[b"unit"] == b"s"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "two.parquet"]


BEFORE = [
    {"gate": "failures", "passed": True, "value": 0.0, "threshold": 0.0, "text": "none failed"},
    {"gate": "steady_state", "passed": False, "value": 0.5, "threshold": 0.2, "text": "it was not"},
    {"gate": "jit_in_window", "passed": True, "value": 0.0, "threshold": 0.0,
     "text": "no kernel was compiled in the window, by the server's log"},
    {"gate": "throttling", "passed": True, "value": None, "threshold": 0.01,
     "text": "not observed: the launch has no telemetry"},
    {"gate": "treatment", "passed": True, "value": None, "threshold": 1.0,
     "text": "the study asks for no proof of this arm's treatment"},
]  # fmt: skip


def test_the_version_before_is_read_and_what_it_did_not_observe_is_no_pass(tmp_path: Path) -> None:
    """Its gate on compilation looked only at lines with a time of their own: that it saw none says nothing."""
    path = tmp_path / "run.parquet"
    text = json.dumps({"schema": "ablation.run/1", "usable": False, "gates": BEFORE})
    pq.write_table(ROWS.replace_schema_metadata({b"ablation": text.encode()}), path)
    for metadata in (read_run_metadata(path), read_run_parquet(path)[1]):
        assert metadata["schema"] == "ablation.run/2"
        assert metadata["usable"] is False
        assert {gate["gate"]: gate["state"] for gate in metadata["gates"]} == {
            "failures": "passed",
            "steady_state": "failed",
            "jit_in_window": "not observed",
            "throttling": "not observed",
            "treatment": "not observed",
        }
        assert all("passed" not in gate for gate in metadata["gates"])
        assert "lines with a time of their own" in metadata["gates"][2]["text"]


def test_pandas_reads_it(tmp_path: Path) -> None:
    write_run_parquet(tmp_path / "run.parquet", ROWS, {})
    frame = pd.read_parquet(tmp_path / "run.parquet")
    assert len(frame) == 6
    assert frame["event_s"][0][0] == pytest.approx(0.1)


def test_nan_in_the_metadata_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_run_parquet(tmp_path / "run.parquet", ROWS, {"summary": {"x": float("nan")}})
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: pa.Table, path: Path, **__: Any) -> None:
        path.write_bytes(b"PAR1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(schema.pq, "write_table", full)
    with pytest.raises(OSError, match="No space"):
        write_run_parquet(tmp_path / "run.parquet", ROWS, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", ["absent", "cut", "other"])
def test_a_bad_file_says_what_to_do(tmp_path: Path, how: str) -> None:
    path = tmp_path / "run.parquet"
    if how == "cut":
        path.write_bytes(b"PAR1 half of it")
    if how == "other":
        pq.write_table(pa.table({"a": [1]}), path)
    for read in (read_run_parquet, read_run_metadata):
        with pytest.raises(RunError, match=r"run\.parquet.*delete it and run the workflow again"):
            read(path)
