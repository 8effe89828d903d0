"""Pareto: throughput per GPU where there are GPUs, both intervals, and the levels by name."""

import numpy as np

from ablation.figures import pareto
from ablation.statistics import PRIMARY, summarise
from tests.figures.drawn import words
from tests.synthetic import make_plan, make_runs, relaunch


def points(figure, panel, arm):
    return figure.axes[panel].containers[arm].lines[0].get_xydata()


def test_the_points_are_the_rows_and_the_levels_are_named():
    plan = make_plan(levels=(4, 16, 64))
    arms = summarise(make_runs(plan), plan)
    figure = pareto.draw(plan, arms=arms)
    own = arms[(arms["model"] == "gqa-small") & (arms["arm"] == "on")].set_index("metric")
    assert np.allclose(points(figure, 0, 1)[:, 0], 1e3 * own.loc["itl_p50_s", "mean"])
    assert np.allclose(points(figure, 1, 1)[:, 0], 1e3 * own.loc["ttft_p50_s", "mean"])
    assert np.allclose(points(figure, 1, 1)[:, 1], own.loc[PRIMARY, "mean"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["4", "16", "64"]
    bars = figure.axes[0].containers[0]
    assert bars.has_xerr
    assert bars.has_yerr
    assert "tok/s per GPU" not in words(figure)


def test_throughput_is_per_gpu_where_there_are_gpus():
    plan = make_plan(levels=(4, 16))
    arms = summarise(make_runs(plan), plan)
    without = points(pareto.draw(plan, arms=arms), 0, 0)
    plan = relaunch(plan, lambda _: {"gpus": 8})
    figure = pareto.draw(plan, arms=arms)
    assert np.allclose(points(figure, 0, 0)[:, 1], without[:, 1] / 8)
    assert "tok/s per GPU" in words(figure)
