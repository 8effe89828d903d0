"""Every figure of the registry: the same bytes from the same tables, and every odd study has them all."""

import json
import xml.etree.ElementTree as ET

import pytest
from pandas import DataFrame

from ablation.figures.registry import FIGURES
from ablation.figures.style import save
from ablation.run.schema import RUN
from tests.figures.drawn import draw, inputs_of, texts, words
from tests.synthetic import make_distributions, make_plan, make_runs, remodel, restudy

EMPTY = {
    "arms": DataFrame(),
    "comparisons": DataFrame(),
    "variability": DataFrame(),
    "distributions": DataFrame(),
    "runs": DataFrame(),
    "sessions": [],
    "published": None,
    "run": [],
}
NOTICES = {
    "difference": "nothing to compare",
    "throughput": "incompatible",
    "pareto": "No usable run",
    "latency": "No usable run has a latency",
    "variability": "No arm has two usable launches",
    "blocks": "No run has left a throughput",
    "published": "names no published table",
    "concurrency": "No run has left its achieved concurrency",
    "timeline": "No run has been measured",
    "startup": "No session has left its evidence",
}


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    plan = make_plan(levels=(1, 4), blocks=3)
    return plan, inputs_of(plan, make_runs(plan), tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_tables_give_the_same_bytes(name, usual, tmp_path):
    for copy in ("a", "b"):
        figure = draw(name, *usual)
        for suffix in (".svg", ".png"):
            save(figure, tmp_path / f"{copy}{suffix}")
    for suffix in (".svg", ".png"):
        first = (tmp_path / f"a{suffix}").read_bytes()
        assert first == (tmp_path / f"b{suffix}").read_bytes()
    ET.parse(tmp_path / "a.svg")
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("name", FIGURES)
def test_simulated_stands_across_the_figure(name, usual):
    plan, inputs = usual
    for kind in ("reference", "vllm"):
        drawn = draw(name, restudy(plan, server={"kind": kind}), inputs)
        assert ("SIMULATED" in texts(drawn)) is (kind == "reference")


ODD = {
    "no comparison": lambda: make_plan(levels=(1, 4), single_only=True),
    "one block": lambda: make_plan(blocks=1),
    "one level": lambda: make_plan(levels=(4,), blocks=3),
    "three arms": lambda: make_plan(levels=(1, 4), blocks=3, arms=("off", "on", "fa")),
    "100 levels": lambda: make_plan(levels=tuple(range(1, 101)), blocks=2),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_studies_have_every_figure(odd, tmp_path):
    plan = ODD[odd]()
    inputs = inputs_of(plan, make_runs(plan), tmp_path)
    for name in FIGURES:
        figure = draw(name, plan, inputs)
        figure.draw_without_rendering()
        assert words(figure)


@pytest.mark.parametrize("name", ["pareto", "concurrency"])
def test_120_levels_do_not_make_a_huge_file(name, tmp_path):
    plan = make_plan(levels=tuple(range(1, 121)), blocks=2)
    save(draw(name, plan, inputs_of(plan, make_runs(plan), tmp_path)), tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").stat().st_size < 250_000


def test_a_missing_block_has_every_figure(tmp_path):
    plan = make_plan(levels=(1, 4), blocks=3)
    runs = make_runs(plan)
    runs = runs[(runs["block"] != 2) | (runs["arm"] != "on")].reset_index(drop=True)
    inputs = inputs_of(plan, runs, tmp_path)
    for name in FIGURES:
        draw(name, plan, inputs).draw_without_rendering()


def test_a_study_without_a_usable_run_has_every_figure(tmp_path):
    plan = make_plan(levels=(1, 4), blocks=3)
    runs = make_runs(plan).assign(usable=False)
    inputs = inputs_of(plan, runs, tmp_path)
    assert make_distributions(runs).empty
    for name in FIGURES:
        draw(name, plan, inputs).draw_without_rendering()
    for name in ("pareto", "latency", "variability"):
        assert NOTICES[name] in words(draw(name, plan, inputs))


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_at_all_is_said_in_a_sentence(name, tmp_path):
    assert set(EMPTY) >= set(FIGURES[name].inputs)
    figure = draw(name, make_plan(), EMPTY)
    if name in NOTICES:
        assert NOTICES[name] in words(figure)
    save(figure, tmp_path / "figure.png")


def test_names_from_the_config_are_no_formulas(tmp_path):
    plan = make_plan(levels=(1, 4), blocks=3)
    plan = remodel(plan, "gqa-small", title=r"$\frac{broken $x_1")
    plan = remodel(plan, "mla-small", title="<script>alert(1)</script>")
    plan = restudy(plan, factor={"arms": {"on": {"label": "_hidden $ & <b>"}}})
    inputs = inputs_of(plan, make_runs(plan), tmp_path)
    for name in FIGURES:
        save(draw(name, plan, inputs), tmp_path / f"{name}.svg")
        assert b"<script" not in (tmp_path / f"{name}.svg").read_bytes()
        ET.parse(tmp_path / f"{name}.svg")


def test_a_synthetic_run_is_of_the_schema(usual):
    import pyarrow.parquet as pq

    schema = pq.read_schema(usual[1]["run"][0])
    assert schema.names == RUN.names
    assert json.loads(schema.metadata[b"ablation"])["schema"] == "ablation.run/2"
