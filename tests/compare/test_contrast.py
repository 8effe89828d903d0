"""Two studies with known truth: what agrees, what differs, and that the formula is Welch's."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy import stats

from ablation.compare.content import build_context
from ablation.compare.contrast import ROWS, absolute, contrast, write
from ablation.compare.finished import read_finished
from ablation.compare.folders import CompareError
from ablation.report import render_html
from ablation.statistics import PRIMARY
from ablation.statistics.verdict import Doubt, withhold
from tests.finished_study import write_finished
from tests.synthetic import make_plan, make_runs, restudy


def pair(tmp_path, first=4.0, second=4.0, *, blocks=(8, 8), cov=0.3, plans=None):
    plans = plans or [make_plan(blocks=n) for n in blocks]
    runs = [
        make_runs(plan, seed, effect_percent=effect, cov_percent=cov)
        for seed, (plan, effect) in enumerate(zip(plans, (first, second), strict=True))
    ]
    folders = [
        write_finished(tmp_path / name, plan, frame)
        for name, plan, frame in zip(("one", "two"), plans, runs, strict=True)
    ]
    return [read_finished(folder) for folder in folders], runs


def log_ratios(runs, level):
    runs = runs[(runs["model"] == "gqa-small") & (runs["concurrency"] == level)]
    wide = runs.pivot(index="block", columns="arm", values=PRIMARY)
    return np.log(wide["on"] / wide["off"]).to_numpy()


def test_the_interval_and_p_are_those_of_welch_in_scipy(tmp_path):
    studies, runs = pair(tmp_path, 4.0, 5.0, blocks=(8, 5), cov=1.0)
    table = contrast(*studies)
    main = table[table["metric"] == PRIMARY].set_index("concurrency")
    for level in (1, 4, 16):
        values = [log_ratios(frame, level) for frame in runs]
        test = stats.ttest_ind(*values, equal_var=False)
        row = main.loc[level]
        assert row["p"] == pytest.approx(test.pvalue, abs=1e-9)
        low, high = (100 * np.expm1(end) for end in test.confidence_interval(0.95))
        assert row["of_differences_low_percent"] == pytest.approx(low, abs=1e-9)
        assert row["of_differences_high_percent"] == pytest.approx(high, abs=1e-9)
        assert (row["n_first"], row["n_second"]) == (8, 5)
    assert (main["p_holm"] >= main["p"]).all()


def test_what_a_study_withholds_is_not_resolved_between_two(tmp_path):
    studies, _ = pair(tmp_path, 4.0, 4.0)
    first = replace(
        studies[0],
        comparisons=withhold(
            studies[0].comparisons, [Doubt("gqa-small", "on", "it is so", concurrency=4)]
        ),
    )
    table = contrast(first, studies[1])
    main = table[table["metric"] == PRIMARY].set_index("concurrency")
    assert main["agreement"].to_dict() == {1: "agree", 4: "withheld", 16: "agree"}
    html = render_html(build_context(first, studies[1], table, absolute(first, studies[1])))
    assert "withheld at 4" in html
    assert "Withheld: a study withholds its own verdict there" in html


def test_the_same_truth_agrees_and_another_differs(tmp_path):
    studies, _ = pair(tmp_path / "same", 4.0, 4.0)
    table = contrast(*studies)
    main = table[table["metric"] == PRIMARY]
    assert set(main["agreement"]) == {"agree"}
    studies, _ = pair(tmp_path / "other", 12.0, 4.0)
    table = contrast(*studies)
    main = table[table["metric"] == PRIMARY]
    assert set(main["agreement"]) == {"differ"}
    assert not main["overlap"].any()
    assert main["of_differences_percent"].between(6, 9.5).all()  # 1.12 / 1.04 - 1 = 7.7 %


def test_wide_intervals_overlap_and_resolve_nothing(tmp_path):
    studies, _ = pair(tmp_path, 4.0, 6.0, blocks=(4, 4), cov=5.0)
    table = contrast(*studies)
    main = table[table["metric"] == PRIMARY]
    assert set(main["agreement"]) == {"not resolved"}
    assert main["overlap"].all()


def test_two_blocks_give_no_word(tmp_path):
    studies, _ = pair(tmp_path, 30.0, 4.0, blocks=(2, 8), cov=0.01)
    assert set(contrast(*studies)["agreement"]) == {"not resolved"}


def test_one_block_has_no_interval_and_no_overlap(tmp_path):
    studies, _ = pair(tmp_path, blocks=(1, 8))
    table = contrast(*studies)
    table = table[table["metric"] == PRIMARY]
    assert table["overlap"].isna().all()
    assert table["of_differences_low_percent"].isna().all()
    assert table["of_differences_percent"].notna().all()


def test_no_spread_at_all_is_certain(tmp_path):
    plan = make_plan()
    studies, _ = pair(tmp_path, 4.0, 4.0, cov=0.0, plans=[plan, plan])
    table = contrast(*studies)
    assert set(table.loc[table["metric"] == PRIMARY, "agreement"]) == {"agree"}


def test_absolute_ratios_hold_the_planted_one(tmp_path):
    plan = make_plan()
    runs = make_runs(plan, cov_percent=0.5, block_percent=0.2)
    faster = runs.assign(**{PRIMARY: runs[PRIMARY] * 1.5})
    first = read_finished(write_finished(tmp_path / "one", plan, faster))
    second = read_finished(
        write_finished(
            tmp_path / "two", plan, make_runs(plan, 1, cov_percent=0.5, block_percent=0.2)
        )
    )
    table = absolute(first, second)
    assert len(table) == 9  # two arms of one model and one of the other, at 3 levels
    assert table["ratio"].between(1.48, 1.52).all()
    assert ((table["low"] < 1.5) & (table["high"] > 1.5)).mean() >= 0.8
    assert (table["mean_first"] / table["mean_second"]).to_numpy() == pytest.approx(table["ratio"])


def test_only_what_both_measured_is_compared(tmp_path):
    plans = [make_plan(levels=(1, 4, 16)), make_plan(levels=(4, 64))]
    studies, _ = pair(tmp_path, plans=plans)
    assert set(contrast(*studies)["concurrency"]) == {4}


def changed(plan, **factor):
    return restudy(plan, factor=factor)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (make_plan(), changed(make_plan(), name="fp8"), "factor.name is 'aiter' and 'fp8'"),
        (make_plan(), make_plan(arms=("on", "off")), "factor.baseline is 'off' and 'on'"),
        (make_plan(levels=(1,)), make_plan(levels=(2,)), "no model, arm and level in common"),
    ],
)
def test_other_questions_are_refused(tmp_path, first, second, words):
    studies, _ = pair(tmp_path, plans=[first, second])
    with pytest.raises(CompareError, match=words):
        contrast(*studies)


def test_other_units_are_refused(tmp_path):
    (first, second), _ = pair(tmp_path)
    second.arms["unit"] = "req/s"
    with pytest.raises(CompareError, match=r"is in tok/s in .*one and in req/s in .*two"):
        contrast(first, second)


def test_written_with_schema_units_and_both_origins(tmp_path):
    studies, _ = pair(tmp_path, blocks=(1, 4))
    write(contrast(*studies), tmp_path / "comparison.parquet", *studies)
    schema = pq.read_schema(tmp_path / "comparison.parquet")
    metadata = json.loads(schema.metadata[b"ablation"])
    assert metadata["schema"] == "ablation.compare/1"
    assert metadata["first"] == {"folder": "one", "config_hash": "c0ffee"}
    assert schema.names == ROWS.names
    assert pd.read_parquet(tmp_path / "comparison.parquet")["p"].isna().all()
