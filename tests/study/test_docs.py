"""What is generated from the typed source must not drift from it."""

import pytest

from ablation.run.gates import Thresholds, defaults
from ablation.study.docs import ROOT, documents
from ablation.study.gates import Gates


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_generated_files_are_fresh(path):
    assert path.read_text(encoding="utf-8") == documents()[path], "run `make docs`"


def test_every_field_is_described():
    text = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    assert "|  |\n" not in text


def test_gates_of_a_study_are_those_of_the_run_room():
    assert {k: v for k, v in Gates().model_dump().items() if k != "treatment"} == defaults()
    assert Thresholds(**defaults()) == Thresholds()
