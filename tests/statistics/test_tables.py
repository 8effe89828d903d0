"""The statistics' parquet: schema inside, same bytes, whole or absent."""

import json

import pyarrow as pa
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


def test_tables_of_the_schema_before_are_read_with_their_present_names(frames, tmp_path):
    """Holm's p-values were called so; nothing was withheld."""
    old = frames["comparisons"].rename(
        columns={"p_adjusted": "p_holm", "p_tost_adjusted": "p_tost_holm"}
    )
    old = old[["model", "arm", "concurrency", "metric", "p_holm", "p_tost_holm", "verdict", "text"]]
    path = tmp_path / "c.parquet"
    metadata = json.dumps({"schema": "ablation.statistics/1", "study": "mini"})
    table = pa.Table.from_pandas(old, preserve_index=False)
    pq.write_table(table.replace_schema_metadata({"ablation": metadata}), path)
    back = tables.read(path)
    assert back.attrs["ablation"] == {
        "schema": tables.SCHEMA, "study": "mini", "adjusted_by": "Holm"
    }  # fmt: skip
    assert back["p_adjusted"].equals(old["p_holm"])
    assert set(tables.COMPARISONS.names) <= set(back)
    assert (back["withheld_because"] == "").all()
    assert back["excluded_arm"].isna().all()
