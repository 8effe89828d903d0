"""The support catalogue: which arms run, under which conditions."""

from pathlib import Path

import pytest

from ablation.study.catalogue import Catalogue, When, read_catalogue, support_of
from ablation.study.config import Hardware, Study
from ablation.study.load import StudyError, read_study, validate

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue(ROOT / "config" / "models.yaml")


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study(ROOT / "config" / "studies" / "aiter-mi325x.yaml")


def on(study: Study, *, architecture: str, vllm: str) -> Study:
    hardware = study.hardware.model_copy(update={"architecture": architecture})
    server = study.server.model_copy(update={"vllm": vllm})
    return study.model_copy(update={"hardware": hardware, "server": server})


@pytest.mark.parametrize(
    ("model", "status", "runs"),
    [
        ("llama-3.1-405b", "toggle", ("off", "on")),
        ("deepseek-v3.2", "required", ("on",)),
        ("kimi-k2.5", "incompatible", ("off",)),
        ("qwen3-vl-235b", "default", ("off",)),
    ],
)
def test_the_published_study(catalogue, study, model, status, runs):
    verdict = support_of(catalogue, study, model)
    assert (verdict.status, verdict.runs) == (status, runs)
    assert verdict.reason
    assert verdict.source


@pytest.mark.parametrize(
    ("model", "architecture", "vllm", "runs"),
    [
        ("kimi-k2.5", "gfx942", "0.17.1", ("off",)),
        ("kimi-k2.5", "gfx942", "0.18.0", ("off", "on")),
        ("kimi-k2.5", "gfx942", "0.33.0+rocm", ("off", "on")),
        ("deepseek-v3.2", "gfx942", "0.33.0", ("on",)),
        ("deepseek-v3.2", "gfx950", "0.14.1", ("on",)),
        ("deepseek-v3.2", "gfx950", "0.33.0", ("off", "on")),
    ],
)
def test_an_answer_holds_only_under_its_conditions(
    catalogue, study, model, architecture, vllm, runs
):
    changed = on(study, architecture=architecture, vllm=vllm)
    assert support_of(catalogue, changed, model).runs == runs


def test_a_study_may_ask_for_fewer_arms(catalogue, study):
    models = {"llama-3.1-405b": study.models["llama-3.1-405b"].model_copy(update={"arms": ["on"]})}
    changed = study.model_copy(update={"models": models})
    assert support_of(catalogue, changed, "llama-3.1-405b").runs == ("on",)


def test_a_model_of_ones_own_runs_every_arm(catalogue, study):
    mine = study.models["llama-3.1-405b"].model_copy(update={"path": "/models/mine"})
    changed = study.model_copy(update={"models": {"mine": mine}})
    verdict = support_of(catalogue, changed, "mine")
    assert verdict.status == "toggle"
    assert verdict.runs == ("off", "on")


def test_a_model_that_nobody_knows(catalogue, study):
    changed = study.model_copy(update={"models": {"mine": study.models["llama-3.1-405b"]}})
    with pytest.raises(StudyError, match=r"models\.mine: 'mine' is not in config/models\.yaml"):
        support_of(catalogue, changed, "mine")


def test_conditions_are_said_in_words():
    assert str(When()) == "always"
    assert str(When(architecture=["gfx942"], vllm="<0.18")) == "architecture gfx942; vLLM <0.18"


def test_a_version_range_that_is_none():
    data = {
        "models": {
            "m": {
                "title": "M",
                "architecture": "a",
                "support": [
                    {
                        "factor": "f",
                        "status": "toggle",
                        "when": {"vllm": "0.18 or so"},
                        "reason": "because it is",
                        "source": "us all",
                    }
                ],
            }
        }
    }
    with pytest.raises(StudyError, match="not a version range"):
        validate(Catalogue, data, "models.yaml")


def test_tensor_parallel_is_a_condition():
    when = When(tensor_parallel=[4])
    assert when.holds(Hardware(), "0.18.0", 4)
    assert not when.holds(Hardware(), "0.18.0", 8)
