"""One spelling of server arguments: nothing of the workflow can be gone around by another."""

from pathlib import Path

import pytest

from ablation.plan.build import build_plan
from ablation.study.catalogue import When, read_catalogue
from ablation.study.load import StudyError, load_study, read_yaml
from ablation.study.spelling import RESERVED, canonical, whole_number

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = read_catalogue(ROOT / "config" / "models.yaml")


def full(**parts: object) -> dict:
    return read_yaml(ROOT / "config" / "studies" / "aiter-mi325x.yaml") | parts


def planned(args: dict, **parts: object):
    study = full(models={"llama-3.1-405b": {"args": args}}, **parts)
    return build_plan(load_study(study, "study.yaml"), CATALOGUE)


@pytest.mark.parametrize(
    "args",
    [
        {"tensor-parallel-size": 4, "pipeline-parallel-size": 2},
        {"tensor_parallel_size": 4, "pipeline_parallel_size": 2},
        {"tensor-parallel_size": "4", "pp": "2"},
        {"tp": 4, "pp": 2},
    ],
)
def test_every_spelling_counts_the_same_gpus_and_has_the_same_address(args):
    plan = planned(args)
    usual = planned({"tensor-parallel-size": 4, "pipeline-parallel-size": 2})
    assert {s.launch.gpus for s in plan.sessions} == {8}
    assert plan.gpu_hours == usual.gpu_hours > 0
    assert [s.session_hash for s in plan.sessions] == [s.session_hash for s in usual.sessions]
    assert plan.models["llama-3.1-405b"].computed["off"].heads_per_gpu == 32


def test_an_underscore_overlays_what_the_catalogue_says_with_a_dash():
    words = planned({"tensor_parallel_size": 4}).sessions[0].launch.command
    assert words.count("--tensor-parallel-size") == 1
    assert not any("_size" in word for word in words)


@pytest.mark.parametrize("value", [0, -1, "-1", True, 1.5, "eight", [8]])
def test_a_size_that_counts_no_gpus_is_refused(value):
    with pytest.raises(StudyError, match="tensor-parallel-size"):
        planned({"tensor_parallel_size": value})


@pytest.mark.parametrize("name", [*RESERVED, *(n.replace("-", "_") for n in RESERVED if "-" in n)])
def test_what_the_workflow_sets_cannot_be_set_in_any_spelling(name):
    with pytest.raises(StudyError, match=f"{name}: set by the workflow"):
        planned({name: "x"})


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"max_model_len": 1, "max-model-len": 2}, "max-model-len: the same argument as 'max_model_len'"),
        ({"tp": 1, "tensor-parallel-size": 2}, "the same argument as 'tp'"),
        ({"enforce-eager": True, "no_enforce_eager": True}, "the same argument as 'enforce-eager'"),
        ({"--dtype": "half"}, "without the dashes"),
        ({"Tensor-Parallel-Size": 8}, "lower-case letters"),
        ({"max model len": 8}, "lower-case letters"),
        ({"": 8}, "lower-case letters"),
    ],
)  # fmt: skip
def test_what_is_written_twice_or_wrongly_is_refused(args, words):
    with pytest.raises(StudyError, match=words):
        planned(args)


def test_the_no_form_and_false_are_the_same():
    assert canonical({"no_enable_prefix_caching": True}) == {"enable-prefix-caching": False}
    assert canonical({"no-enable-prefix-caching": False}) == {"enable-prefix-caching": True}
    assert canonical({"no-enable-prefix-caching": None}) == {"enable-prefix-caching": None}
    # The arm takes away what the server's layer set, whichever form each used.
    plan = planned({}, server={"vllm": "0.14.1", "args": {"no_enable_prefix_caching": True}})
    assert "--no-enable-prefix-caching" in plan.sessions[0].launch.command


def test_only_the_part_before_the_first_dot_is_respelled():
    assert canonical({"compilation_config.cudagraph_mode": "NONE"}) == {
        "compilation-config.cudagraph_mode": "NONE"
    }


def test_the_catalogues_conditions_are_in_the_same_spelling():
    when = When.model_validate({"args": {"attention_backend": ["X"]}, "args_not": {"tp": ["8"]}})
    assert when.args == {"attention-backend": ["X"]}
    assert when.args_not == {"tensor-parallel-size": ["8"]}


def test_a_number_in_text_is_counted():
    assert whole_number({"n": " 8 "}, "n") == 8
    assert whole_number({}, "n") == 1
    with pytest.raises(ValueError, match="not a whole number"):
        whole_number({"n": "٨"}, "n")
