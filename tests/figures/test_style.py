"""What all figures share: arms told apart without colour, ticks, suffixes."""

import pytest
from matplotlib.figure import Figure

from ablation.figures.style import arm_styles, save, tick_levels
from tests.synthetic import make_plan


def test_arms_differ_in_colour_marker_and_line():
    styles = arm_styles(make_plan(arms=("off", "on", "fa"))).values()
    for attribute in ("color", "marker", "line"):
        assert len({getattr(style, attribute) for style in styles}) == 3


def test_ticks_are_the_real_levels_and_not_too_many():
    assert tick_levels([1, 5, 10]) == [1, 5, 10]
    many = tick_levels(list(range(1, 201)))
    assert (len(many), many[0], many[-1]) == (12, 1, 200)
    logarithmic = tick_levels(list(range(1, 201)), log=True)
    assert (logarithmic[0], logarithmic[-1]) == (1, 200)
    assert len(logarithmic) <= 12
    assert logarithmic[-1] / logarithmic[-2] > 1.3


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match="svg or"):
        save(Figure(), tmp_path / "figure.jpg")
