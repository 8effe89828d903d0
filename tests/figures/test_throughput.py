"""Throughput: the means, intervals and n of the table, and the arms that did not run."""

import numpy as np

from ablation.figures import throughput
from ablation.statistics import summarise
from tests.figures.drawn import texts
from tests.synthetic import make_plan, make_runs


def test_means_intervals_n_and_what_did_not_run():
    plan = make_plan()
    arms = summarise(make_runs(plan), plan)
    figure = throughput.draw(plan, arms=arms)
    words = texts(figure)
    assert "AITER on, n = 6" in words
    assert "AITER on: incompatible: 16 heads" in words.replace("\n", " ")
    assert "AITER off: unsupported: the sparse attention indexer" in words.replace("\n", " ")
    (bars, *_) = figure.axes[0].containers
    drawn = bars.lines[0].get_ydata()
    rows = arms[(arms["model"] == "gqa-small") & (arms["arm"] == "off")]
    rows = rows[rows["metric"] == "output_throughput_tok_s"]
    assert np.allclose(drawn, rows["mean"])
    segments = bars.lines[2][0].get_segments()
    assert np.allclose([s[:, 1] for s in segments], rows[["low", "high"]])
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["1", "4", "16"]
