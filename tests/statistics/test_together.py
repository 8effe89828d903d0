"""Pairs by the facts of their runs: what a block's number does not tell."""

import pandas as pd
import pytest

from ablation.statistics.together import apart
from tests.synthetic import make_plan, make_runs

DAYS = pd.Timedelta(days=180)


@pytest.fixture
def runs():
    return make_runs(make_plan(levels=(4,)))


def facts(runs, **columns):
    """The runs with what a launch records, one sitting a block."""
    return runs.assign(
        sitting=[f"sitting-{m}-{b}" for m, b in zip(runs["model"], runs["block"], strict=True)],
        host="h",
        gpus="g",
        build="b",
        client="3",
        launch_started_at=runs["started_at"] - pd.Timedelta(seconds=20),
        launch_ended_at=runs["ended_at"] + pd.Timedelta(seconds=1),
    ).assign(**columns)


@pytest.mark.parametrize("known", [True, False])
def test_an_undisturbed_study_keeps_its_pairs(runs, known):
    assert apart(facts(runs) if known else runs, "off", None) == {}


@pytest.mark.parametrize("known", [True, False])
def test_an_arm_moved_by_half_a_year_is_no_pair(runs, known):
    moved = facts(runs) if known else runs
    moved.loc[moved["arm"] == "on", ["started_at", "ended_at"]] -= DAYS
    found = apart(moved, "off", None)
    assert set(found) == {("gqa-small", "on", block, 4) for block in range(1, 7)}
    assert all("180 days after each other" in why for why in found.values())
    # Whoever wants such pairs can say so.
    assert apart(moved, "off", 200 * 86400.0) == {}


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("sitting", "in two sittings"),
        ("host", "on two hosts"),
        ("gpus", "on other GPUs"),
        ("build", "with two builds of the server"),
        ("client", "with two versions of the client"),
    ],
)
def test_each_fact_refutes_a_pair_and_its_absence_does_not(runs, column, words):
    known = facts(runs)
    one = (known["arm"] == "on") & (known["block"] == 3)
    other = known.copy()
    other.loc[one, column] = "another"
    assert apart(other, "off", None) == {("gqa-small", "on", 3, 4): words}
    other.loc[one, column] = None
    assert apart(other, "off", None) == {}


def test_before_sittings_were_recorded_a_launch_between_breaks_the_pair(runs):
    """One arm edited and measured six times in a row, minutes after the study."""
    known = facts(runs[runs["model"] == "gqa-small"], sitting=None)
    start, place = known["started_at"].min(), 0
    for arm in ("off", "on"):
        for block in range(1, 7):
            at = start + pd.Timedelta(minutes=place)
            row = (known["arm"] == arm) & (known["block"] == block)
            for name, later_s in (
                ("launch_started_at", 0),
                ("started_at", 20),
                ("ended_at", 25),
                ("launch_ended_at", 26),
            ):
                known.loc[row, name] = at + pd.Timedelta(seconds=later_s)
            place += 1
    found = apart(known, "off", None)
    assert len(found) == 6
    assert set(found.values()) == {"with a launch of another block between them"}


def test_launches_on_the_other_half_of_the_host_break_nothing(runs):
    known = facts(runs, sitting=None)
    beside = known[known["model"] == "gqa-small"].assign(model="other")
    for name in ("started_at", "ended_at", "launch_started_at", "launch_ended_at"):
        beside[name] += pd.Timedelta(seconds=10)
    assert apart(pd.concat([known, beside], ignore_index=True), "off", None) == {}


def test_no_runs_no_pairs(runs):
    assert apart(runs.iloc[:0], "off", None) == {}
