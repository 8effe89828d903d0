"""Premises that runs do not meet: the block gives no pair, or the verdict is withheld, and the reason is said."""

import pandas as pd
import pytest

from ablation.statistics import compare
from ablation.statistics.metrics import PRIMARY
from tests.synthetic import make_plan, make_runs, restudy


def throughput(runs, plan):
    table = compare(runs, plan)
    return table[table["metric"] == PRIMARY].iloc[0]


@pytest.fixture
def plan():
    return make_plan(levels=(4,))


@pytest.fixture
def runs(plan):
    return make_runs(plan, effect_percent=6.0, cov_percent=0.3)


def on_another_day(runs, blocks):
    moved = runs.copy()
    some = (moved["arm"] == "on") & moved["block"].isin(blocks)
    moved.loc[some, ["started_at", "ended_at"]] -= pd.Timedelta(days=180)
    return moved


def test_blocks_that_were_not_measured_together_give_no_pair(runs, plan):
    assert throughput(runs, plan)["verdict"] == "faster"
    row = throughput(on_another_day(runs, [1, 2]), plan)
    assert row["blocks"] == [3, 4, 5, 6]
    assert row["left_out"] == "2 with launches that were not measured together"
    none = throughput(on_another_day(runs, range(1, 7)), plan)
    assert none["n_pairs"] == 0
    assert none["verdict"] == "inconclusive"


def test_whoever_insists_gets_the_numbers_without_a_verdict(runs, plan):
    row = throughput(on_another_day(runs, [1, 2]), restudy(plan, design={"reuse": True}))
    assert row["n_pairs"] == 6
    assert row["difference_percent"] == pytest.approx(6.0, abs=1.0)
    assert row["verdict"] == "withheld"
    assert "block 1, 2: 180 days after each other" in row["withheld_because"]
    assert "withheld" in row["text"]
    assert throughput(runs, restudy(plan, design={"reuse": True}))["verdict"] == "faster"


@pytest.mark.parametrize("column", ["build", "weights"])
def test_two_builds_in_a_study_are_never_mixed_in_silence(runs, plan, column):
    same = runs.assign(**{column: "b1"})
    assert throughput(same, plan)["verdict"] == "faster"
    mixed = same.copy()
    mixed.loc[mixed["block"] >= 4, column] = "b2"  # both arms: each pair was measured together
    row = throughput(mixed, plan)
    assert row["n_pairs"] == 6
    assert row["verdict"] == "withheld"
    assert "blocks 1, 2, 3 and 4, 5, 6 of" in row["withheld_because"]
    # What was not recorded refutes nothing.
    mixed.loc[mixed["block"] >= 4, column] = None
    assert throughput(mixed, plan)["verdict"] == "faster"
