"""Figures of energy and of the bounds: the numbers on them, and why there are none."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from pandas import DataFrame

from ablation.figures import energy, roofline
from ablation.figures.style import save
from ablation.statistics import summarise
from tests.figures.test_figures import ODD, texts
from tests.synthetic import make_plan, make_runs
from tests.telemetry.studies import observed_runs, unobserved_runs

DRAW = {
    "energy": lambda plan, runs: energy.draw(plan, arms=summarise(runs, plan), runs=runs),
    "roofline": lambda plan, runs: roofline.draw(plan, runs=runs),
}


@pytest.mark.parametrize("name", DRAW)
@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_same_tables_give_the_same_bytes(name, suffix, tmp_path):
    plan = make_plan(simulated=True)
    for copy in ("a", "b"):
        save(DRAW[name](plan, observed_runs(plan)), tmp_path / f"{copy}{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert "SIMULATED" in texts(DRAW[name](plan, observed_runs(plan)))


@pytest.mark.parametrize("name", DRAW)
@pytest.mark.parametrize("odd", ODD)
def test_odd_studies_have_figures(name, odd, tmp_path):
    plan = ODD[odd]()
    save(DRAW[name](plan, observed_runs(plan)), tmp_path / "figure.svg")
    ET.parse(tmp_path / "figure.svg")


def test_energy_shows_means_intervals_and_n():
    plan = make_plan()
    runs = observed_runs(plan)
    figure = DRAW["energy"](plan, runs)
    assert len([ax for ax in figure.axes if ax.get_visible()]) == 4  # two models, two panels each
    assert "AITER on, n = 6" in texts(figure)
    (bars, *_) = figure.axes[0].containers
    arms = summarise(runs, plan)
    rows = arms[(arms["model"] == "gqa-small") & (arms["arm"] == "off")]
    rows = rows[rows["metric"] == "energy_per_output_token_j"]
    assert np.allclose(bars.lines[0].get_ydata(), rows["mean"])
    assert np.allclose(figure.axes[1].containers[0].lines[0].get_ydata(), 600.0)


def test_the_bounds_lie_where_the_runs_say_and_the_share_is_written():
    plan = make_plan()
    runs = observed_runs(plan, effect_percent=0.0)
    figure = DRAW["roofline"](plan, runs)
    memory, compute = figure.axes[0].lines[:2]
    assert memory.get_label() == "bound by memory bandwidth"
    assert np.allclose(memory.get_ydata(), [60, 240, 960])
    assert np.allclose(compute.get_ydata(), [160, 640, 2560])
    own = runs[(runs["model"] == "gqa-small") & (runs["arm"] == "off")]
    share = own[own["concurrency"] == 1]["output_throughput_tok_s"].mean() / 60
    assert f"{100 * share:.0f} %" in texts(figure)


def test_arms_with_bounds_of_their_own_have_lines_of_their_own():
    plan = make_plan()
    runs = observed_runs(plan)
    runs.loc[runs["arm"] == "on", "roofline_memory_tok_s"] *= 1.5
    labels = [line.get_label() for line in DRAW["roofline"](plan, runs).axes[0].lines]
    assert "bound by memory bandwidth, AITER on" in labels
    assert "bound by arithmetic" in labels


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("energy", "Power and energy: not observed: RAPL: only root may read it."),
        ("roofline", "Bounds of throughput: not computed: the launch saw no GPU."),
    ],
)
def test_what_was_not_observed_says_why_in_one_sentence(name, why):
    plan = make_plan()
    assert why in texts(DRAW[name](plan, unobserved_runs(plan))).replace("\n", " ")
    for runs in (make_runs(plan), make_runs(plan).iloc[:0]):
        assert "not observed in these runs" in texts(DRAW[name](plan, runs))
    unusable = observed_runs(plan).assign(usable=False)
    assert len(DRAW[name](plan, unusable).axes) == 1


def test_empty_tables(tmp_path):
    save(energy.draw(make_plan(), arms=DataFrame(), runs=DataFrame()), tmp_path / "a.svg")
    save(roofline.draw(make_plan(), runs=DataFrame()), tmp_path / "b.svg")
