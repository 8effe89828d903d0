"""Studies with one thing wrong: accepted rightly, or refused with the file, the field and a remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ablation.errors import UserError
from ablation.plan.build import build_plan
from ablation.plan.plan import plan_json
from ablation.study.catalogue import Catalogue, entry_of, read_catalogue
from ablation.study.config import Study
from ablation.study.load import StudyError, load_study, read_yaml
from ablation.study.oversights import oversights
from tests.study.mutations import BASE, ROOT, TOKEN, mutated, mutated_texts

SEED, VALUES, TEXTS = 12, 700, 300
CATALOGUE: Catalogue = read_catalogue(ROOT / "config" / "models.yaml")
# Pydantic's and Python's own words, which say nothing to somebody who writes YAML.
INTERNALS = re.compile(
    r"Input should|function-(after|before|wrap|plain)|constrained-|literal\[|(union|dict|list|set|tuple)\[|instance of"
    r"|pydantic|validation error|Traceback|<class|NoneType|Value error|discriminator|object has no|unhashable|\[key\]"
    r"|unicode string|byte string|safe_load"
)


def is_well_said(message: str, source: str) -> None:
    assert not INTERNALS.search(message), message
    assert TOKEN not in message
    assert "user:pass" not in message
    assert len(message) < 8000
    for line in message.splitlines():
        assert line.startswith(source), message


def planned(study) -> None:
    """What was accepted can be planned, and its plan is JSON that any program reads."""
    try:
        plan = build_plan(study, CATALOGUE)
    except UserError:
        return
    text = plan_json(plan)
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in plan.json"))
    assert TOKEN not in text
    oversights(study, {m: entry_of(CATALOGUE, study, m) for m in study.models}, ())


def test_the_study_to_be_spoilt_is_right():
    planned(load_study(BASE, "study.yaml"))


def read(study: Mapping[str, Any], source: str) -> tuple[Study | None, str]:
    """The study, or why it is refused."""
    try:
        return load_study(study, source), ""
    except StudyError as error:
        return None, str(error)


def test_one_value_in_the_place_of_another():
    wrong, refused = [], 0
    for mutation in mutated(SEED, VALUES):
        study, message = read(mutation.study, "study.yaml")
        if study is None:
            refused += 1
            is_well_said(message, "study.yaml: ")
            if mutation.right is True or str(mutation.path[0]) not in message:
                wrong.append(f"{mutation}: refused: {message[:300]}")
        else:
            planned(study)
            if mutation.right is False:
                wrong.append(f"{mutation}: accepted")
    assert not wrong, "\n".join(wrong)
    assert 300 < refused < VALUES - 100


@pytest.fixture(scope="module")
def texts() -> list[str]:
    shipped = [
        ROOT / "config" / "config.yaml",
        *sorted((ROOT / "config" / "studies").glob("*.yaml")),
    ]
    return [yaml.safe_dump(BASE, sort_keys=False), *(path.read_text() for path in shipped)]


def test_accidents_of_an_editor(tmp_path: Path, texts: list[str]):
    refused = 0
    path = tmp_path / "study.yaml"
    for text in mutated_texts(SEED, TEXTS, texts):
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            study = load_study(read_yaml(path), str(path))
        except StudyError as error:
            is_well_said(str(error), str(path))
            refused += 1
        else:
            planned(study)
    assert refused > 100
