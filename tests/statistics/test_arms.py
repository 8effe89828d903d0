"""Each arm's mean, interval and coefficient of variation."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from ablation.statistics import PRIMARY, summarise
from ablation.statistics.arms import cov_interval
from tests.synthetic import make_plan, make_runs


def test_mean_interval_and_cov_agree_with_scipy():
    plan = make_plan(levels=(1, 4), blocks=5)
    for seed in range(30):
        runs = make_runs(plan, seed)
        table = summarise(runs, plan)
        for row in table[table["metric"] == PRIMARY].to_dict("records"):
            x = runs.loc[
                (runs["model"] == row["model"])
                & (runs["arm"] == row["arm"])
                & (runs["concurrency"] == row["concurrency"]),
                PRIMARY,
            ]
            # The t interval of the mean as a share of it, taken as that of its logarithm.
            limits = stats.ttest_1samp(x / x.mean(), 1.0).confidence_interval(0.95)
            factor = math.exp(limits.high - 1)
            assert row["n"] == 5
            assert row["mean"] == pytest.approx(x.mean(), rel=1e-9)
            expected = (x.mean() / factor, x.mean() * factor)
            assert (row["low"], row["high"]) == pytest.approx(expected, rel=1e-9)
            assert row["cov_percent"] == pytest.approx(100 * stats.variation(x, ddof=1), rel=1e-9)


def exact(cov, n, tail):
    """The CoV whose noncentral t puts this much below the one seen (exact for normal data)."""
    root = math.sqrt(n)

    def miss(true):
        return stats.nct.cdf(root / cov, n - 1, root / true) - tail

    return optimize.brentq(miss, cov / 20, cov * 20, xtol=1e-14)


@pytest.mark.parametrize("n", [3, 5, 6, 10])
@pytest.mark.parametrize("cov", [0.05, 0.1])
def test_cov_interval_is_close_to_the_exact_one(n, cov):
    low, high = cov_interval(cov, n, 0.95)
    assert float(low) == pytest.approx(exact(cov, n, 0.025), rel=0.02)
    if n > 3:
        assert float(high) == pytest.approx(exact(cov, n, 0.975), rel=0.02)


def test_cov_interval_of_a_small_cov_is_that_of_a_standard_deviation():
    low, high = cov_interval(1e-6, 6, 0.95)
    assert float(low) == pytest.approx(1e-6 * math.sqrt(5 / stats.chi2.ppf(0.975, 5)), rel=1e-6)
    assert float(high) == pytest.approx(1e-6 * math.sqrt(5 / stats.chi2.ppf(0.025, 5)), rel=1e-6)


def test_cov_interval_without_an_answer():
    low, high = cov_interval([0.01, 0.0, math.nan, 5.0], [1, 6, 0, 3], 0.95)
    assert np.isnan([low[0], high[0], low[2], high[2]]).all()
    assert (low[1], high[1]) == (0.0, 0.0)
    assert high[3] == math.inf


def test_excluded_and_missing_runs_are_counted():
    plan = make_plan(levels=(4,), blocks=6)
    runs = make_runs(plan)
    arm = (runs["model"] == "gqa-small") & (runs["arm"] == "on")
    runs.loc[arm & (runs["block"] == 1), "usable"] = False
    runs = runs[~(arm & (runs["block"] == 2))]
    table = summarise(runs, plan)
    row = table[(table["arm"] == "on") & (table["metric"] == PRIMARY)].iloc[0]
    assert (row["n"], row["n_excluded"], row["n_missing"]) == (4, 1, 1)
    assert row["note"] == "1 with a failed gate, 1 with no run"


def test_the_interval_of_two_launches_that_differ_much_stays_positive():
    """On the scale of the values it was "1,285 [-1,032, 3,603] tok/s"."""
    plan = make_plan(levels=(4,), blocks=2)
    runs = make_runs(plan)
    gqa_on = (runs["model"] == "gqa-small") & (runs["arm"] == "on")
    runs.loc[gqa_on, PRIMARY] = [1103.0, 1468.0]
    table = summarise(runs, plan)
    row = table[(table["arm"] == "on") & (table["metric"] == PRIMARY)].iloc[0]
    assert row["mean"] == pytest.approx(1285.5)
    assert 0 < row["low"] < 1103
    assert 1468 < row["high"] < math.inf
    # As far from the mean on one side as on the other, in ratio.
    assert row["low"] * row["high"] == pytest.approx(row["mean"] ** 2)


def test_one_launch_has_a_mean_and_no_interval():
    plan = make_plan(levels=(4,), blocks=1)
    row = summarise(make_runs(plan), plan).iloc[0]
    assert row["n"] == 1
    assert np.isnan([row["low"], row["high"], row["sd"], row["cov_percent"]]).all()
