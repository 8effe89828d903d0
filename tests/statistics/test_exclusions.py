"""Runs that gates took out: counted by arm, put back where they may be, and verdicts withheld that hang on them."""

import numpy as np
import pytest
from scipy import stats

from ablation.run.gates import GATES
from ablation.statistics import PRIMARY, compare
from ablation.statistics.exclusions import DATA, LOPSIDED, TIMING, p_one_sided, returnable
from ablation.statistics.recommendation import recommend
from ablation.statistics.sequential import decide
from tests.synthetic import make_plan, make_runs

LEVEL = 4


def of(runs, arm, level=LEVEL):
    return (runs["model"] == "gqa-small") & (runs["arm"] == arm) & (runs["concurrency"] == level)


def fail(runs, rows, *gates):
    """The aggregate with these runs taken out by these gates, as ``aggregate.py`` writes it."""
    runs = runs.copy()
    for i in rows:
        runs.at[i, "usable"] = False
        runs.at[i, "gates_failed"] = list(gates)
        runs.at[i, "gate_texts"] = [f"{gate}: it failed" for gate in gates]
    return runs


def slowest(runs, arm, count):
    return runs[of(runs, arm)].sort_values(PRIMARY).index[:count]


def main(table, level=LEVEL):
    (row,) = table[
        (table["metric"] == PRIMARY) & (table["arm"] == "on") & (table["concurrency"] == level)
    ].to_dict("records")
    return row


@pytest.fixture(scope="module")
def selective():
    """No true difference; gates take out the arm's slow launches until the rest looks faster."""
    plan = make_plan(levels=(LEVEL,), blocks=10)
    for seed in range(60):
        runs = make_runs(plan, seed, effect_percent=0.0, cov_percent=2.0, block_percent=0.1)
        lost = fail(runs, slowest(runs, "on", 4), "steady_state")
        row = main(compare(lost, plan))
        if row["verdict"] == "withheld":
            return plan, runs, lost
    raise AssertionError("no study of 60 was turned by its exclusions")


def test_every_gate_is_of_timing_or_of_data():
    assert set(GATES) == TIMING | DATA
    assert not TIMING & DATA


def test_only_runs_that_failed_nothing_but_timing_may_be_put_back():
    runs = make_runs(make_plan(levels=(LEVEL,), blocks=3))
    first, second, third, fourth = runs.index[:4]
    runs = fail(runs, [first], "throttling", "client_bottleneck")
    runs = fail(runs, [second], "throttling", "failures")
    runs = fail(runs, [third], "treatment")
    runs = fail(runs, [fourth], "a_gate_of_tomorrow")
    assert returnable(runs).tolist() == [True] + [False] * (len(runs) - 1)
    assert not returnable(runs.drop(columns="gates_failed")).any()
    # As parquet gives lists back, and where a gate left no name.
    runs["gates_failed"] = [np.array(x, dtype=object) for x in runs["gates_failed"]]
    runs.at[second, "gates_failed"] = None
    assert returnable(runs).sum() == 1


def test_a_verdict_that_one_sided_exclusions_made_is_withheld_with_both_numbers(selective):
    plan, runs, lost = selective
    row = main(compare(lost, plan))
    assert (row["excluded_arm"], row["excluded_baseline"]) == (4, 0)
    assert row["n_pairs"] == 6
    # What the complete data say is what stands in the row as put back.
    whole = main(compare(runs, plan))
    assert row["put_back_percent"] == pytest.approx(whole["difference_percent"])
    assert row["put_back_verdict"] == whole["verdict"] != "faster"
    assert (row["n_put_back"], row["exclusions"]) == (10, "")
    because = row["withheld_because"]
    assert "gates took out 4 runs of the arm and none of the baseline's" in because
    assert f"{row['difference_percent']:+.1f} %" in because
    assert "with all 4 put back" in because
    assert row["text"].endswith(
        f"verdict withheld: {because}. Left out of 10 blocks: 4 with a failed gate."
    )
    # Its cost in blocks is not asked: it is not blocks that it lacks.
    assert np.isnan(row["more_blocks"])


def test_nothing_is_recommended_on_a_withheld_verdict(selective):
    plan, _, lost = selective
    (said,) = recommend(compare(lost, plan), plan)
    assert said.action == "withheld"
    assert "no verdict at concurrency 4, withheld: gates took out 4 runs" in said.sentence
    assert "use " not in said.sentence


def test_runs_with_wrong_data_are_counted_and_never_put_back(selective):
    plan, runs, _ = selective
    lost = fail(runs, slowest(runs, "on", 4), "failures")
    row = main(compare(lost, plan))
    assert (row["excluded_arm"], row["n_put_back"]) == (4, 6)
    assert np.isnan(row["put_back_percent"])
    assert row["put_back_verdict"] == row["withheld_because"] == ""
    assert row["verdict"] == "faster"
    assert row["exclusions"] == (
        "gates took out 4 runs of the arm and none of the baseline's; they cannot be put back"
    )
    assert "Gates took out 4 runs of the arm" in row["text"]


