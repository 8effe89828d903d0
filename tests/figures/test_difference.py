"""Difference: values, verdicts in words, n, and the equivalence band."""

from ablation.figures import difference
from ablation.statistics import compare
from tests.figures.drawn import texts
from tests.synthetic import make_plan, make_runs


def test_values_verdict_words_and_n():
    plan = make_plan()
    runs = make_runs(plan, effect_percent={1: 6.0, 4: 0.0, 16: -6.0}, cov_percent=0.3)
    words = texts(difference.draw(plan, comparisons=compare(runs, plan)))
    for word in ("faster", "equivalent", "slower", "1\nn = 6", "±2 %"):
        assert word in words
