"""Heads, weights and KV cache of one GPU, counted from config.json."""

from pathlib import Path

import pytest

from ablation.roofline.traffic import traffic
from ablation.study.catalogue import read_catalogue
from ablation.study.footprint import Parallel, footprint
from ablation.study.shape import GIB, Shape, shape_of

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = read_catalogue(ROOT / "config" / "models.yaml")


def shape(model: str) -> Shape:
    config = CATALOGUE.models[model].config
    assert config is not None
    found = shape_of(config, "here")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("model", "tensor", "attention", "heads", "kv_heads"),
    [
        ("llama-3.1-405b", 8, "gqa", 16, 1),
        ("llama-3.1-405b", 4, "gqa", 32, 2),
        ("deepseek-v3.2", 8, "sparse-mla", 16, 1),
        ("kimi-k2.5", 4, "mla", 16, 1),
        ("kimi-k2.5", 8, "mla", 8, 1),
        ("qwen3-vl-235b", 4, "gqa", 16, 1),
        ("qwen3-vl-235b", 8, "gqa", 8, 1),  # 4 key/value heads: each on two GPUs
    ],
)
def test_heads_of_one_gpu(model, tensor, attention, heads, kv_heads):
    of = footprint(shape(model), Parallel(tensor))
    assert shape(model).attention == attention
    assert (of.heads, of.kv_heads) == (heads, kv_heads)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [("deepseek-v3.2", 671e9), ("kimi-k2.5", 1.03e12), ("qwen3-vl-235b", 235.7e9)],
)
def test_parameters_add_up_to_what_the_makers_state(model, parameters):
    """Counted at a byte a parameter. Llama is left out: see the next test."""
    plain = dict(CATALOGUE.models[model].config or {}) | {"quantization_config": None}
    if "text_config" in plain:
        plain["text_config"] = plain["text_config"] | {"quantization_config": None}
    found = shape_of(plain, "here")
    assert found is not None
    of = footprint(found, Parallel(), element_bytes=1)
    assert of.weights_bytes == pytest.approx(parameters, rel=0.01)


def test_llama_has_405_billion_and_keeps_attention_in_bf16():
    plain = dict(CATALOGUE.models["llama-3.1-405b"].config or {}) | {"quantization_config": None}
    found = shape_of(plain, "here")
    assert found is not None
    assert footprint(found, Parallel(), element_bytes=1).weights_bytes == pytest.approx(
        405.85e9, rel=1e-3
    )
    online = footprint(found, Parallel(8), quantized_online=True)
    stored = footprint(shape("llama-3.1-405b"), Parallel(8))
    assert online.weights_bytes is not None
    assert stored.weights_bytes is not None
    # attention of 126 layers, the MLPs of two, at two bytes in place of one, over 8 GPUs
    attention = 126 * (2 * 16384 * 16384 + 2 * 16384 * 1024)
    mlp = 2 * 3 * 16384 * 53248
    assert stored.weights_bytes - online.weights_bytes == pytest.approx((attention + mlp) / 8)


def test_kimi_against_what_vllm_reported():
    """145.27 GiB a GPU at TP 4 (AITER Ablation Study): the count is a lower bound, and a close one."""
    weights = footprint(shape("kimi-k2.5"), Parallel(4)).weights_bytes
    assert weights is not None
    assert 0.95 * 145.27 < weights / GIB < 145.27


def test_kv_cache_of_a_token():
    # 2 x 1 head x 128 x 2 bytes x 126 layers
    assert footprint(shape("llama-3.1-405b"), Parallel(8)).kv_bytes_per_token == 64512
    # latent and rotary part, whole on each GPU
    assert footprint(shape("kimi-k2.5"), Parallel(8)).kv_bytes_per_token == 576 * 2 * 61
    # and the indexer's keys: 128 bytes and a scale
    assert footprint(shape("deepseek-v3.2"), Parallel(8)).kv_bytes_per_token == (1152 + 132) * 61
    half = footprint(shape("llama-3.1-405b"), Parallel(8), kv_element_bytes=1)
    assert half.kv_bytes_per_token == 32256
    staged = footprint(shape("llama-3.1-405b"), Parallel(4, pipeline=2))
    assert staged.kv_bytes_per_token == 64512


def test_whole_experts_take_as_much_as_cut_ones():
    cut, whole = (
        footprint(shape("qwen3-vl-235b"), Parallel(8, experts_whole=whole)).weights_bytes
        for whole in (False, True)
    )
    assert cut == whole


def test_a_format_whose_size_is_not_known():
    config = {
        "num_attention_heads": 8, "num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 128,
        "vocab_size": 100, "quantization_config": {"quant_method": "quark"},
    }  # fmt: skip
    found = shape_of(config, "here")
    assert found is not None
    assert found.quantization == "quark"
    assert footprint(found, Parallel()).weights_bytes is None


