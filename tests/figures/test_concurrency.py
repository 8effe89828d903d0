"""Achieved concurrency: every run a point, failed gates seen and counted."""

import numpy as np

from ablation.figures import concurrency
from tests.figures.drawn import words
from tests.synthetic import make_plan, make_runs


def test_every_run_is_a_point_and_a_failed_gate_is_seen():
    plan = make_plan(levels=(10, 100))
    runs = make_runs(plan)
    runs.loc[[0, 1], "usable"] = False
    runs.at[0, "gates_failed"] = ["achieved_concurrency"]
    runs.at[1, "gates_failed"] = ["steady_state"]
    runs.loc[0, "achieved_concurrency"] = 8.0
    figure = concurrency.draw(plan, runs=runs)
    ax = figure.axes[0]
    # The first line is the diagonal.
    own = runs[runs["model"] == "gqa-small"]
    assert np.array_equal(ax.lines[0].get_xdata(), ax.lines[0].get_ydata())
    assert sum(len(line.get_xdata()) for line in ax.lines[1:]) == len(own)
    (cross,) = [one for one in ax.lines if one.get_marker() == "x" and len(one.get_xdata())]
    assert cross.get_ydata().tolist() == [8.0]
    assert "1 runs failed the gate" in words(figure)
    assert "too few in flight: gate failed, n = 1" in words(figure)
    assert "another gate failed, n = 1" in words(figure)
    relative = figure.axes[1].lines
    (cross,) = [one for one in relative if one.get_marker() == "x" and len(one.get_xdata())]
    assert cross.get_ydata().tolist() == [80.0]


def test_thousands_of_points_are_one_picture():
    plan = make_plan(levels=tuple(range(1, 101)), blocks=6)
    figure = concurrency.draw(plan, runs=make_runs(plan))
    drawn = [line for line in figure.axes[0].lines[1:] if len(line.get_xdata())]
    assert all(line.get_rasterized() for line in drawn)
