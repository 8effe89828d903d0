"""Arms with weights of their own: what they enter, and what is refused before a launch."""

import json
from types import SimpleNamespace

import pytest
import yaml

from ablation.plan.schedule import Schedule
from ablation.session import preflight as room
from ablation.statistics.noise import same_settings
from ablation.study.catalogue import read_catalogue
from ablation.study.load import StudyError, load_study
from tests.workflow.conftest import ROOT

STUDY_OF_WEIGHTS = {
    "study": "weights",
    "title": "FP8 against BF16",
    "factor": {
        "name": "weights",
        "title": "Weights",
        "baseline": "bf16",
        "arms": {"bf16": {}, "fp8": {"paths": {"llama-mini": "models/fp8"}}},
    },
    "models": {"llama-mini": {}, "qwen-mini": {}},
    "server": {"vllm": "0.32.0", "python": "python-with-vllm"},
}


def schedule(**arms: object) -> Schedule:
    study = json.loads(json.dumps(STUDY_OF_WEIGHTS))
    study["factor"]["arms"] |= arms
    return Schedule(load_study(study, "test"), read_catalogue(ROOT / "config" / "models.yaml"))


def hashes(plan: Schedule, model: str, arm: str) -> list[str]:
    return [h for s in plan.plan.sessions if (s.model, s.arm) == (model, arm)
            for h in (s.session_hash, *(level.run_hash for level in s.levels))]  # fmt: skip


def test_only_the_arms_own_command_and_hash_change():
    with_own, without = schedule(), schedule(fp8={})
    for session in with_own.plan.sessions:
        own = (session.model, session.arm) == ("llama-mini", "fp8")
        location = session.launch.command[session.launch.command.index("--model") + 1]
        assert (location == "models/fp8") == own
    for model in ("llama-mini", "qwen-mini"):
        assert hashes(with_own, model, "bf16") == hashes(without, model, "bf16")
        same = hashes(with_own, model, "fp8") == hashes(without, model, "fp8")
        assert same == (model == "qwen-mini")


def test_other_weights_are_another_setting():
    assert same_settings(schedule().plan) == []
    assert same_settings(schedule(fp8={}).plan) == ["fp8"]


def test_a_miniature_is_made_for_the_arms_that_use_it():
    plan = schedule()
    assert len(plan.model_files(SimpleNamespace(model="llama-mini"))) == 1
    both = {"bf16": {"paths": {"llama-mini": "models/bf16"}}}
    assert schedule(**both).model_files(SimpleNamespace(model="llama-mini")) == []


def test_the_preflight_looks_for_the_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = SimpleNamespace(python_version="3.12", vllm="0.32.0", variables=frozenset())
    monkeypatch.setattr(room, "find_installation", lambda _: found)
    monkeypatch.setattr(room, "check_arguments", lambda *_: {"checked": 0})
    plan = schedule()
    (tmp_path / "models" / "fp8").mkdir(parents=True)
    with pytest.raises(
        StudyError, match=r"factor\.arms\.fp8\.paths\.llama-mini: models/fp8: no config\.json there"
    ):
        room.preflight(plan.study, plan.plan, plan.entries)
    (tmp_path / "models" / "fp8" / "config.json").write_text("{}")
    assert room.preflight(plan.study, plan.plan, plan.entries)["vllm"] == "0.32.0"
    assert schedule(fp8={}).preflight_subject() != plan.preflight_subject()


def test_a_model_that_is_not_in_the_study():
    with pytest.raises(StudyError, match=r"factor\.arms\.fp8\.paths: 'llama' is not one of"):
        schedule(fp8={"paths": {"llama": "models/fp8"}})


def test_the_study_with_a_planted_error_plans():
    config = yaml.safe_load((ROOT / "config" / "studies" / "planted-error.yaml").read_text())
    plan = Schedule.from_config(config).plan
    assert plan.models["smollm2-135m"].locations == {
        "exact": "resources/models/smollm2-135m",
        "perturbed": "resources/models/smollm2-135m-perturbed",
        "exact-again": "resources/models/smollm2-135m",
    }
    assert {s.questions.prompts for s in plan.sessions} == {40}
    assert same_settings(plan) == ["exact-again"]
