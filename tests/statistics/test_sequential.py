"""Looks while blocks are added: the levels that are spent, and when a model is done."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ablation.statistics import compare, tables
from ablation.statistics.sequential import (
    decidable,
    decide,
    look_points,
    planned_blocks,
    settle,
    spending,
    stops,
)
from tests.synthetic import make_plan, make_runs, restudy

MARGIN = math.log(1.02)


def test_looks():
    assert look_points(10) == [6, 8, 10]
    assert look_points(11) == [6, 8, 10, 11]
    assert look_points(6) == [6]
    assert look_points(10, first=3, every=1) == list(range(3, 11))


@pytest.mark.parametrize("bad", [(5, 6, 1), (10, 2, 1), (10, 6, 0)])
def test_looks_that_make_no_sense_are_refused(bad):
    with pytest.raises(ValueError, match="looks go from"):
        look_points(*bad)


def test_what_is_spent_is_alpha_and_follows_pocock():
    points = [6, 8, 10]
    levels = spending(points, 0.05)
    assert sum(levels) == pytest.approx(0.05)
    assert levels[0] == pytest.approx(0.05 * math.log(1 + (math.e - 1) * 0.6))
    assert all(level > 0 for level in levels)


def test_one_look_is_the_fixed_design():
    plan = make_plan(levels=(1, 4, 16), blocks=6)
    for seed in range(20):
        runs = make_runs(plan, seed, effect_percent=2.5)
        fixed = compare(runs, plan)
        fixed = fixed[fixed["metric"] == "output_throughput_tok_s"]
        early = decide(runs, plan)
        assert early["verdict"].tolist() == fixed["verdict"].tolist()
        assert early["low_percent"].tolist() == pytest.approx(fixed["low_percent"].tolist())
        assert early["stop"].all()


def test_a_settled_verdict_stays_whatever_comes_later():
    rng = np.random.default_rng(0)
    good = rng.normal(0.05, 0.002, 6)
    bad = rng.normal(-0.05, 0.002, 4)
    settled = settle(np.append(good, bad)[None, None], [6, 8, 10], alpha=0.05, margin=MARGIN)
    assert settled.verdict.tolist() == [["faster"]]
    assert settled.at.tolist() == [[6]]


def test_looks_that_have_not_come_settle_nothing():
    settled = settle(np.full((1, 1, 4), 0.05), [6, 8], alpha=0.05, margin=MARGIN)
    assert settled.verdict.tolist() == [["inconclusive"]]
    assert settled.at.tolist() == [[0]]
    assert np.isnan(settled.alpha).all()


def test_less_latency_is_faster_here_too():
    x = np.random.default_rng(1).normal(-0.05, 0.002, (1, 1, 6))
    settled = settle(x, [6], alpha=0.05, margin=MARGIN, higher_is_better=False)
    assert settled.verdict.tolist() == [["faster"]]


def test_a_clear_study_stops_and_counts_what_it_saved(tmp_path):
    plan = make_plan(blocks=10)
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.3)
    table = decide(runs[runs["block"] <= 6], plan)
    assert table["stop"].all()
    assert (table["blocks"] == 6).all()
    # Four blocks of two arms.
    assert (table["saved"] == 8).all()
    tables.write(table, tables.DECISIONS, tmp_path / "d.parquet")
    assert tables.read(tmp_path / "d.parquet")["stop"].all()


def test_an_open_study_goes_on_to_the_most():
    plan = make_plan(blocks=10)
    runs = make_runs(plan, effect_percent=2.0, cov_percent=3.0)
    table = decide(runs[runs["block"] <= 8], plan)
    assert not table["stop"].any()
    assert (table["saved"] == 0).all()
    assert decide(runs, plan)["stop"].all()


def test_between_looks_nothing_is_decided():
    plan = make_plan(blocks=10)
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.3)
    assert not decide(runs[runs["block"] <= 5], plan)["stop"].any()
    # At 7 blocks the look at 6 has settled it, but a block beyond it was begun: no look is due.
    assert not decide(runs[runs["block"] <= 7], plan)["stop"].any()


def test_a_missing_block_ends_the_row_of_complete_ones():
    plan = make_plan(blocks=10)
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.3)
    table = decide(runs[runs["block"] != 4], plan)
    assert (table["blocks"] == 3).all()
    assert not table["stop"].any()


def test_options_come_from_the_design():
    plan = restudy(make_plan(blocks=10), design={"sequential": {"first": 4, "every": 1}})
    runs = make_runs(plan, effect_percent=20.0, cov_percent=0.2)
    table = decide(runs[runs["block"] <= 4], plan)
    assert (table["settled_at"] == 4).all()


@pytest.mark.parametrize("case", ["A/A alone", "no baseline"])
def test_a_model_of_which_nothing_can_be_decided_is_measured_to_its_last_block(case):
    """It was a KeyError where no model had a row, and the first look stopped the model where another had one."""
    arms = ("off", "off-again") if case == "A/A alone" else ("off", "on", "fa")
    plan = make_plan(blocks=10, arms=arms, sequential=True)
    if case == "no baseline":
        plan.models["gqa-small"] = replace(plan.models["gqa-small"], arms=["on", "fa"])
        plan = replace(
            plan, sessions=[s for s in plan.sessions if (s.model, s.arm) != ("gqa-small", "off")]
        )
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.3)
    assert decidable(plan, "gqa-small") == []
    for blocks in (6, 10):
        table = decide(runs[runs["block"] <= blocks], plan)
        assert not stops(table, "gqa-small")
    assert planned_blocks(runs, plan).models["gqa-small"].blocks == 10
    table = compare(runs, plan)
    assert table.empty == (case == "no baseline")
    if case == "A/A alone":
        assert table.loc[table["metric"] == "output_throughput_tok_s", "settled_at"].isna().all()


def test_one_model_that_can_be_decided_does_not_stop_another():
    plan = make_plan(blocks=10, sequential=True)
    plan.models["mla-small"] = replace(plan.models["mla-small"], arms=["on", "off"])
    alone = replace(plan.models["mla-small"], arms=["on", "fa"])
    plan = replace(plan, models={**plan.models, "other": alone})
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.3)
    table = decide(runs[runs["block"] <= 6], plan)
    assert stops(table, "gqa-small")
    assert not stops(table, "other")


def test_nothing_to_compare():
    plan = make_plan(single_only=True)
    assert decide(make_runs(plan), plan).empty


def stopped(**changes):
    plan = make_plan(blocks=10, sequential=True, **changes)
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.3)
    return plan, runs[(runs["block"] <= 6) | (runs["model"] != "gqa-small")]


def test_the_comparison_takes_the_verdicts_of_the_looks_and_misses_nothing():
    plan, runs = stopped(arms=("off", "on", "off-again"))
    table = compare(runs, plan)
    main = table[table["metric"] == "output_throughput_tok_s"]
    ours = main[main["arm"] == "on"]
    assert (ours["verdict"] == "faster").all()
    assert (ours["settled_at"] == 6).all()
    assert (ours["n_planned"] == 6).all()
    assert (table["left_out"].loc[ours.index] == "").all()
    assert ours["text"].str.contains("settled at 6 blocks, the looks at the data paid for").all()
    # The A/A arm and the other metrics have no looks.
    assert main.loc[main["arm"] == "off-again", "settled_at"].isna().all()
    assert table.loc[table["metric"] == "e2e_mean_s", "settled_at"].isna().all()


def test_a_verdict_that_a_fixed_design_would_give_too_early_is_not_given():
    plan, looking = (make_plan(blocks=10, levels=(4,), sequential=s) for s in (False, True))
    found = 0
    only = ["model", "arm", "block", "concurrency", "usable", "output_throughput_tok_s"]
    for seed in range(80):
        runs = make_runs(plan, seed, effect_percent=1.9, cov_percent=1.0)[only]
        early = runs[(runs["block"] <= 6) | (runs["model"] != "gqa-small")]
        fixed = compare(early, plan)
        looked = compare(early, looking)
        fixed, looked = (
            t[t["metric"] == "output_throughput_tok_s"].iloc[0] for t in (fixed, looked)
        )
        if fixed["verdict"] != looked["verdict"]:
            assert looked["verdict"] == "inconclusive"
            assert "no look at the data settled it" in looked["text"]
            found += 1
    assert found


def test_blocks_that_were_saved_are_no_longer_planned():
    plan, runs = stopped()
    needed = planned_blocks(runs, plan)
    assert needed.models["gqa-small"].blocks == 6
    assert needed.models["mla-small"].blocks == 10
    assert max(s.block for s in needed.sessions if s.model == "gqa-small") == 6
    plain = make_plan()
    assert planned_blocks(make_runs(plain), plain) is plain


def test_fewer_blocks_than_a_look_takes():
    plan = make_plan(blocks=2)
    table = decide(make_runs(plan), plan)
    assert (table["verdict"] == "inconclusive").all()
    assert table["stop"].all()
