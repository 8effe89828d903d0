"""Gathering runs: complete, in the plan's order, and never a stale one."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from ablation.aggregate.aggregate import RUNS, aggregate, write_aggregate
from ablation.errors import UserError
from ablation.plan.plan import Plan
from ablation.run.schema import RUN, read_run_metadata, write_run_parquet
from ablation.study.load import StudyError
from tests.synthetic import make_plan

METADATA = {
    "study": "s",
    "launch_id": "launch-1",
    "launch_facts": {
        "sitting": "sitting-1",
        "host": "h",
        "gpus": "",
        "build": None,
        "weights": None,
        "client": "3",
        "launch_started_at": "2026-01-01T00:00:00+00:00",
        "launch_ended_at": "2026-01-01T00:02:00+00:00",
    },
    "started_at": "2026-01-01T00:00:00+00:00",
    "ended_at": "2026-01-01T00:01:00+00:00",
    "usable": True,
    "gates": [
        {"gate": "failures", "state": "passed", "text": "none"},
        {"gate": "g", "state": "failed", "text": "why"},
        {"gate": "throttling", "state": "not observed", "text": "not observed: no telemetry"},
    ],
    "summary": {
        "requests": 3,
        "output_throughput_tok_s": 12.5,
        "batch_throughput_tok_s": [1.0, 2.0],
    },
}


def plan_of(*hashes: str) -> Plan:
    plan = make_plan(blocks=len(hashes), levels=(4,), single_only=True)
    sessions = [
        replace(s, session_hash=f"s{n}", levels=[replace(s.levels[0], run_hash=h)])
        for n, (s, h) in enumerate(zip(plan.sessions, hashes, strict=True), start=1)
    ]
    return replace(plan, sessions=sessions)


def write(path: Path, run_hash: str, block: int) -> Path:
    identity = {"model": "m", "arm": "a", "block": block, "concurrency": 4, "run_hash": run_hash}
    write_run_parquet(path, RUN.empty_table(), METADATA | identity)
    return path


@pytest.fixture
def paths(tmp_path) -> list[Path]:
    return [write(tmp_path / f"{n}.parquet", f"h{n}", n) for n in (2, 1)]


def test_rows_follow_the_plan_and_the_schema(paths, tmp_path):
    plan = plan_of("h1", "h2")
    table = aggregate(paths, plan)
    assert table.schema.equals(RUNS)
    assert table["run_hash"].to_pylist() == ["h1", "h2"]
    row = table.to_pylist()[0]
    assert (row["rank"], row["session_hash"], row["output_throughput_tok_s"]) == (1, "s1", 12.5)
    assert (row["gates_failed"], row["gate_texts"]) == (["g"], ["why"])
    assert row["gates_passed"] == ["failures"]
    assert row["gates_not_observed"] == ["throttling"]
    assert row["gates_not_observed_texts"] == ["not observed: no telemetry"]
    path = tmp_path / "runs.parquet"
    write_aggregate(table, path, plan)
    assert len(pd.read_parquet(path)) == 2
    schema = pq.read_schema(path)
    assert json.loads(schema.metadata[b"ablation"])["schema"] == "ablation.aggregate/2"
    assert all(field.metadata[b"description"] for field in schema)


def test_a_stale_run_is_refused(paths):
    with pytest.raises(StudyError, match=r"1\.parquet: was measured under another configuration"):
        aggregate(paths, plan_of("h2", "h3"))


def test_an_unreadable_file_is_named(paths):
    shutil.copy(__file__, paths[0])
    with pytest.raises(UserError, match=r"2\.parquet: unreadable run parquet"):
        read_run_metadata(paths[0])