def weights_gb(**config: object) -> float | None:
    plain = {
        "num_attention_heads": 8, "num_hidden_layers": 4, "hidden_size": 1024, "intermediate_size": 4096,
        "vocab_size": 1000, "tie_word_embeddings": True,
    }  # fmt: skip
    found = shape_of(plain | config, "here")
    assert found is not None
    of = footprint(found, Parallel()).weights_bytes
    return of if of is None else of / 1e9


def test_what_is_not_there_is_not_counted():
    """A lower bound must not be too high: it refuses."""
    gated, plain = weights_gb(hidden_act="silu"), weights_gb(hidden_act="relu2")
    assert gated is not None
    assert plain is not None
    assert gated - plain == pytest.approx(4 * 1024 * 4096 * 2 / 1e9)
    all_layers = weights_gb(num_local_experts=16)
    half = weights_gb(num_local_experts=16, interleave_moe_layer_step=2)
    assert all_layers is not None
    assert half is not None
    # two layers with 16 experts in place of one MLP, and their routers
    assert all_layers - half == pytest.approx(2 * (15 * 3 * 4096 + 16) * 1024 * 2 / 1e9)
    # Experts that no layer has
    assert weights_gb(n_routed_experts=8, first_k_dense_replace=4) == weights_gb()


@pytest.mark.parametrize(
    "config",
    [
        {"hidden_act": "silu"},
        {"hidden_act": "gelu"},
        {"hidden_act": "gelu", "num_experts": 8, "num_experts_per_tok": 8, "moe_intermediate_size": 512},
        {"hidden_act": "silu", "num_experts": 8, "num_experts_per_tok": 8, "moe_intermediate_size": 512,
         "n_shared_experts": 1, "first_k_dense_replace": 2},
        {"kv_lora_rank": 64, "q_lora_rank": 96, "qk_rope_head_dim": 16, "qk_nope_head_dim": 32, "v_head_dim": 32,
         "index_topk": 8, "index_n_heads": 4, "index_head_dim": 32},
        {"kv_lora_rank": 64, "qk_rope_head_dim": 16, "qk_nope_head_dim": 32, "v_head_dim": 32},
    ],
)  # fmt: skip
def test_memory_and_traffic_count_the_same_parameters(config):
    """A roofline said three matrices of a gelu MLP, and the memory of a GPU two."""
    plain = {
        "num_attention_heads": 8, "num_key_value_heads": 2, "num_hidden_layers": 4, "hidden_size": 1024,
        "intermediate_size": 4096, "vocab_size": 1000, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
    } | config  # fmt: skip
    found = shape_of(plain, "here")
    assert found is not None
    head = 1000 * 1024
    weights = footprint(found, Parallel()).weights_bytes
    # All experts are chosen for a token: what it is multiplied with is all that is stored.
    assert weights == 2 * (traffic(plain).layer_parameters + head)


@pytest.mark.parametrize(
    ("config", "matrices"),
    [
        ({"hidden_act": "silu"}, 3),
        ({"hidden_act": "gelu"}, 2),
        ({"hidden_act": "relu2"}, 2),
        ({"hidden_act": "gelu", "model_type": "gemma"}, 3),
        ({"hidden_act": "gelu_pytorch_tanh", "model_type": "gemma3_text"}, 3),
        ({"hidden_act": "gelu_pytorch_tanh", "model_type": "starcoder2"}, 2),
    ],
)
def test_matrices_of_an_mlp(config, matrices):
    plain = {"num_attention_heads": 8, "num_hidden_layers": 4, "hidden_size": 1024}
    found = shape_of(plain | config, "here")
    assert found is not None
    assert found.mlp_matrices == matrices


@pytest.mark.parametrize(
    "other", [{"mamba_d_state": 16}, {"layer_types": ["linear_attention", "full_attention"]}]
)
def test_layers_that_are_not_attention_leave_the_size_open(other):
    assert weights_gb(**other) is None


@pytest.mark.parametrize(
    "change", [{"sliding_window": 4096}, {"layer_types": ["linear_attention", "full_attention"]}]
)
def test_a_kv_cache_that_is_not_simple_is_not_counted(change):
    config = {"num_attention_heads": 8, "num_hidden_layers": 2, "hidden_size": 64} | change
    found = shape_of(config, "here")
    assert found is not None
    assert footprint(found, Parallel()).kv_bytes_per_token is None


def test_what_is_no_decoder_has_no_shape():
    assert shape_of({"model_type": "whisper"}, "here") is None
