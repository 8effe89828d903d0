"""Figures from the tables alone: the same bytes, the numbers on them, and every odd study."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from pandas import DataFrame

from ablation.figures import difference, throughput
from ablation.figures.style import arm_styles, save, tick_levels
from ablation.statistics import compare, summarise
from tests.synthetic import make_plan, make_runs

DRAW = {
    "throughput": lambda plan, runs: throughput.draw(plan, arms=summarise(runs, plan)),
    "difference": lambda plan, runs: difference.draw(plan, comparisons=compare(runs, plan)),
}


def texts(figure):
    found = [text.get_text() for text in figure.texts]
    for ax in figure.axes:
        found += [text.get_text() for text in ax.texts]
        found += [ax.get_title(loc="left"), ax.get_ylabel()]
        found += [label.get_text() for label in ax.get_xticklabels()]
        if ax.get_legend():
            found += [text.get_text() for text in ax.get_legend().get_texts()]
    return "\n".join(found)


@pytest.mark.parametrize("name", DRAW)
@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_same_tables_give_the_same_bytes(name, suffix, tmp_path):
    plan = make_plan()
    runs = make_runs(plan)
    for copy in ("a", "b"):
        save(DRAW[name](plan, runs), tmp_path / f"{copy}{suffix}")
    first = (tmp_path / f"a{suffix}").read_bytes()
    assert first == (tmp_path / f"b{suffix}").read_bytes()
    if suffix == ".svg":
        ET.fromstring(first)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", DRAW)
def test_simulated_stands_across_the_figure(name):
    for simulated in (True, False):
        plan = make_plan(simulated=simulated)
        assert ("SIMULATED" in texts(DRAW[name](plan, make_runs(plan)))) is simulated


def test_throughput_shows_means_intervals_n_and_what_did_not_run():
    plan = make_plan()
    runs = make_runs(plan)
    arms = summarise(runs, plan)
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


def test_difference_shows_values_verdict_words_and_n():
    plan = make_plan()
    runs = make_runs(plan, effect_percent={1: 6.0, 4: 0.0, 16: -6.0}, cov_percent=0.3)
    words = texts(difference.draw(plan, comparisons=compare(runs, plan)))
    for word in ("faster", "equivalent", "slower", "1\nn = 6", "±2 %"):
        assert word in words


def test_arms_differ_in_colour_marker_and_line():
    styles = arm_styles(make_plan(arms=("off", "on", "fa"))).values()
    for attribute in ("color", "marker", "line"):
        assert len({getattr(style, attribute) for style in styles}) == 3


ODD = {
    "no comparison": lambda: make_plan(single_only=True),
    "one block": lambda: make_plan(blocks=1),
    "one level": lambda: make_plan(levels=(4,)),
    "three arms": lambda: make_plan(arms=("off", "on", "fa")),
    "200 levels": lambda: make_plan(levels=tuple(range(1, 201)), blocks=3),
}


@pytest.mark.parametrize("name", DRAW)
@pytest.mark.parametrize("odd", ODD)
def test_odd_studies_have_figures(name, odd, tmp_path):
    plan = ODD[odd]()
    path = tmp_path / "figure.svg"
    save(DRAW[name](plan, make_runs(plan)), path)
    ET.parse(path)


@pytest.mark.parametrize("name", DRAW)
def test_a_study_without_a_usable_run_has_figures(name, tmp_path):
    plan = make_plan()
    runs = make_runs(plan).assign(usable=False)
    save(DRAW[name](plan, runs), tmp_path / "figure.png")


def test_empty_tables_have_figures(tmp_path):
    plan = make_plan()
    save(throughput.draw(plan, arms=DataFrame()), tmp_path / "a.svg")
    save(difference.draw(plan, comparisons=DataFrame()), tmp_path / "b.svg")


def test_names_from_the_config_are_no_formulas(tmp_path):
    plan = make_plan()
    plan["models"]["gqa-small"]["title"] = r"$\frac{broken $x_1"
    plan["models"]["mla-small"]["title"] = "<script>alert(1)</script>"
    plan["factor"]["arms"]["on"]["label"] = "_hidden $ & <b>"
    runs = make_runs(plan)
    for name, draw in DRAW.items():
        save(draw(plan, runs), tmp_path / f"{name}.svg")
        assert b"<script" not in (tmp_path / f"{name}.svg").read_bytes()
        ET.parse(tmp_path / f"{name}.svg")


def test_ticks_are_the_real_levels_and_not_too_many():
    assert tick_levels([1, 5, 10]) == [1, 5, 10]
    many = tick_levels(list(range(1, 201)))
    assert (len(many), many[0], many[-1]) == (12, 1, 200)


def test_another_suffix_is_refused(tmp_path):
    plan = make_plan()
    with pytest.raises(ValueError, match="svg or"):
        save(difference.draw(plan, comparisons=DataFrame()), tmp_path / "figure.jpg")
