"""A study's fields: what is refused, and in which words."""

from pathlib import Path

import pytest

from ablation.study.config import Study
from ablation.study.load import StudyError, load_study, read_study

ROOT = Path(__file__).resolve().parents[2]
STUDIES = [ROOT / "config" / "config.yaml", *sorted((ROOT / "config" / "studies").glob("*.yaml"))]


def minimal(**changes: object) -> dict:
    study = {
        "study": "small",
        "title": "A small study",
        "factor": {
            "name": "speed",
            "title": "Speed",
            "baseline": "slow",
            "arms": {"slow": {}, "fast": {"env": {"FAST": 1}}},
        },
        "models": {"m": {"path": "/models/m"}},
        "server": {"vllm": "0.32.0"},
    }
    return study | changes


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_shipped_studies_are_valid(path):
    assert isinstance(read_study(path), Study)


def test_numbers_in_the_environment_become_text():
    study = load_study(minimal(), "study.yaml")
    assert study.factor.arms["fast"].env == {"FAST": "1"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"titel": "x"}, ["study.yaml", "titel", "did you mean 'title'"]),
        ({"workload": {"input_token": 8}}, ["workload.input_token", "did you mean 'input_tokens'"]),
        ({"models": {"m": {"pth": "x"}}}, ["models.m.pth", "did you mean 'path'"]),
        ({"design": {"levels": [4, 1]}}, ["design.levels", "must ascend", "[1, 4]"]),
        ({"design": {"levels": []}}, ["design.levels"]),
        ({"design": {"blocks": 0}}, ["design.blocks", "value: 0"]),
        ({"workload": {"requests": {"per_level": 1}}}, ["workload.requests.per_level", "value: 1"]),
        ({"models": {}}, ["models"]),
        ({"models": {"m": {"path": "x", "arms": ["fats"]}}}, ["models.m.arms", "'fats'"]),
        ({"study": "a/b"}, ["study", "'a/b'"]),
        ({"server": {}}, ["server.vllm", "required"]),
    ],
)
def test_a_fault_names_file_field_value_and_remedy(change, words):
    with pytest.raises(StudyError) as error:
        load_study(minimal(**change), "study.yaml")
    for word in words:
        assert word in str(error.value)


def test_all_faults_are_told_at_once():
    with pytest.raises(StudyError) as error:
        load_study(minimal(titel="x", design={"blocks": 0}), "study.yaml")
    assert len(str(error.value).splitlines()) == 2


def arm(**settings: object) -> dict:
    return {"name": "f", "title": "F", "baseline": "a", "arms": {"a": settings}}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"env": {"HF_TOKEN": "hf_123"}}, ["HF_TOKEN", "server.pass_env"]),
        ({"env": {"USE_IT": True}}, ["USE_IT", "boolean", "quotes"]),
        ({"args": {"--port": 1}}, ["--port", "without the dashes"]),
        ({"args": {"port": 1}}, ["port", "set by the workflow"]),
        ({"evidence": "("}, ["evidence", "not a regular expression"]),
    ],
)
def test_arm_settings_that_cannot_be(settings, words):
    with pytest.raises(StudyError) as error:
        load_study(minimal(factor=arm(**settings)), "study.yaml")
    for word in words:
        assert word in str(error.value)
    assert "hf_123" not in str(error.value)


def test_baseline_must_be_an_arm():
    factor = arm() | {"baseline": "b"}
    with pytest.raises(StudyError, match="'b' is not one of the arms"):
        load_study(minimal(factor=factor), "study.yaml")


def test_bare_on_and_off_are_explained():
    factor = {"name": "f", "title": "F", "baseline": "off", "arms": {False: {}, True: {}}}
    with pytest.raises(StudyError, match="in quotes"):
        load_study(minimal(factor=factor), "study.yaml")


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "\xff"])
def test_a_file_that_is_no_mapping(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(StudyError, match=r"study\.yaml"):
        read_study(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(StudyError, match="no such file"):
        read_study(tmp_path / "none.yaml")
