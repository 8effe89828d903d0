"""The support catalogue: which arms run, under which conditions."""

from pathlib import Path

import pytest

from ablation.study.catalogue import Catalogue, When, read_catalogue
from ablation.study.config import Arm, Study
from ablation.study.load import StudyError, read_study, validate
from ablation.study.situation import Situation
from ablation.study.support import support_of

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
        ("deepseek-v3.2", "gfx950", "0.26.0", ("on",)),
        ("deepseek-v3.2", "gfx950", "0.33.0", ("off", "on")),
        ("llama-3.1-405b", "gfx950", "0.33.0", ("off", "on")),
        ("qwen3-vl-235b", "gfx942", "0.33.0", ("off", "on")),
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


def situation(**known: object) -> Situation:
    settings: dict = {
        "platform": "rocm", "architecture": "gfx942", "vllm": "0.33.0", "tensor_parallel": 8, "quantization": "fp8",
        "attention": "mla", "moe": True, "heads_per_gpu": 8, "env": {"A": "1"}, "args": {"x": "Y"},
    }  # fmt: skip
    return Situation(**(settings | known))


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({"tensor_parallel": [8]}, True),
        ({"tensor_parallel": [4]}, False),
        ({"quantization": ["fp8", "none"]}, True),
        ({"quantization": ["none"]}, False),
        ({"attention": ["mla"]}, True),
        ({"attention": ["sparse-mla"]}, False),
        ({"moe": True}, True),
        ({"moe": False}, False),
        ({"heads_per_gpu": [8, 16]}, True),
        ({"heads_per_gpu_not": [16, 128]}, True),
        ({"heads_per_gpu_not": [8]}, False),
        ({"env": {"A": ["1", "true"]}}, True),
        ({"env": {"A": ["0"]}}, False),
        ({"env": {"B": ["unset"]}}, True),
        ({"env_not": {"A": ["1"]}}, False),
        ({"env_not": {"B": ["1"]}}, True),
        ({"args": {"x": ["y"]}}, True),
        ({"args_not": {"x": ["Y"]}}, False),
        ({"args": {"x": ["y"]}, "env": {"A": ["0"]}}, False),
    ],
)
def test_every_condition(when, holds):
    assert situation().meets(When(**when)) is holds


@pytest.mark.parametrize(
    ("model", "backend", "runs"),
    [
        ("kimi-k2.5", "ROCM_AITER_FA", ()),
        ("kimi-k2.5", "TRITON_MLA", ("on",)),
        ("deepseek-v3.2", "TRITON_ATTN", ()),
        ("llama-3.1-405b", "ROCM_AITER_FA", ("on",)),
        ("llama-3.1-405b", "TRITON_MLA", ()),
    ],
)
def test_a_backend_of_the_wrong_kind_is_impossible(catalogue, study, model, backend, runs):
    there = on(study, architecture="gfx942", vllm="0.33.0")
    there = with_arms(there, on=ON | {"args": {"attention-backend": backend}})
    assert support_of(catalogue, there, model).runs == runs


def test_what_is_not_known_meets_no_condition():
    unknown = situation(quantization=None, attention=None, moe=None, heads_per_gpu=None)
    for when in (
        {"quantization": ["fp8"]},
        {"attention": ["mla"]},
        {"moe": False},
        {"heads_per_gpu": [8]},
        {"heads_per_gpu_not": [16]},
    ):
        assert not unknown.meets(When(**when))


def with_arms(study: Study, **arms: dict) -> Study:
    factor = study.factor.model_copy(update={"arms": {n: Arm(**a) for n, a in arms.items()}})
    return study.model_copy(update={"factor": factor})


OFF, ON = {"env": {"VLLM_ROCM_USE_AITER": "0"}}, {"env": {"VLLM_ROCM_USE_AITER": "1"}}


def test_arms_are_judged_by_their_settings_not_their_names(catalogue, study):
    named = with_arms(study, plain=OFF, plain_again=OFF, tuned=ON, bare={})
    assert support_of(catalogue, named, "deepseek-v3.2").runs == ("tuned",)
    assert support_of(catalogue, named, "kimi-k2.5").runs == ("plain", "plain_again", "bare")


