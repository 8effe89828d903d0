"""Panels, dodging, and what is said of what is left out."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from pandas import DataFrame

from ablation.figures.layout import dodge, errors, keep, key, models_of, of_launches, roomy
from ablation.figures.style import new_figure
from tests.figures.drawn import draw, inputs_of
from tests.synthetic import make_plan
from tests.telemetry.studies import observed_runs


def test_what_is_left_out_is_said():
    assert keep([1, 2], 2, "models") == ([1, 2], "")
    assert keep([1, 2, 3], 2, "models") == ([1, 2], "Of 3 models the first 2 are drawn.")


def test_models_stand_in_the_order_of_the_plan():
    table = DataFrame({"model": ["mla-small", "gqa-small", "stranger"]})
    assert models_of(make_plan(), table, DataFrame()) == ["gqa-small", "mla-small"]


def test_arms_never_reach_the_neighbouring_level():
    levels = [1, 5, 10, 50, 100, 200, 500]
    step = roomy(levels, 3)
    places = np.array([dodge(levels, place, 3, step) for place in range(3)])
    assert (np.diff(places.T.ravel()) > 0).all()
    assert np.allclose(places[1], levels)
    assert roomy([4], 2) > 1


LEVELS = (1, 4, 10, 12, 100)


def places(figure: Figure) -> list[list[np.ndarray]]:
    """Of each panel, where each arm's points stand along the axis of levels."""
    found = []
    for ax in figure.axes:
        lines = [np.asarray(line.get_xdata(), dtype=float) for line in ax.lines]
        own = [x for x in lines if len(x) == len(LEVELS) and (np.diff(x) > 0).all()]
        # A line and the ends of its bars stand at the same places.
        points = {x.round(9).tobytes(): x for x in own}
        found.append(list(points.values()))
    return found


@pytest.mark.parametrize("count", [2, 3, 5, 7, 12])
@pytest.mark.parametrize("name", ["throughput", "latency", "variability", "energy"])
def test_no_arm_hides_another_and_none_reaches_the_next_level(name, count, tmp_path):
    """Throughput of arms 0 and 2 was drawn at the same place."""
    plan = make_plan(arms=("off", *(f"arm-{n}" for n in range(1, count))), levels=LEVELS)
    runs = observed_runs(plan)
    panel = places(draw(name, plan, inputs_of(plan, runs, tmp_path)))[0]
    assert len(panel) == count
    every = np.sort(np.array(panel), axis=0)
    assert (np.diff(every, axis=0) > 1e-6).all()
    assert (every[-1, :-1] < every[0, 1:]).all()


def test_points_of_the_concurrency_stay_with_their_level(tmp_path):
    plan = make_plan(arms=("off", *(f"arm-{n}" for n in range(1, 7))), levels=LEVELS)
    figure = draw("concurrency", plan, inputs_of(plan, observed_runs(plan), tmp_path))
    for line in figure.axes[0].lines[1:]:
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True):
            level = min(LEVELS, key=lambda level: abs(np.log(x / level)))
            assert abs(level - y) < 0.03 * level


@pytest.mark.parametrize(
    "label", ["short", "a long name of an arm that needs its room, as they do"]
)
def test_a_legend_does_not_leave_the_figure(label):
    plan = make_plan(arms=("off", "a", "b", "c", "d", "e"))
    for arm in plan.arms:
        object.__setattr__(plan.arms[arm], "label", f"{arm} {label}")
    figure = new_figure(7.8, 4)
    figure.subplots()
    key(figure, plan, DataFrame({"arm": list(plan.arms), "n": 6}))
    figure.canvas.draw()
    (legend,) = figure.legends
    assert legend.get_window_extent().x1 <= figure.bbox.x1


def test_an_interval_without_an_end_has_no_bar():
    bars = errors([2.0, 2.0], [1.5, np.nan], [np.inf, 4.0])
    assert bars.tolist() == [[0.5, 0.0], [0.0, 2.0]]


def test_unequal_n_is_a_range():
    assert of_launches([6, 6]) == "n = 6"
    assert of_launches([6, 3]) == "n = 3 to 6"
