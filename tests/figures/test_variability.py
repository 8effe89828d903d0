"""Variability: the CoVs of the table with their intervals, the noise floor, and its absence."""

import numpy as np

from ablation.figures import variability as figure_of
from ablation.statistics import PRIMARY, compare, summarise
from ablation.statistics.noise import noise_floor
from ablation.statistics.variability import variability
from tests.figures.drawn import words
from tests.synthetic import make_plan, make_runs


def drawn(plan):
    runs = make_runs(plan)
    arms, comparisons = summarise(runs, plan), compare(runs, plan)
    figure = figure_of.draw(
        plan, arms=arms, variability=variability(runs, plan), comparisons=comparisons
    )
    return figure, arms, comparisons


def test_the_covs_are_the_rows():
    figure, arms, _ = drawn(make_plan())
    rows = arms[
        (arms["metric"] == PRIMARY) & (arms["model"] == "gqa-small") & (arms["arm"] == "on")
    ]
    bars = figure.axes[0].containers[1]
    assert np.allclose(bars.lines[0].get_ydata(), rows["cov_percent"])
    segments = bars.lines[2][0].get_segments()
    ends = rows[["cov_low_percent", "cov_high_percent"]]
    assert np.allclose([segment[:, 1] for segment in segments], ends)
    assert "n = 6" in words(figure)
    assert "no noise floor" in words(figure)


def test_an_a_a_arm_gives_the_noise_floor():
    plan = make_plan(arms=("off", "on", "off-again"))
    figure, _, comparisons = drawn(plan)
    floor = noise_floor(comparisons, plan)
    floor = floor[floor["metric"] == PRIMARY].sort_values("concurrency")
    (line,) = [one for one in figure.axes[0].lines if one.get_label().startswith("A/A floor")]
    assert np.allclose(line.get_ydata(), floor["floor_percent"])
    assert "no noise floor" not in words(figure)
