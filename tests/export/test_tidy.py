"""The long form: every number of the aggregate once, with its unit, in parquet and in CSV."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ablation.aggregate.aggregate import RUNS
from ablation.errors import UserError
from ablation.export.tidy import TIDY, tidy, write_tidy
from tests.synthetic import make_plan, make_runs


def aggregate(plan, runs, schema="ablation.aggregate/2"):
    """As the aggregate stage writes it."""
    table = pa.Table.from_pylist(runs.to_dict("records"), schema=RUNS)
    metadata = {"schema": schema, "study": plan.name, "config_hash": plan.config_hash}
    return table.replace_schema_metadata({b"ablation": json.dumps(metadata).encode()})


def exported(tmp_path: Path, simulated=False):
    plan = make_plan(simulated=simulated)
    runs = make_runs(plan)
    runs.loc[3, "usable"] = False
    runs.at[3, "gates_failed"] = ["concurrency", "steady"]
    table = tidy(aggregate(plan, runs), plan)
    write_tidy(table, tmp_path / "tidy.parquet", tmp_path / "tidy.csv")
    return runs, table


def test_every_number_of_every_run_stands_in_one_row(tmp_path):
    runs, _ = exported(tmp_path)
    frame = pd.read_parquet(tmp_path / "tidy.parquet")
    assert list(frame.columns) == TIDY.names
    key = ["model", "arm", "block", "concurrency"]
    assert not frame.duplicated([*key, "metric"]).any()
    wide = frame.pivot(index=key, columns="metric", values="value")
    runs = runs.set_index(key).sort_index()
    numbers = set(RUNS.names) - {"goodput_req_s", "batch_throughput_tok_s", "rank", *key}
    numbers &= set(runs.select_dtypes("number").columns)
    assert set(wide.columns) == numbers
    for name in numbers:
        assert wide[name].sort_index().tolist() == runs[name].tolist()


def test_a_failed_gate_keeps_its_rows_and_says_so(tmp_path):
    runs, table = exported(tmp_path)
    frame = table.to_pandas()
    failed = frame[~frame["usable"]]
    assert set(failed["gates_failed"]) == {"concurrency,steady"}
    assert set(failed["launch_id"]) == {runs.loc[3, "launch_id"]}
    assert len(failed) == frame["metric"].nunique()
    assert set(frame[frame["usable"]]["gates_failed"]) == {""}


def test_what_was_not_observed_is_said_and_what_is_not_known_too(tmp_path):
    _, table = exported(tmp_path)
    assert set(table["gates_not_observed"].to_pylist()) == {"throttling"}
    plan = make_plan()
    before = aggregate(plan, make_runs(plan)).drop_columns(["gates_not_observed"])
    assert set(tidy(before, plan)["gates_not_observed"].to_pylist()) == {"unknown"}


def test_units_come_from_the_aggregate(tmp_path):
    _, table = exported(tmp_path)
    units = dict(zip(table["metric"].to_pylist(), table["unit"].to_pylist(), strict=True))
    assert units["output_throughput_tok_s"] == "tok/s"
    assert units["ttft_p50_s"] == "s"
    assert units["requests"] == "1"


def test_a_metric_that_no_run_has_is_not_there(tmp_path):
    _, table = exported(tmp_path)
    assert "goodput_req_s" not in table["metric"].to_pylist()


def test_csv_and_parquet_hold_the_same(tmp_path):
    exported(tmp_path)
    parquet = pd.read_parquet(tmp_path / "tidy.parquet")
    csv = pd.read_csv(tmp_path / "tidy.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(csv, parquet, check_dtype=False, check_exact=True)


def test_schema_and_provenance_stand_inside(tmp_path):
    exported(tmp_path, simulated=True)
    schema = pq.read_schema(tmp_path / "tidy.parquet")
    assert json.loads(schema.metadata[b"ablation"]) == {
        "schema": "ablation.tidy/1",
        "study": "mini",
        "config_hash": "c0ffee",
        "simulated": True,
    }
    assert all(field.metadata[b"description"] for field in schema)
    assert pd.read_csv(tmp_path / "tidy.csv")["simulated"].all()


def test_the_same_runs_give_the_same_bytes(tmp_path):
    exported(tmp_path)
    before = [(tmp_path / name).read_bytes() for name in ("tidy.parquet", "tidy.csv")]
    exported(tmp_path)
    assert before == [(tmp_path / name).read_bytes() for name in ("tidy.parquet", "tidy.csv")]


def test_nothing_measured_gives_an_empty_table(tmp_path):
    plan = make_plan()
    table = tidy(aggregate(plan, make_runs(plan).iloc[:0]), plan)
    write_tidy(table, tmp_path / "tidy.parquet", tmp_path / "tidy.csv")
    assert len(pd.read_csv(tmp_path / "tidy.csv")) == 0


def test_another_version_of_the_aggregate_is_refused():
    plan = make_plan()
    with pytest.raises(UserError, match=r"ablation\.aggregate/9.*delete results/mini/aggregate"):
        tidy(aggregate(plan, make_runs(plan), schema="ablation.aggregate/9"), plan)