def test_the_treatment_without_the_component_that_fails_is_possible(catalogue, study):
    without_mla = {"env": ON["env"] | {"VLLM_ROCM_USE_AITER_MLA": "0"}}
    arms = with_arms(study, off=OFF, on=ON, without=without_mla)
    assert support_of(catalogue, arms, "kimi-k2.5").runs == ("off", "without")


@pytest.mark.parametrize(
    ("tensor_parallel", "vllm", "runs"),
    [
        (8, "0.17.1", ("off",)),  # 8 heads a GPU
        (2, "0.17.1", ("off",)),  # 32
        (4, "0.17.1", ("off", "on")),  # 16; the statement on gfx942 is not about gfx950
        (8, "0.18.0", ("off", "on")),
    ],
)
def test_heads_per_gpu_decide_over_mla(catalogue, study, tensor_parallel, vllm, runs):
    there = on(study, architecture="gfx950", vllm=vllm)
    kimi = study.models["kimi-k2.5"].model_copy(
        update={"args": {"tensor-parallel-size": tensor_parallel}}
    )
    there = there.model_copy(update={"models": {"kimi-k2.5": kimi}})
    assert support_of(catalogue, there, "kimi-k2.5").runs == runs


def test_sparse_attention_needs_block_size_1_in_0_14(catalogue, study):
    wrong = study.models["deepseek-v3.2"].model_copy(update={"args": {"block-size": 16}})
    changed = study.model_copy(update={"models": {"deepseek-v3.2": wrong}})
    verdict = support_of(catalogue, changed, "deepseek-v3.2")
    assert verdict.runs == ()
    assert "block-size to 1" in verdict.decisions["on"].reason


def test_a_caution_excludes_nothing_and_names_its_arms(catalogue, study):
    forced = ON | {"args": {"attention-backend": "ROCM_AITER_FA"}}
    leak = OFF | {"args": {"attention-backend": "ROCM_AITER_FA"}}
    there = with_arms(
        on(study, architecture="gfx942", vllm="0.33.0"), off=OFF, on=ON, on_fa=forced, leak=leak
    )
    verdict = support_of(catalogue, there, "llama-3.1-405b")
    assert verdict.runs == ("off", "on", "on_fa", "leak")
    said = {caution.arms: caution.reason for caution in verdict.cautions}
    assert "ROCM_ATTN in both" in said[("on",)]
    assert "although VLLM_ROCM_USE_AITER is not on" in said[("leak",)]
    assert not support_of(
        catalogue, study, "llama-3.1-405b"
    ).cautions  # 0.14.1: on means AITER's attention


def test_a_component_that_the_model_lacks_is_said_to_change_nothing(catalogue, study):
    without = {"env": ON["env"] | {"VLLM_ROCM_USE_AITER_MOE": "0"}}
    arms = with_arms(study, on=ON, without=without)
    reasons = [c.reason for c in support_of(catalogue, arms, "llama-3.1-405b").cautions]
    assert reasons == ["The model has no experts, so VLLM_ROCM_USE_AITER_MOE=0 changes nothing."]
    assert not [
        c for c in support_of(catalogue, arms, "deepseek-v3.2").cautions if "MOE" in c.reason
    ]


def test_rules_reach_a_model_of_ones_own(catalogue, study, tmp_path):
    (tmp_path / "config.json").write_text(
        '{"num_attention_heads": 64, "num_hidden_layers": 2, "hidden_size": 64, "kv_lora_rank": 16, "index_topk": 8}'
    )
    mine = study.models["llama-3.1-405b"].model_copy(
        update={"path": str(tmp_path), "args": {"block-size": 1}}
    )
    verdict = support_of(catalogue, study.model_copy(update={"models": {"mine": mine}}), "mine")
    assert (verdict.status, verdict.runs) == ("required", ("on",))


def test_a_statement_must_say_which_arms():
    statement = {"factor": "f", "status": "required", "reason": "because it is", "source": "us all"}
    entry = {"title": "M", "architecture": "a", "support": [statement]}
    with pytest.raises(StudyError, match=r"needs `arms` \(those that run\), or a condition"):
        validate(Catalogue, {"models": {"m": entry}}, "models.yaml")
