"""The statistics' parquet: schema inside, same bytes, whole or absent."""

import json

import pyarrow.parquet as pq
import pytest
from pandas import DataFrame

from ablation.statistics import compare, summarise, tables
from tests.synthetic import make_plan, make_runs


@pytest.fixture
def frames():
    plan = make_plan()
    runs = make_runs(plan)
    return {"arms": summarise(runs, plan), "comparisons": compare(runs, plan)}


SCHEMAS = {"arms": tables.ARMS, "comparisons": tables.COMPARISONS}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_units_and_metadata_are_in_the_file(frames, name, tmp_path):
    path = tmp_path / "deep" / f"{name}.parquet"
    tables.write(frames[name], SCHEMAS[name], path, study="mini")
    schema = pq.read_schema(path)
    assert json.loads(schema.metadata[b"ablation"]) == {"schema": tables.SCHEMA, "study": "mini"}
    assert all({b"unit", b"description"} <= set(field.metadata) for field in schema)
    back = tables.read(path)
    assert back.attrs["ablation"]["schema"] == "ablation.statistics/2"
    assert len(back) == len(frames[name])


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_same_rows_give_the_same_bytes(frames, name, tmp_path):
    for copy in ("a", "b"):
        tables.write(frames[name], SCHEMAS[name], tmp_path / copy, study="mini")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_an_empty_table_keeps_its_schema(tmp_path):
    tables.write(DataFrame(), tables.COMPARISONS, tmp_path / "c.parquet")
    back = tables.read(tmp_path / "c.parquet")
    assert back.empty
    assert list(back.columns) == tables.COMPARISONS.names


def test_a_failed_write_leaves_what_was_there(frames, tmp_path):
    path = tmp_path / "arms.parquet"
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match="lacks its column sd"):
        tables.write(frames["arms"].drop(columns="sd"), tables.ARMS, path)
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["arms.parquet"]
