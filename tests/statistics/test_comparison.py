"""From runs to verdicts, on studies with known truth."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.statistics import METRICS, PRIMARY, compare
from ablation.statistics.paired import holm
from ablation.statistics.verdict import log_margin, verdicts
from tests.synthetic import make_plan, make_runs


def primary(runs, plan, metric=PRIMARY):
    table = compare(runs, plan)
    return table[table["metric"] == metric].set_index("concurrency")


def test_a_row_agrees_with_scipy_on_the_log_ratios():
    plan = make_plan(levels=(1, 4), blocks=7)
    for seed in range(20):
        runs = make_runs(plan, seed, effect_percent=1.5)
        table = compare(runs, plan)
        for row in table[table["n_pairs"] > 0].to_dict("records"):
            wide = runs[
                (runs["model"] == "gqa-small") & (runs["concurrency"] == row["concurrency"])
            ]
            wide = wide.pivot_table(index="block", columns="arm", values=row["metric"])
            d = np.log(wide["on"] / wide["off"])
            reference = stats.ttest_1samp(d, 0.0)
            limits = reference.confidence_interval(0.95)
            assert row["p"] == pytest.approx(reference.pvalue, rel=1e-9)
            assert row["ratio"] == pytest.approx(stats.gmean(wide["on"] / wide["off"]), rel=1e-9)
            assert row["low_percent"] == pytest.approx(100 * (math.exp(limits.low) - 1), rel=1e-9)
            assert row["high_percent"] == pytest.approx(100 * (math.exp(limits.high) - 1), rel=1e-9)
            assert row["mean_arm"] == pytest.approx(wide["on"].mean(), rel=1e-12)
            assert row["blocks"] == list(range(1, 8))


def test_known_truths_get_their_verdicts():
    plan = make_plan(levels=(1, 4, 16), blocks=8)
    runs = make_runs(plan, 2, effect_percent={1: 5.0, 4: -5.0, 16: 0.0}, cov_percent=0.3)
    rows = primary(runs, plan)
    assert rows["verdict"].tolist() == ["faster", "slower", "equivalent"]
    assert rows.loc[1, "difference_percent"] == pytest.approx(5.0, abs=0.6)


def test_less_latency_is_faster():
    plan = make_plan(blocks=8)
    rows = primary(make_runs(plan, effect_percent=6.0, cov_percent=0.3), plan, "e2e_mean_s")
    assert (rows["difference_percent"] < 0).all()
    assert (rows["verdict"] == "faster").all()
    assert not METRICS["e2e_mean_s"].higher_is_better


def test_an_inconclusive_row_says_what_it_would_take():
    plan = make_plan(levels=(4,), blocks=4)
    rows = primary(make_runs(plan, 5, effect_percent=1.0, cov_percent=3.0), plan)
    row = rows.loc[4]
    assert row["verdict"] == "inconclusive"
    assert row["more_blocks"] >= 1
    assert f"about {int(row['more_blocks'])} more block" in row["text"]


@pytest.mark.parametrize("blocks", [1, 2])
def test_no_verdict_from_fewer_than_three_pairs(blocks):
    plan = make_plan(levels=(4,), blocks=blocks)
    rows = primary(make_runs(plan, effect_percent=50.0, cov_percent=0.01), plan)
    assert rows.loc[4, "verdict"] == "inconclusive"
    assert "a verdict takes at least 3 pairs" in rows.loc[4, "text"]


def test_incomplete_blocks_and_failed_gates_are_left_out_and_said():
    plan = make_plan(levels=(4,), blocks=6)
    runs = make_runs(plan)
    on, off = runs["arm"] == "on", runs["arm"] == "off"
    gqa = runs["model"] == "gqa-small"
    runs.loc[gqa & off & (runs["block"] == 2), "usable"] = False
    runs.loc[gqa & on & (runs["block"] == 5), PRIMARY] = np.nan
    runs = runs[~(gqa & on & (runs["block"] == 4))]
    row = primary(runs, plan).loc[4]
    assert row["blocks"] == [1, 3, 6]
    assert row["n_planned"] == 6
    assert "Left out of 6 blocks" in row["text"]
    for words in ("1 with a failed gate", "1 with no run", "1 with no positive finite value"):
        assert words in row["text"]


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_a_value_without_a_logarithm_takes_no_part(value):
    plan = make_plan(levels=(4,), blocks=5)
    runs = make_runs(plan)
    runs.loc[(runs["model"] == "gqa-small") & (runs["block"] == 1), PRIMARY] = value
    assert primary(runs, plan).loc[4, "blocks"] == [2, 3, 4, 5]


def test_no_runs_at_all_still_gives_a_row_that_says_so():
    plan = make_plan(levels=(4,))
    row = primary(make_runs(plan).iloc[:0], plan).loc[4]
    assert row["n_pairs"] == 0
    assert row["verdict"] == "inconclusive"
    assert "no block has a usable pair" in row["text"]
    assert "6 with no run" in row["text"]


def test_a_study_without_a_pair_of_arms_has_no_comparison():
    plan = make_plan(single_only=True)
    assert compare(make_runs(plan), plan).empty


def test_identical_ratios_are_reported_as_suspicious():
    plan = make_plan(levels=(4,))
    runs = make_runs(plan, effect_percent=5.0, cov_percent=0.0, block_percent=0.0)
    row = primary(runs, plan).loc[4]
    assert row["verdict"] == "faster"
    assert "same ratio" in row["text"]
    assert row["mde_percent"] == 0


def test_a_quantile_of_too_few_requests_is_not_given():
    plan = make_plan(levels=(4,))
    few = primary(make_runs(plan, requests=298), plan, "ttft_p99_s").loc[4]
    assert few["n_pairs"] == 0
    assert "a p99 takes 299, here 298" in few["text"]
    assert primary(make_runs(plan, requests=299), plan, "ttft_p99_s").loc[4, "n_pairs"] == 6


def test_every_other_arm_is_compared_with_the_baseline_in_its_own_family():
    plan = make_plan(arms=("off", "on", "fa"), levels=(1, 4))
    table = compare(make_runs(plan), plan)
    table = table[table["metric"] == PRIMARY]
    assert set(table["arm"]) == {"on", "fa"}
    assert (table["baseline"] == "off").all()
    assert (table["family_size"] == 2).all()


def test_the_family_is_the_levels():
    plan = make_plan(levels=(1, 2, 4, 8, 16))
    rows = primary(make_runs(plan, effect_percent=0.5), plan)
    assert (rows["family_size"] == 5).all()
    for own, adjusted in (("p", "p_adjusted"), ("p_tost", "p_tost_adjusted")):
        bound = holm(rows[own].to_numpy())
        assert (rows[adjusted] >= rows[own]).all()
        assert (rows[adjusted] <= bound).all()
        assert (rows[adjusted] < bound - 1e-4).any()


def test_a_run_that_stands_twice_or_is_not_planned_is_refused():
    plan = make_plan(levels=(4,))
    runs = make_runs(plan)
    with pytest.raises(ValueError, match="more than once"):
        compare(pd.concat([runs, runs.iloc[:1]]), plan)
    with pytest.raises(ValueError, match="not in the plan"):
        compare(runs.assign(concurrency=5), plan)


@pytest.mark.parametrize("margin", [0, -2, 100])
def test_a_margin_that_is_none_is_refused(margin):
    with pytest.raises(ValueError, match="margin"):
        log_margin(margin)


def test_a_difference_surely_inside_the_margin_is_equivalent():
    words = verdicts(
        np.array([6, 6, 6, 2]), np.array([True, True, False, True]),
        np.array([0.001, 0.001, 0.2, 0.001]), np.array([0.001, 0.5, 0.2, 0.001]), 0.05,
    )  # fmt: skip
    assert words.tolist() == ["equivalent", "faster", "inconclusive", "inconclusive"]


def test_order_of_the_runs_does_not_matter():
    plan = make_plan()
    runs = make_runs(plan)
    shuffled = runs.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(compare(runs, plan), compare(shuffled, plan))
