"""Spread of the launches: its ratio between arms, where it comes from, and modes."""

import math

import numpy as np
import pytest
from scipy import stats

from ablation.statistics import tables
from ablation.statistics.variability import modes, split, variability, variance_ratio
from tests.synthetic import make_plan, make_runs


def pairs(count=220):
    rng = np.random.default_rng(4)
    for _ in range(count):
        n = int(rng.integers(3, 12))
        shared = rng.normal(0, rng.uniform(0, 0.02), n)
        yield shared + rng.normal(0, 0.01, n), shared + rng.normal(0, rng.uniform(0.003, 0.03), n)


def test_the_ratio_test_is_that_of_sum_and_difference():
    for x, y in pairs():
        ratio, _, _, p = variance_ratio(x, y)
        assert ratio == pytest.approx(np.var(x, ddof=1) / np.var(y, ddof=1), rel=1e-9)
        assert p == pytest.approx(stats.pearsonr(x + y, x - y).pvalue, rel=1e-7, abs=1e-9)


def test_the_interval_ends_where_the_test_would_turn():
    for x, y in pairs(50):
        _, low, high, _ = variance_ratio(x, y, 0.9)
        for limit in (low, high):
            scaled = x / math.sqrt(limit)
            assert stats.pearsonr(scaled + y, scaled - y).pvalue == pytest.approx(0.1, abs=1e-7)


def test_the_ratio_test_holds_its_level_at_three_pairs():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 4000, 3))
    rate = np.mean([variance_ratio(a, b)[3] < 0.05 for a, b in zip(x, y, strict=True)])
    assert rate == pytest.approx(0.05, abs=0.012)


def test_a_ratio_that_cannot_be_had():
    x = np.array([1.0, 2.0, 4.0])
    assert np.isnan(variance_ratio(x[:2], x[:2])).all()
    assert np.isnan(variance_ratio(x, np.ones(3))).all()
    assert np.isnan(variance_ratio(x, np.array([1.0, math.nan, 2.0]))).all()
    assert variance_ratio(x, x) == (1.0, 1.0, 1.0, 1.0)
    ratio, low, high, p = variance_ratio(2 * x, x)
    assert (low, high, p) == (ratio, ratio, 0.0)
    assert ratio == pytest.approx(4.0)


def test_the_split_agrees_with_analysis_of_variance():
    rng = np.random.default_rng(2)
    for _ in range(50):
        groups, k = int(rng.integers(2, 9)), 5
        data = np.exp(rng.normal(0, 0.02, (groups, 1)) + rng.normal(5, 0.01, (groups, k)))
        within, between, share = split(list(data))
        mean_square = np.log(data).var(axis=1, ddof=1).mean()
        f = stats.f_oneway(*np.log(data)).statistic
        component = max((f - 1) * mean_square / k, 0)
        assert within == pytest.approx(100 * math.sqrt(mean_square), rel=1e-9)
        assert between == pytest.approx(100 * math.sqrt(component), rel=1e-7, abs=1e-9)
        assert share == pytest.approx(component / (component + mean_square), rel=1e-7, abs=1e-9)


def test_a_split_that_cannot_be_had():
    one = np.array([1.0, 2.0])
    assert np.isnan(split([])).all()
    assert np.isnan(split([one])).all()
    assert np.isnan(split([one, np.array([1.0])])).all()
    assert split([np.ones(3), np.ones(3)])[:2] == (0.0, 0.0)


def test_modes_are_found_and_named():
    p, low = modes([100, 97, 100.1, 96.9, 99.9, 97.1, 100.05])
    assert p < 0.01
    assert low == [1, 3, 5]


def test_modes_are_rarely_found_where_there_are_none():
    rng = np.random.default_rng(5)
    flagged = [bool(modes(np.exp(x))[1]) for x in rng.normal(5, 0.01, (3000, 8))]
    assert np.mean(flagged) == pytest.approx(0.01, abs=0.006)


@pytest.mark.parametrize("values", [[], [1, 2, 1, 2, 1], [3.0] * 8, [math.nan] * 9, [0.0] * 6])
def test_modes_need_six_launches_that_differ(values):
    p, low = modes(values)
    assert math.isnan(p)
    assert low == []


def test_a_row_for_every_cell(tmp_path):
    plan = make_plan(blocks=8)
    runs = make_runs(plan)
    slow = (runs["arm"] == "on") & (runs["block"].isin([2, 5])) & (runs["concurrency"] == 4)
    runs.loc[slow, "output_throughput_tok_s"] *= 0.8
    table = variability(runs, plan)
    assert len(table) == 9
    row = table[(table["arm"] == "on") & (table["concurrency"] == 4)].iloc[0]
    assert row["low_blocks"] == [2, 5]
    assert row["p_variance"] < 0.05
    assert row["within_percent"] == pytest.approx(1.0, abs=0.3)
    assert table.loc[table["arm"] == "off", "variance_ratio"].isna().all()
    tables.write(table, tables.VARIABILITY, tmp_path / "v.parquet", study="mini")
    assert len(tables.read(tmp_path / "v.parquet")) == 9


def test_no_runs_no_numbers():
    plan = make_plan()
    table = variability(make_runs(plan).iloc[:0], plan)
    assert (table["n"] == 0).all()
    assert table[["within_percent", "p_variance"]].isna().all().all()
