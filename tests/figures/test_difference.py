"""Difference: values, verdicts in words, n, and the equivalence band."""

from ablation.figures import difference
from ablation.figures.difference import LOOKS
from ablation.statistics import compare
from ablation.statistics.verdict import Doubt
from tests.figures.drawn import texts
from tests.synthetic import make_plan, make_runs


def test_values_verdict_words_and_n():
    plan = make_plan()
    runs = make_runs(plan, effect_percent={1: 6.0, 4: 0.0, 16: -6.0}, cov_percent=0.3)
    words = texts(difference.draw(plan, comparisons=compare(runs, plan)))
    for word in ("faster", "equivalent", "slower", "1\nn = 6", "±2 %"):
        assert word in words


def test_a_withheld_verdict_has_a_neutral_marker_and_a_word():
    plan = make_plan()
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.3)
    doubt = Doubt("gqa-small", "on", "it is so", concurrency=4)
    figure = difference.draw(plan, comparisons=compare(runs, plan, [doubt]))
    words = texts(figure)
    assert "withheld" in words
    assert "Withheld: a premise of the verdict does not hold" in words
    points = [line for line in figure.axes[0].lines if line.get_marker() in ("X", "^")]
    assert [line.get_marker() for line in points] == ["^", "X", "^"]
    grey = LOOKS["inconclusive"][0]
    assert points[1].get_color() == grey
    assert "Withheld" not in texts(difference.draw(plan, comparisons=compare(runs, plan)))