def test_one_sided_exclusions_that_decide_nothing_are_said_beside_the_verdict():
    plan = make_plan(levels=(LEVEL,), blocks=8)
    runs = make_runs(plan, effect_percent=9.0, cov_percent=0.5)
    row = main(compare(fail(runs, slowest(runs, "on", 3), "throttling"), plan))
    assert row["verdict"] == row["put_back_verdict"] == "faster"
    assert row["withheld_because"] == ""
    assert (
        "gates took out 3 runs of the arm and none of the baseline's; with all 3 put back it is faster"
        in (row["exclusions"])
    )


def test_as_many_of_both_arms_are_no_reason_to_withhold():
    plan = make_plan(levels=(LEVEL,), blocks=8)
    runs = make_runs(plan, effect_percent=5.0, cov_percent=0.4)
    for arm, blocks in (("on", (1, 2)), ("off", (3, 4))):
        rows = runs.index[of(runs, arm) & runs["block"].isin(blocks)]
        runs.loc[rows, PRIMARY] *= 0.7
        runs = fail(runs, rows, "jit_in_window")
    row = main(compare(runs, plan))
    assert (row["verdict"], row["put_back_verdict"]) == ("faster", "inconclusive")
    assert row["withheld_because"] == ""
    assert (
        "2 runs of the arm and 2 of the baseline's; with all 4 put back it is inconclusive"
        in (row["exclusions"])
    )


@pytest.mark.parametrize("more", [LOPSIDED - 1, LOPSIDED])
def test_the_limit_is_two_runs_more_of_one_arm(more):
    """A single disturbed run would turn most verdicts; see the figures in docs/multiplicity.md."""
    plan = make_plan(levels=(LEVEL,), blocks=8)
    runs = make_runs(plan, effect_percent=5.0, cov_percent=0.4)
    rows = runs.index[of(runs, "off")][:more]
    runs.loc[rows, PRIMARY] *= 0.6
    row = main(compare(fail(runs, rows, "throttling"), plan))
    assert row["put_back_verdict"] == "inconclusive"
    assert row["verdict"] == ("withheld" if more == LOPSIDED else "faster")
    words = f"no runs of the arm and {more} of the baseline's"
    assert words in row["withheld_because"] + row["exclusions"]


def test_levels_without_exclusions_keep_their_verdicts():
    plan = make_plan(levels=(1, LEVEL), blocks=8)
    runs = make_runs(plan, effect_percent=5.0, cov_percent=0.4)
    rows = runs.index[of(runs, "off")][:2]
    runs.loc[rows, PRIMARY] *= 0.6
    table = compare(fail(runs, rows, "throttling"), plan)
    other = main(table, 1)
    assert (other["verdict"], other["exclusions"], other["excluded_baseline"]) == ("faster", "", 0)
    assert main(table)["verdict"] == "withheld"
    # The other metrics of these runs are held against the same gates.
    own = table[(table["metric"] == "e2e_mean_s") & (table["concurrency"] == LEVEL)].iloc[0]
    assert own["excluded_baseline"] == 2
    (said,) = recommend(table, plan)
    assert said.action == "partly"
    assert said.sentence.startswith("GQA small: use AITER on at concurrency 1:")


def test_a_quantile_with_too_few_observations_is_not_put_back():
    plan = make_plan(levels=(LEVEL,), blocks=8)
    runs = make_runs(plan, requests=400)
    rows = runs.index[of(runs, "on")][:2]
    runs.loc[rows, "ttft_count"] = 100
    table = compare(fail(runs, rows, "throttling"), plan)
    row = table[(table["metric"] == "ttft_p99_s") & (table["arm"] == "on")].iloc[0]
    assert (row["excluded_arm"], row["n_put_back"]) == (2, 6)


def test_mcnemar():
    tilt = np.array([[1] * 6 + [0] * 4, [1, 1, -1, 0, 0, 0, 0, 0, 0, 0], [0] * 10])
    expected = [stats.binomtest(k, n).pvalue for k, n in ((0, 6), (1, 3))]
    assert p_one_sided(tilt) == pytest.approx([*expected, 1.0])


def test_stopping_early_settles_nothing_that_would_be_withheld():
    plan = make_plan(levels=(LEVEL,), blocks=10, sequential=True)
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.3)
    rows = runs.index[of(runs, "off") & runs["block"].isin([2, 3])]
    runs.loc[rows, PRIMARY] *= 1.4
    lost = fail(runs, rows, "throttling")
    early = lost[lost["block"] <= 6]
    (row,) = decide(early, plan).to_dict("records")
    assert (row["verdict"], row["settled_at"], row["stop"]) == ("withheld", 0, False)
    assert "gates took out no runs of the arm and 2 of the baseline's" in row["withheld_because"]
    assert "faster at" in row["withheld_because"]
    # At the last look the report has the same word for the same reason.
    (row,) = decide(lost, plan).to_dict("records")
    assert (row["verdict"], row["stop"], row["saved"]) == ("withheld", True, 0)
    compared = main(compare(lost, plan))
    assert compared["verdict"] == "withheld"
    assert compared["withheld_because"] == row["withheld_because"]
    assert compared["settled_at"] == 0
    # The same data without the exclusions were settled at the first look.
    assert (
        decide(make_runs(plan, effect_percent=6.0, cov_percent=0.3), plan)["settled_at"] == 6
    ).all()
