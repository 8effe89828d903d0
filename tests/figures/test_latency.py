"""Latency: ranges only where the observations can tell their ends; medians and n of the table."""

from dataclasses import replace

import numpy as np
from pandas import concat

from ablation.figures import latency
from tests.figures.drawn import words
from tests.synthetic import make_distributions, make_plan, make_runs


def bars(figure, panel):
    """The line widths of the drawn ranges."""
    drawn = [lines for lines in figure.axes[panel].collections if lines.get_segments()]
    return {float(width) for lines in drawn for width in lines.get_linewidths()}


def test_a_panel_for_each_model_and_latency():
    plan = make_plan()
    table = make_distributions(make_runs(plan))
    figure = latency.draw(plan, distributions=table)
    titles = [ax.get_title(loc="left").replace("\n", " ") for ax in figure.axes]
    assert titles[:3] == ["GQA small: TTFT", "GQA small: ITL", "GQA small: E2E latency"]
    assert len(titles) == 6
    assert "AITER on, n = 6 launches" in words(figure)
    row = table[(table["model"] == "gqa-small") & (table["arm"] == "off")]
    row = row[row["metric"] == "ttft_s"].sort_values("concurrency")
    (line,) = [
        one for one in figure.axes[0].lines if one.get_marker() == "o" and len(one.get_xdata()) == 3
    ]
    middle = [1e3 * np.asarray(q)[50] for q in row["quantiles_s"]]
    assert np.allclose(line.get_ydata(), middle)


def test_a_range_needs_observations_for_its_ends():
    plan = make_plan(levels=(4,), blocks=1)
    for requests, widths in ((20, {5.5}), (40, {5.5, 2.6}), (400, {5.5, 2.6, 0.8})):
        table = make_distributions(make_runs(plan, requests=requests))
        assert bars(latency.draw(plan, distributions=table), 0) == widths


def test_more_models_than_panels_are_said():
    plan = make_plan()
    more = {f"m{i}": replace(plan.models["gqa-small"], title=f"M{i}") for i in range(6)}
    plan = replace(plan, models={**plan.models, **more})
    table = make_distributions(make_runs(plan))
    own = table[table["model"] == "gqa-small"]
    table = concat([table, *(own.assign(model=f"m{i}") for i in range(6))])
    figure = latency.draw(plan, distributions=table)
    assert "Of 8 models the first 4 are drawn." in words(figure)
    assert len(figure.axes) == 12
