"""Verdicts into words, and no word without a verdict."""

import pytest

from ablation.statistics import compare
from ablation.statistics.metrics import PRIMARY
from ablation.statistics.noise import noise_floor
from ablation.statistics.recommendation import levels_words, recommend
from tests.synthetic import make_plan, make_runs

LEVELS = (1, 5, 10, 50, 100, 200, 500)


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ([1], "1"),
        ([5, 10, 50], "5 to 50"),
        ([5, 10], "5 and 10"),
        ([1, 10, 50, 100, 500], "1, 10 to 100 and 500"),
        (list(LEVELS), "1 to 500"),
    ],
)
def test_levels_as_words(levels, words):
    assert levels_words(levels, LEVELS) == words


def study(verdicts, **changes):
    """A comparison table whose verdicts are given, by level."""
    plan = make_plan(levels=LEVELS[: len(verdicts)])
    table = compare(make_runs(plan), plan)
    main = table["metric"] == "output_throughput_tok_s"
    table.loc[main, "verdict"] = verdicts
    for name, value in changes.items():
        table.loc[main, name] = value
    return recommend(table, plan)[0]


def test_the_example_of_a_mixed_study():
    verdicts = ["inconclusive", *["equivalent"] * 3, *["faster"] * 3]
    got = study(verdicts, more_blocks=[4, *[float("nan")] * 6])
    assert got.action == "partly"
    assert got.sentence == (
        "GQA small: use AITER on from concurrency 100 to 500, the highest measured: +3.0 % to "
        "+4.0 % output throughput; either will do at concurrency 5 to 50: equivalent within ±2 %; inconclusive "
        "at concurrency 1, about 4 more blocks to settle it."
    )
    assert len(got.reasons) == 7


@pytest.mark.parametrize(
    ("verdicts", "action", "words"),
    [
        (["faster"] * 3, "enable", "use AITER on at every concurrency measured"),
        (["slower"] * 3, "keep", "keep AITER off at every concurrency measured"),
        (["equivalent"] * 3, "either", "either will do at every concurrency measured"),
        (["faster", "slower", "slower"], "depends", "keep AITER off from concurrency 5 to 10"),
        (["inconclusive"] * 3, "open", "inconclusive at every concurrency measured"),
        (["faster"], "enable", "use AITER on at concurrency 1"),
    ],
)
def test_actions(verdicts, action, words):
    got = study(verdicts)
    assert got.action == action
    assert words in got.sentence


def test_hopeless_and_too_few_are_told_apart():
    nan = float("nan")
    assert "over 1,000 blocks" in study(["inconclusive"] * 2, more_blocks=[nan, nan]).sentence
    few = study(["inconclusive"] * 2, more_blocks=[nan, nan], n_pairs=[2, 1]).sentence
    assert "too few usable blocks" in few
    assert "settle part of it" in study(["inconclusive"] * 2, more_blocks=[3, nan]).sentence


def test_nothing_compared_nothing_said():
    plan = make_plan(single_only=True)
    assert recommend(compare(make_runs(plan), plan), plan) == []


def test_an_a_a_arm_is_never_recommended():
    plan = make_plan(arms=("off", "on", "off-again"), levels=(1, 5))
    runs = make_runs(plan, effect_percent=0.0, cov_percent=0.2)
    by_arm = {r.arm: r for r in recommend(compare(runs, plan), plan)}
    assert by_arm["off-again"].action == "noise"
    assert "has the settings of AITER off (A/A)" in by_arm["off-again"].sentence
    assert "use " not in by_arm["off-again"].sentence
    table = compare(make_runs(plan, effect_percent=9.0, cov_percent=0.2), plan)
    false = {r.arm: r for r in recommend(table, plan)}["off-again"].sentence
    assert "they differ at every concurrency measured: the noise is not" in false


def test_the_noise_floor_stands_beside_each_level():
    plan = make_plan(arms=("off", "on", "off-again"), levels=(1, 5))
    table = compare(make_runs(plan, effect_percent=0.0), plan)
    floor = noise_floor(table, plan)
    assert set(floor["arm"]) == {"off-again"}
    row = floor[(floor["metric"] == PRIMARY) & (floor["concurrency"] == 1)].iloc[0]
    same = table[(table["arm"] == "off-again") & (table["metric"] == PRIMARY)].iloc[0]
    expected = max(abs(same["low_percent"]), abs(same["high_percent"]))
    assert row["floor_percent"] == pytest.approx(expected)
    plain = make_plan()
    assert noise_floor(compare(make_runs(plain), plain), plain).empty


def test_a_faster_arm_with_other_answers_is_not_recommended():
    plan = make_plan()
    comparisons = compare(make_runs(plan, effect_percent=8.0), plan)
    (right,) = recommend(comparisons.assign(accuracy="same"), plan)
    (wrong,) = recommend(comparisons.assign(accuracy="different"), plan)
    assert right.action == "enable"
    assert wrong.action == "wrong"
    assert "AITER on is faster, but its answers differ from those of AITER off" in wrong.sentence
    assert "use AITER on" not in wrong.sentence
