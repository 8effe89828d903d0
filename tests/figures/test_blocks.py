"""Blocks: launches in their order, pairs joined, excluded ones hollow, panels limited."""

import pandas as pd

from ablation.figures import blocks
from tests.figures.drawn import words
from tests.synthetic import make_plan, make_runs


def test_pairs_are_joined_and_excluded_runs_are_hollow():
    plan = make_plan(levels=(4,), blocks=5)
    runs = make_runs(plan)
    runs.loc[0, "usable"] = False
    figure = blocks.draw(plan, runs=runs)
    ax = figure.axes[0]
    joined = [line for line in ax.lines if line.get_linestyle() == "-"]
    assert len(joined) == 5
    assert all(len(line.get_xdata()) == 2 for line in joined)
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_ydata().tolist() for line in hollow] == [
        [runs.loc[0, "output_throughput_tok_s"]]
    ]
    assert "(1 of 15 runs of the study)" in words(figure)
    assert "n = 4 to 5 launches" in words(figure)
    times = {x for line in ax.lines if line.get_linestyle() == "None" for x in line.get_xdata()}
    own = runs[runs["model"] == "gqa-small"]
    assert times == set((own["started_at"] - runs["started_at"].min()).dt.total_seconds() / 60)
    assert "Time since the first run of the study (min)" in words(figure)


def test_another_day_is_seen_as_one():
    plan = make_plan(levels=(4,), blocks=5)
    runs = make_runs(plan)
    runs.loc[runs["arm"] == "on", "started_at"] += pd.Timedelta(days=180)
    figure = blocks.draw(plan, runs=runs)
    assert "(days)" in words(figure)
    assert figure.axes[0].get_xlim()[1] > 180


def test_panels_are_limited_and_what_is_left_out_is_said():
    plan = make_plan(levels=tuple(range(1, 41)), blocks=2)
    figure = blocks.draw(plan, runs=make_runs(plan))
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert len(titles) == blocks.MOST_PANELS
    assert titles[0] == "GQA small, concurrency 1"
    assert "GQA small, concurrency 40" in titles
    assert "8 of 80 models and levels are drawn." in words(figure)
