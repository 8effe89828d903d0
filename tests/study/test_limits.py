"""What cannot work is refused at planning, with model, arm, GPU, reason and source; what is doubtful warns."""

import json
from pathlib import Path

import pytest

from ablation.plan.build import build_plan
from ablation.plan.plan import plan_json
from ablation.plan.text import plan_text
from ablation.study.catalogue import read_catalogue
from ablation.study.config import Study
from ablation.study.load import StudyError, read_study

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = read_catalogue(ROOT / "config" / "models.yaml")
FULL = read_study(ROOT / "config" / "studies" / "aiter-mi325x.yaml")


def study_of(model: str, *, hardware: dict | None = None, vllm: str = "0.14.1", **changes) -> Study:
    asked = FULL.models[model].model_copy(update=changes)
    return FULL.model_copy(
        update={
            "models": {model: asked},
            "hardware": FULL.hardware.model_copy(update=hardware or {}),
            "server": FULL.server.model_copy(update={"vllm": vllm}),
        }
    )


def refusal(study: Study) -> str:
    with pytest.raises(StudyError) as error:
        build_plan(study, CATALOGUE)
    return str(error.value)


def warnings(study: Study) -> str:
    return "\n".join(build_plan(study, CATALOGUE).warnings)


def test_heads_that_cannot_be_split():
    text = refusal(study_of("kimi-k2.5", args={"tensor-parallel-size": 6}))
    assert "models.kimi-k2.5 (off) on AMD Instinct MI325X: 64 attention heads" in text
    assert "over 6 GPUs" in text
    assert "config.json of moonshotai/Kimi-K2.5" in text
    assert "models.M.limits: warn" in text


def test_key_value_heads_that_can_neither_be_split_nor_repeated(tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"num_attention_heads": 24, "num_key_value_heads": 6, "num_hidden_layers": 2,
                    "hidden_size": 1536, "vocab_size": 1000, "intermediate_size": 64})
    )  # fmt: skip
    text = refusal(study_of("llama-3.1-405b", path=str(tmp_path), args={"tensor-parallel-size": 4}))
    assert "6 key/value heads can neither be split nor repeated evenly over 4 GPUs" in text


FP8_QWEN = (CATALOGUE.models["qwen3-vl-235b"].config or {}) | {
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}
}


@pytest.fixture
def fp8_qwen(tmp_path) -> str:
    (tmp_path / "config.json").write_text(json.dumps(FP8_QWEN))
    return str(tmp_path)


def test_fp8_blocks_that_tensor_parallelism_would_cut(fp8_qwen):
    text = refusal(study_of("qwen3-vl-235b", path=fp8_qwen))
    assert "a routed expert has 1536 intermediate rows, 192 a GPU at tensor-parallel-size 8" in text
    assert "not a multiple of 128" in text
    assert "enable-expert-parallel" in text
    assert "issue 17569" in text


@pytest.mark.parametrize(
    "args",
    [{"enable-expert-parallel": True}, {"tensor-parallel-size": 4}],
    ids=["whole experts", "fewer GPUs"],
)
def test_the_remedies_for_cut_blocks_are_accepted(fp8_qwen, args):
    assert "intermediate rows" not in warnings(study_of("qwen3-vl-235b", path=fp8_qwen, args=args))


def test_a_current_vllm_makes_cut_blocks_of_experts_a_doubt(fp8_qwen):
    assert "refines the scales" in warnings(study_of("qwen3-vl-235b", path=fp8_qwen, vllm="0.33.0"))


def test_shared_experts_are_refused_by_every_version(tmp_path):
    config = (CATALOGUE.models["deepseek-v3.2"].config or {}) | {"moe_intermediate_size": 1536}
    (tmp_path / "config.json").write_text(json.dumps(config))
    text = refusal(study_of("deepseek-v3.2", path=str(tmp_path), vllm="0.33.0"))
    assert "a shared expert has 1536 intermediate rows, 192 a GPU" in text


def test_weights_that_do_not_fit():
    text = refusal(
        study_of(
            "kimi-k2.5",
            hardware={"gpu": "NVIDIA H100 80GB HBM3", "architecture": "sm_90", "platform": "cuda"},
        )
    )
    assert (
        "the weights alone take 140 GiB a GPU of 73 GiB (92% of 79.6 GiB, NVIDIA H100 SXM)" in text
    )
    assert "config/gpus.yaml (NVIDIA H100 data sheet" in text


def test_a_kv_cache_that_cannot_hold_one_request():
    text = refusal(
        study_of(
            "kimi-k2.5",
            hardware={"gpu": "AMD Instinct MI300X"},
            args={"tensor-parallel-size": 4, "max-model-len": 1000000},
        )
    )
    assert "the KV cache of one request of max-model-len 1000000" in text


def test_a_level_that_the_kv_cache_cannot_hold_is_doubtful():
    text = warnings(study_of("kimi-k2.5", hardware={"gpu": "AMD Instinct MI300X"}))
    assert "at level 500 at most" in text
    assert "wait inside the server" in text


def test_an_architecture_stands_for_its_largest_gpu():
    small = study_of("kimi-k2.5", hardware={"gpu": None}, args={"tensor-parallel-size": 2})
    assert "the largest gfx942 in config/gpus.yaml" in refusal(small)
    assert build_plan(study_of("kimi-k2.5", hardware={"gpu": None}), CATALOGUE).sessions


def test_an_unknown_gpu_refuses_nothing():
    plan = build_plan(study_of("kimi-k2.5", hardware={"gpu": "Some GPU"}), CATALOGUE)
    assert plan.models["kimi-k2.5"].computed["off"].gpu_memory_gib is None


def test_more_gpus_than_the_host_has():
    assert "needs 8 GPUs (tensor x pipeline x data), the host has 4" in refusal(
        study_of("llama-3.1-405b", hardware={"gpus": 4})
    )


def test_who_knows_better_may_go_on(fp8_qwen):
    text = warnings(study_of("qwen3-vl-235b", path=fp8_qwen, limits="warn"))
    assert "not a multiple of 128" in text


def test_a_folder_that_cannot_be_seen_leaves_the_quantization_open():
    """Heads are those of the catalogue's model, memory is not computed."""
    plan = build_plan(
        study_of("kimi-k2.5", path="/models/kimi", args={"tensor-parallel-size": 4}), CATALOGUE
    )
    computed = plan.models["kimi-k2.5"].computed["off"]
    assert computed.heads_per_gpu == 16
    assert computed.weights_gib is None


def test_a_config_json_that_is_none(tmp_path):
    (tmp_path / "config.json").write_text("{")
    assert "config.json: cannot be read" in refusal(study_of("llama-3.1-405b", path=str(tmp_path)))


def test_a_parallel_size_of_nothing():
    assert "tensor-parallel-size: 0 is less than 1" in refusal(
        study_of("llama-3.1-405b", args={"tensor-parallel-size": 0})
    )


def test_the_published_study_passes_and_the_plan_says_what_was_computed():
    plan = build_plan(FULL, CATALOGUE)
    computed = plan.models["kimi-k2.5"].computed["off"]
    assert computed.heads_per_gpu == 16
    assert computed.weights_gib == pytest.approx(140.1, abs=0.1)
    assert "16 heads and 1 key/value heads a GPU, weights 140 of 256 GiB" in plan_text(plan)
    assert (
        json.loads(plan_json(plan))["models"]["kimi-k2.5"]["computed"]["off"]["heads_per_gpu"] == 16
    )
