"""Beside the published table: their points and half-widths, ours matched by what they stand for."""

import numpy as np
import pytest

from ablation.audit.read import read_published
from ablation.figures import published
from ablation.statistics import PRIMARY, compare
from tests.figures.drawn import PUBLISHED, words
from tests.synthetic import make_plan, make_runs, remodel


@pytest.fixture
def plan():
    return remodel(make_plan(levels=(1, 50, 500)), "gqa-small", stands_for="Llama 3.1 405B")


def test_both_stand_at_their_levels(plan):
    table = read_published(PUBLISHED)
    comparisons = compare(make_runs(plan), plan)
    figure = published.draw(plan, published=table, comparisons=comparisons)
    text = words(figure)
    assert "llama-3.1-405b, and here GQA small" in text
    assert "published, n = 5, level never reached" in text
    assert "ours: AITER on, n = 6 blocks" in text
    (ours,) = figure.axes[0].containers
    rows = comparisons[comparisons["metric"] == PRIMARY].sort_values("concurrency")
    assert np.allclose(ours.lines[0].get_ydata(), rows["difference_percent"])
    assert np.allclose(ours.lines[0].get_xdata(), np.array([0, 3, 6]) + 0.14)
    theirs = [line for line in figure.axes[0].lines if line.get_marker() == "D"]
    shown = sorted(y for line in theirs for y in line.get_ydata())
    assert shown == sorted(row.difference_percent.value for row in table.rows)
    hollow = [line for line in theirs if line.get_markerfacecolor() == "white"]
    assert [len(line.get_xdata()) for line in hollow] == [2]


def test_a_table_of_other_models_is_said(plan):
    plan = remodel(plan, "gqa-small", stands_for="")
    table = read_published(PUBLISHED)
    comparisons = compare(make_runs(plan), plan)
    text = words(published.draw(plan, published=table, comparisons=comparisons))
    assert "no model of this study is, or stands for, this one" in text


def test_a_table_without_spread_or_level_is_drawn_as_far_as_it_goes(plan, tmp_path):
    path = tmp_path / "blog.csv"
    path.write_text("backend,concurrency,slowdown\nTRITON_ATTN,50,1.30\nROCM_ATTN,,3.82\n")
    comparisons = compare(make_runs(plan), plan)
    figure = published.draw(plan, published=read_published(path), comparisons=comparisons)
    text = words(figure)
    assert "published, n not printed" in text
    assert "TRITON_ATTN" in text
    assert "ROCM_ATTN" not in text
    path.write_text("backend,slowdown\nTRITON_ATTN,1.30\n")
    nothing = published.draw(plan, published=read_published(path), comparisons=comparisons)
    assert "no difference at a known concurrency" in words(nothing)
