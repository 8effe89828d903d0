"""The place of a launch in its block: by time, against an independent test, and on studies that cannot tell."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.statistics import PRIMARY, tables
from ablation.statistics.position import position
from tests.synthetic import make_plan, make_runs


def study(orders, *, slower=0.0, arms=("off", "on"), cov=0.5, seed=0, levels=(1, 4), effect=4.0):
    """Runs whose blocks were launched in these orders; what is launched first is slower by so many percent."""
    plan = make_plan(arms=arms, blocks=len(orders), levels=levels)
    runs = make_runs(plan, seed, effect_percent=effect, cov_percent=cov)
    start = pd.Timestamp("2026-01-01", tz="UTC")
    for block, order in enumerate(orders, 1):
        for place, arm in enumerate(order):
            rows = (runs["model"] == "gqa-small") & (runs["block"] == block) & (runs["arm"] == arm)
            at = start + pd.Timedelta(hours=block, minutes=10 * place)
            runs.loc[rows, "started_at"] = [at + pd.Timedelta(seconds=i) for i in range(rows.sum())]
            runs.loc[rows, "ended_at"] = runs.loc[rows, "started_at"] + pd.Timedelta(minutes=4)
            if place == 0:
                runs.loc[rows, PRIMARY] *= 1 - slower / 100
    return plan, runs


TWO = [("off", "on"), ("on", "off")] * 4


def test_two_arms_are_the_period_test_of_a_crossover_trial(tmp_path):
    plan, runs = study([*TWO, ("off", "on")], slower=1.0)
    table = position(runs, plan)
    (row,) = table.to_dict("records")
    logs = np.log(runs[runs["model"] == "gqa-small"].pivot_table(
        index="block", columns=["concurrency", "arm"], values=PRIMARY
    ))  # fmt: skip
    d = sum(logs[level, "on"] - logs[level, "off"] for level in (1, 4)) / 2
    second = np.array([order[1] == "on" for order in [*TWO, ("off", "on")]])
    test = stats.ttest_ind(d[second], d[~second])
    limits = test.confidence_interval(0.95)
    assert row["difference_percent"] == pytest.approx(
        100 * np.expm1((d[second].mean() - d[~second].mean()) / 2)
    )
    assert row["p"] == pytest.approx(test.pvalue)
    assert (row["low_percent"], row["high_percent"]) == pytest.approx(
        (100 * np.expm1(limits.low / 2), 100 * np.expm1(limits.high / 2))
    )
    assert row["difference_percent"] == pytest.approx(1.0, abs=0.5)
    assert (row["place"], row["n_blocks"]) == (2, 9)
    assert (row["arms"], row["first"]) == (["off", "on"], [5, 4])
    assert row["balanced"]
    tables.write(table, tables.POSITION, tmp_path / "p.parquet", study="mini")
    assert len(tables.read(tmp_path / "p.parquet")) == 1


def test_the_place_is_that_of_the_clock_and_not_of_the_plan():
    plan, runs = study(TWO, slower=3.0, cov=0.2)
    assert position(runs, plan).loc[0, "difference_percent"] == pytest.approx(3.1, abs=0.5)
    runs["rank"] = 1
    assert position(runs, plan).loc[0, "difference_percent"] == pytest.approx(3.1, abs=0.5)


def test_what_an_unbalanced_order_adds_to_the_difference_of_the_arms():
    orders = [("off", "on")] * 6 + [("on", "off")] * 2
    plan, runs = study(orders, slower=2.0, cov=0.1)
    row = position(runs, plan).iloc[0]
    assert not row["balanced"]
    # The arm is second in 6 of 8 blocks, first in 2: half of the effect.
    assert row["bias_percent"] == pytest.approx(row["difference_percent"] / 2, rel=0.02)
    plan, runs = study(TWO, slower=2.0, cov=0.1)
    assert position(runs, plan).iloc[0]["bias_percent"] == pytest.approx(0.0, abs=1e-9)


def test_more_arms_have_a_row_for_each_place():
    arms = ("off", "on", "fa")
    orders = [arms[i:] + arms[:i] for i in range(3)] * 3
    plan, runs = study(orders, slower=2.0, cov=0.2, arms=arms)
    table = position(runs, plan)
    assert table["place"].tolist() == [2, 3]
    assert table["difference_percent"].to_numpy() == pytest.approx([2.0, 2.0], abs=0.5)
    assert (table["p"] < 0.01).all()
    assert table["balanced"].all()
    assert table["first"].tolist() == [[3, 3, 3]] * 2


def test_no_effect_is_rarely_found():
    found = []
    for seed in range(200):
        plan, runs = study(TWO, seed=seed, levels=(4,))
        found.append(position(runs, plan).loc[0, "p"] < 0.05)
    assert np.mean(found) == pytest.approx(0.05, abs=0.04)


def test_a_level_that_an_arm_lacks_in_a_block_takes_no_part_there():
    plan, runs = study(TWO, slower=1.0, cov=0.0, levels=(1, 4))
    lost = (runs["arm"] == "on") & (runs["block"] == 3) & (runs["concurrency"] == 4)
    runs.loc[lost, "usable"] = False
    whole = (runs["arm"] == "on") & (runs["block"] == 5)
    row = position(runs[~whole], plan).iloc[0]
    assert row["n_blocks"] == 7
    assert row["difference_percent"] == pytest.approx(1.0, abs=0.05)


def test_a_block_whose_launches_were_not_measured_together_has_no_places():
    plan, runs = study(TWO, slower=1.0, cov=0.0)
    away = (runs["arm"] == "on") & (runs["block"] == 3)
    runs.loc[away, ["started_at", "ended_at"]] += pd.Timedelta(days=180)
    assert position(runs, plan).iloc[0]["n_blocks"] == 7


@pytest.mark.parametrize(
    "orders", [[("off", "on")] * 6, [("off", "on"), ("on", "off")], [("off", "on")]]
)
def test_a_study_that_cannot_tell_says_nothing(orders):
    """One order throughout, or too few blocks."""
    plan, runs = study(orders)
    row = position(runs, plan).iloc[0]
    assert np.isnan([row["difference_percent"], row["p"]]).all()


def test_one_arm_and_no_runs_have_no_places():
    plan = make_plan(single_only=True)
    assert position(make_runs(plan), plan).empty
    plan = make_plan()
    assert position(make_runs(plan).iloc[:0], plan).empty
    row = position(make_runs(plan).assign(usable=False), plan).iloc[0]
    assert (row["n_blocks"], row["balanced"]) == (0, None)
