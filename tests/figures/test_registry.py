"""Every registered figure has its module, its caption and its rule, and they agree."""

import inspect
from pathlib import Path

import pytest

from ablation.figures import inputs
from ablation.figures.registry import FIGURES, drawing

WORKFLOW = Path(__file__).parents[2] / "workflow"


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_whole(name):
    taken = [
        parameter.name
        for parameter in inspect.signature(drawing(name)).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
    ]
    assert sorted(taken) == sorted(FIGURES[name].inputs)
    assert (WORKFLOW / "report" / f"{name}.rst").read_text(encoding="utf-8").strip()
    rules = (WORKFLOW / "rules" / "figures.smk").read_text(encoding="utf-8")
    rule = rules.split(f"{name}_figure")[1].split("\nrule ")[0].split("\nuse rule ")[0]
    assert f'figure="{name}"' in rule
    for given in FIGURES[name].inputs:
        assert f"{given}=" in rule


def test_an_unknown_figure_is_said():
    with pytest.raises(KeyError, match="no figure 'bars'"):
        drawing("bars")


def test_one_path_and_several_are_read_alike(tmp_path):
    assert inputs.paths("a") == [Path("a")]
    assert inputs.paths(["a", tmp_path]) == [Path("a"), tmp_path]
