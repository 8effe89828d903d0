"""Panels, dodging, and what is said of what is left out."""

import numpy as np
from pandas import DataFrame

from ablation.figures.layout import dodge, errors, keep, models_of, of_launches, roomy
from tests.synthetic import make_plan


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


def test_an_interval_without_an_end_has_no_bar():
    bars = errors([2.0, 2.0], [1.5, np.nan], [np.inf, 4.0])
    assert bars.tolist() == [[0.5, 0.0], [0.0, 2.0]]


def test_unequal_n_is_a_range():
    assert of_launches([6, 6]) == "n = 6"
    assert of_launches([6, 3]) == "n = 3 to 6"
