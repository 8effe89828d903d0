"""The words of a verdict, and the one place that takes a verdict away."""

import pytest
from pandas import DataFrame

from ablation.figures.difference import LOOKS
from ablation.statistics import compare, tables
from ablation.statistics.metrics import PRIMARY
from ablation.statistics.recommendation import recommend
from ablation.statistics.sequential import decide, stops
from ablation.statistics.verdict import VERDICTS, Doubt, reasons, withhold
from tests.synthetic import make_plan, make_runs

APART = Doubt("gqa-small", "on", "its pairs were not measured together")


def test_every_word_has_its_look():
    assert set(LOOKS) == set(VERDICTS)


def test_reasons_stand_once_each_in_their_order():
    assert reasons("b", "", "a", "b") == "b; a"
    assert reasons() == reasons("", "") == ""


def test_a_doubt_withholds_all_verdicts_of_its_arm_and_says_why(tmp_path):
    plan = make_plan(arms=("off", "on", "fa"))
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.3)
    table = compare(runs, plan, [APART])
    plain = compare(runs, plan)
    ours = table["arm"] == "on"
    assert (table.loc[ours, "verdict"] == "withheld").all()
    assert (table.loc[ours, "withheld_because"] == APART.because).all()
    assert table.loc[~ours, "verdict"].tolist() == plain.loc[~ours, "verdict"].tolist()
    assert (table.loc[~ours, "withheld_because"] == "").all()
    # The numbers are given all the same.
    numbers = ["difference_percent", "low_percent", "high_percent", "p_adjusted"]
    assert table[numbers].equals(plain[numbers])
    assert table.loc[ours, "text"].str.contains(f"erdict withheld: {APART.because}.").all()
    tables.write(table, tables.COMPARISONS, tmp_path / "c.parquet")
    assert tables.read(tmp_path / "c.parquet")["verdict"].tolist() == table["verdict"].tolist()
    said = {r.arm: r for r in recommend(table, plan)}
    assert said["on"].action == "withheld"
    assert said["on"].sentence == (
        "GQA small: no verdict at every concurrency measured, withheld: its pairs were not measured together."
    )
    assert said["fa"].action == "enable"


@pytest.mark.parametrize(
    ("limits", "metric", "level"),
    [
        ({"concurrency": 4}, PRIMARY, 4),
        ({"concurrency": 4, "metric": "itl_mean_s"}, "itl_mean_s", 4),
    ],
)
def test_a_doubt_about_one_level_or_metric_is_about_no_other(limits, metric, level):
    plan = make_plan()
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.3)
    table = compare(runs, plan, [Doubt("gqa-small", "on", "it is so", **limits)])
    withheld = table[table["verdict"] == "withheld"]
    assert set(withheld["concurrency"]) == {level}
    assert metric in set(withheld["metric"])
    assert ("metric" in limits) is (len(withheld) == 1)


def test_several_doubts_stand_in_one_text():
    table = DataFrame(
        {
            "model": ["m"],
            "arm": ["a"],
            "concurrency": [1],
            "verdict": ["faster"],
            "withheld_because": ["first"],
        }
    )
    doubts = [Doubt("m", "a", "second"), Doubt("m", "b", "other"), Doubt("m", "a", "first")]
    (row,) = withhold(table, doubts).to_dict("records")
    assert (row["verdict"], row["withheld_because"]) == ("withheld", "first; second")
    assert withhold(DataFrame(), doubts).empty
    # Once taken away it stays away, whoever asks next.
    assert withhold(withhold(table, doubts), ())["verdict"].tolist() == ["withheld"]


def test_an_inconclusive_comparison_is_withheld_too_and_asks_for_no_blocks():
    plan = make_plan(levels=(4,), blocks=4)
    runs = make_runs(plan, 5, effect_percent=1.0, cov_percent=3.0)
    row = compare(runs, plan, [APART]).iloc[0]
    assert row["verdict"] == "withheld"
    assert row["more_blocks"] != row["more_blocks"]


@pytest.mark.parametrize("blocks", [1, 2])
def test_too_few_pairs_are_never_judged_and_a_doubt_is_said_all_the_same(blocks):
    plan = make_plan(levels=(4,), blocks=blocks)
    row = compare(make_runs(plan, effect_percent=50.0), plan, [APART]).iloc[0]
    assert "a verdict takes at least 3 pairs" in row["text"] or blocks == 2
    assert f"erdict withheld: {APART.because}." in row["text"]


def test_a_study_that_may_stop_early_never_settles_on_a_doubt():
    plan = make_plan(blocks=10, sequential=True)
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.3)
    early = runs[runs["block"] <= 6]
    assert stops(decide(early, plan), "gqa-small")
    doubted = decide(early, plan, [APART])
    assert not stops(doubted, "gqa-small")
    assert set(doubted["verdict"]) == {"withheld"}
    assert (doubted["settled_at"] == 0).all()
    assert (doubted["withheld_because"] == APART.because).all()
    table = compare(runs, plan, [APART])
    main = table[(table["metric"] == PRIMARY) & (table["arm"] == "on")]
    assert (main["verdict"] == "withheld").all()
