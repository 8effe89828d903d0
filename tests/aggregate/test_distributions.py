"""Distributions: pooled over usable launches only, from metadata alone, and from rows of older runs."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ablation.aggregate.distributions import DISTRIBUTIONS, ORDERS, Distributions
from ablation.run.schema import read_run_metadata
from tests.figures.drawn import write_run
from tests.run_rows import closed_loop
from tests.synthetic import make_plan


@pytest.fixture
def runs(tmp_path):
    """Two usable launches of 4 in flight, TTFT 0.1 s and 0.3 s, and one that failed a gate."""
    plan = make_plan()
    return plan, [
        write_run(
            tmp_path, plan, closed_loop(4, 40, ttft=ttft), concurrency=4, block=block, usable=usable
        )
        for block, ttft, usable in ((1, 0.1, True), (2, 0.3, True), (3, 9.0, False))
    ]


def test_usable_launches_are_pooled(runs, tmp_path):
    plan, paths = runs
    found = Distributions()
    for path in paths:
        found.add(path, read_run_metadata(path))
    found.write(tmp_path / "distributions.parquet", plan)
    table = pq.read_table(tmp_path / "distributions.parquet")
    assert table.schema.equals(DISTRIBUTIONS)
    assert all(field.metadata[b"description"] for field in table.schema)
    assert json.loads(table.schema.metadata[b"ablation"])["schema"] == "ablation.distributions/1"
    rows = table.to_pandas().set_index("metric")
    assert list(rows.index) == ["e2e_s", "itl_s", "tpot_s", "ttft_s"]
    row = rows.loc["ttft_s"]
    assert (row["n"], list(row["blocks"])) == (2, [1, 2])
    assert list(row["launch_medians_s"]) == pytest.approx([0.1, 0.3])
    assert list(row["orders"]) == ORDERS
    at = dict(zip(ORDERS, row["quantiles_s"], strict=True))
    assert at[0.01] == pytest.approx(0.1, rel=0.01)
    assert at[0.99] == pytest.approx(0.3, rel=0.01)
    assert np.all(np.diff(row["quantiles_s"]) >= 0)


def test_an_older_run_without_sketches_is_read_from_its_rows(runs):
    _, paths = runs
    new, old = Distributions(), Distributions()
    for path in paths:
        metadata = read_run_metadata(path)
        new.add(path, metadata)
        kept = {k: v for k, v in metadata["summary"].items() if not k.endswith("_sketch")}
        old.add(path, metadata | {"summary": kept})
    pd.testing.assert_frame_equal(old.table().to_pandas(), new.table().to_pandas())


def test_no_usable_run_gives_an_empty_table(runs):
    _, paths = runs
    found = Distributions()
    found.add(paths[2], read_run_metadata(paths[2]))
    assert found.table().schema.equals(DISTRIBUTIONS)
    assert len(found.table()) == 0
