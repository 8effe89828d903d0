"""What a decode step reads, against published parameter counts and sums done by hand."""

import pytest

from ablation.places import HOME
from ablation.roofline.traffic import NotComputed, traffic
from ablation.study.catalogue import read_catalogue
from ablation.study.linear import linear_layers
from ablation.study.shape import shape_of

LLAMA_8B = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
}
TOY_MOE = {
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 4,
    "intermediate_size": 16,
    "moe_intermediate_size": 4,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "vocab_size": 10,
    "mlp_only_layers": [0],
    "torch_dtype": "bfloat16",
}


def test_llama_8b_by_hand():
    reads = traffic(LLAMA_8B)
    # A layer: q and o 4096 x 4096, k and v 4096 x 1024, three matrices 4096 x 14336. 32 layers and the head.
    layer = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336
    assert reads.layer_parameters == 32 * layer == 6_979_321_856
    assert reads.weights_bytes == 2 * (32 * layer + 128256 * 4096) == 15_009_316_864
    # 8 KV heads of 128, keys and values, 32 layers, 2 bytes: 128 KiB a token.
    assert reads.kv_bytes == 2 * 8 * 128 * 32 * 2 == 131072
    assert reads.step_bytes(1, 0) == reads.weights_bytes
    assert reads.step_bytes(10, 2000) == reads.weights_bytes + 10 * 2000 * 131072


@pytest.mark.parametrize(
    ("arguments", "weights", "kv"),
    [
        ({"dtype": "float32"}, 2.0, 2.0),
        ({"kv_cache_dtype": "fp8"}, 1.0, 0.5),
        ({"kv_cache_dtype": "auto", "dtype": "auto"}, 1.0, 1.0),
    ],
)
def test_sizes_of_elements(arguments, weights, kv):
    plain, other = traffic(LLAMA_8B), traffic(LLAMA_8B, **arguments)
    assert other.weights_bytes == weights * plain.weights_bytes
    assert other.kv_bytes == kv * plain.kv_bytes


def test_online_fp8_halves_the_layers_and_not_the_head():
    reads = traffic(LLAMA_8B, quantization="fp8")
    assert reads.weights_bytes == 6_979_321_856 + 2 * 128256 * 4096
    assert reads.fp8


def test_experts_by_hand():
    reads = traffic(TOY_MOE)
    attention = 8 * 8 + 2 * 8 * 4 + 8 * 8
    # Layer 0 is dense; two layers have a router and experts of three matrices 8 x 4.
    assert reads.weights_bytes == 2 * (3 * attention + 3 * 8 * 16 + 2 * 8 * 4 + 10 * 8)
    assert reads.expert_bytes == 2 * 2 * 3 * 8 * 4
    assert [reads.experts_touched(b) for b in (0, 1, 2)] == [0, 2, 3]
    assert reads.experts_touched(1000) == pytest.approx(4)
    assert reads.layer_parameters == 3 * attention + 3 * 8 * 16 + 2 * 8 * 4 + 2 * 2 * 3 * 8 * 4


@pytest.mark.parametrize(
    ("model", "total", "active"),
    [
        # Billions, as their makers publish them.
        ("llama-3.1-405b", 405, 405),
        ("deepseek-v3.2", 671, 37),
        ("kimi-k2.5", 1030, 32),
        ("qwen3-vl-235b", 235, 22),
    ],
)
def test_parameters_are_those_published(model, total, active):
    entry = read_catalogue(HOME / "config/models.yaml").models[model]
    config = dict(entry.config or {})
    text = config.get("text_config") or config
    # The catalogue's extract may lack it; all three choose 8.
    config |= {"num_experts_per_tok": 8}
    if "text_config" in config:
        config["text_config"] = text | {"num_experts_per_tok": 8}
    shape = shape_of(config, "")
    assert shape is not None
    reads = traffic(config)
    embedding = shape.vocabulary * shape.hidden
    used = reads.layer_parameters + reads.head_parameters + embedding
    routed = sum(
        linear.parameters
        for layer in range(shape.layers)
        for linear in linear_layers(shape, layer)
        if linear.spread == "expert"
    )
    assert used / 1e9 == pytest.approx(active, rel=0.05)
    stored = used + routed * (reads.experts - reads.experts_per_token)
    assert stored / 1e9 == pytest.approx(total, rel=0.01)


def test_the_kv_cache_over_tensor_parallel_ranks():
    reads = traffic(LLAMA_8B)
    assert [reads.kv_copies(tp) for tp in (1, 8, 16)] == [1, 1, 2]
    config = dict(read_catalogue(HOME / "config/models.yaml").models["deepseek-v3.2"].config or {})
    sparse = traffic(config | {"num_experts_per_tok": 8})
    # 61 layers of a latent of 512 + 64 in BF16, whole on each rank; the indexer's key is 128 + 4 bytes.
    assert (sparse.kv_bytes, sparse.index_bytes) == (61 * 576 * 2, 61 * 132)
    assert sparse.kv_copies(8) == 8
    grown = sparse.step_bytes(1, 100_000) - sparse.step_bytes(1, 50_000)
    assert grown == pytest.approx(50_000 * 61 * 132)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({}, "no heads, layers or hidden size"),
        (LLAMA_8B | {"layer_types": ["linear_attention"] * 32}, "layers without attention"),
        (LLAMA_8B | {"quantization_config": {"quant_method": "quark"}}, "size of this format"),
        (LLAMA_8B | {"torch_dtype": "float8_e4m3fn"}, "dtype 'float8_e4m3fn' is not known"),
        (
            {k: v for k, v in TOY_MOE.items() if k != "num_experts_per_tok"},
            "how many experts a token uses",
        ),
    ],
)
def test_what_is_not_known_is_not_computed(config, why):
    with pytest.raises(NotComputed, match=why):
        traffic(config)


def test_a_sliding_window_counts_no_kv_rather_than_too_much():
    reads = traffic(LLAMA_8B | {"sliding_window": 4096})
    assert reads.kv_bytes == 0
    assert reads.weights_bytes == 15_009_316_864
