"""Workloads of one's own: distributions, prompt files, images."""

import json

import pytest

from ablation.errors import UserError
from ablation.plan.build import build_plan
from ablation.plan.text import plan_text
from ablation.session.load import load_spec
from ablation.study.catalogue import Catalogue
from ablation.study.load import StudyError, load_study

CATALOGUE = Catalogue(models={})


def plan_of(**workload: object) -> dict:
    study = {
        "study": "s",
        "title": "S",
        "factor": {"name": "f", "title": "F", "baseline": "a", "arms": {"a": {}, "b": {}}},
        "models": {"m": {"path": "/m", "vocabulary": 1000}},
        "server": {"vllm": "0.32.0"},
        "design": {"blocks": 1, "levels": [2]},
        "workload": workload,
    }
    return build_plan(load_study(study, "study.yaml"), CATALOGUE)


def load_of(plan: dict) -> dict:
    return plan.sessions[0].levels[0].load


def test_distributed_lengths_reach_the_client():
    lognormal = {"kind": "lognormal", "median": 50, "sigma": 0.3, "high": 400}
    plan = plan_of(input_tokens=lognormal, output_tokens={"kind": "uniform", "low": 8, "high": 24})
    spec = load_spec("http://127.0.0.1:1", "m", load_of(plan))
    assert (spec.workload.isl.kind, spec.workload.isl.mean, spec.workload.isl.high) == (
        "lognormal",
        50,
        400,
    )
    assert (spec.workload.osl.kind, spec.workload.osl.low, spec.workload.osl.high) == (
        "uniform",
        8,
        24,
    )
    assert "1 to 400 (lognormal) input and 8 to 24 (uniform) output tokens" in plan_text(plan)


def test_an_image_reaches_the_client():
    plan = plan_of(route="chat", image={"width": 64, "height": 32})
    spec = load_spec("http://127.0.0.1:1", "m", load_of(plan))
    assert spec.workload.image is not None
    assert (spec.workload.image.width, spec.workload.image.height) == (64, 32)


@pytest.mark.parametrize(
    ("workload", "words"),
    [
        ({"image": {"width": 64, "height": 32}}, "needs route: chat"),
        ({"output_tokens": {"kind": "uniform", "low": 9, "high": 8}}, "low 9 is more than high 8"),
        ({"output_tokens": {"kind": "lognormal", "high": 8}}, "needs its median"),
    ],
)
def test_workloads_that_cannot_be(workload, words):
    with pytest.raises(StudyError, match=words):
        plan_of(**workload)


def test_a_prompt_file_is_part_of_the_address(tmp_path):
    file = tmp_path / "prompts.jsonl"
    file.write_text(json.dumps({"prompt": [5, 6, 7], "output_tokens": 4}) + "\n")
    first = plan_of(prompts=str(file))
    assert load_of(first).prompts
    file.write_text(json.dumps({"prompt": [5, 6, 8], "output_tokens": 4}) + "\n")
    second = plan_of(prompts=str(file))
    assert first.sessions[0].levels[0].run_hash != second.sessions[0].levels[0].run_hash


def test_a_bad_line_of_a_prompt_file_is_refused_at_planning(tmp_path):
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "hello", "output_tokens": 4}\n{"promt": "hello"}\n')
    with pytest.raises(UserError, match=r"prompts\.jsonl.*2"):
        plan_of(prompts=str(file))
