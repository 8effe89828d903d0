"""The linear layers of a decoder, counted once: for the memory of one GPU, and for what a decode step reads.

    MLA     projections down to the latents (q_a, kv_a) and up from them (q_b, kv_b), and the output; with sparse
            attention the indexer's (DeepSeek-AI 2024, arXiv:2405.04434; vllm/model_executor/models/deepseek_v2.py)
    others  query, key, value and output
    MLP     three matrices where it is gated (SwiGLU, GeGLU), two where it is not: Shape.mlp_matrices says which, of the
            dense MLP, the routed experts and the shared ones alike
    router  one matrix a layer with experts

Norms, biases and the embedding are not counted here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ablation.study.shape import BF16_BYTES, Shape

# Kept in the model's own format whatever the other weights are in (quant_config=None in vLLM).
_NEVER_QUANTIZED = ("mlp.gate", "indexer.weights_proj")


@dataclass(frozen=True)
class Linear:
    """A linear layer of one decoder layer, or several that are stored and split alike.

    module      its name, as formats of weights name what they leave out
    parameters  of the whole layer; of routed experts, of one
    spread      over tensor-parallel ranks: `split` evenly; `whole` on each; `kv_heads` split until each rank has one
                head and copied from there on; `expert`, which the ranks share out or cut
    """

    module: str
    parameters: float
    spread: Literal["split", "whole", "kv_heads", "expert"] = "split"


def linear_layers(shape: Shape, layer: int) -> Iterator[Linear]:
    """The linear layers of a decoder layer by its number."""
    yield from _mla(shape) if shape.kv_lora else _attention(shape)
    mlp = shape.mlp_matrices * shape.hidden
    # Which layers are dense matters only where a format names layers; they are taken to be the first.
    if layer < shape.dense_layers:
        yield Linear("mlp.down_proj", mlp * shape.intermediate)
        return
    yield Linear("mlp.gate", shape.hidden * shape.experts, "whole")
    yield Linear("mlp.experts.0.down_proj", mlp * shape.moe_intermediate, "expert")
    if shape.shared_intermediate:
        yield Linear("mlp.shared_experts.down_proj", mlp * shape.shared_intermediate)


def bytes_each(
    shape: Shape, layer: int, linear: Linear, *, element_bytes: float, quantized_online: bool
) -> float | None:
    """Bytes a parameter takes, scales included. None where the size of this format is not known.

    `element_bytes` is the size of what is not quantized; `quantized_online` is `--quantization fp8` on weights stored
    in BF16: a byte a parameter then.
    """
    if linear.module.endswith(_NEVER_QUANTIZED):
        return element_bytes
    size = shape.weights.of(f"model.layers.{layer}.{linear.module}") if shape.weights else None
    if size == BF16_BYTES:
        return 1.0 if quantized_online else element_bytes
    return size


def _attention(shape: Shape) -> Iterator[Linear]:
    heads = shape.hidden * shape.head_dim
    yield Linear("self_attn.q_proj", heads * shape.heads)
    yield Linear("self_attn.k_proj", 2 * heads * shape.kv_heads, "kv_heads")  # and v_proj
    yield Linear("self_attn.o_proj", heads * shape.heads)


def _mla(shape: Shape) -> Iterator[Linear]:
    hidden, heads, qk = shape.hidden, shape.heads, shape.nope_dim + shape.rope_dim
    if shape.q_lora:
        yield Linear("self_attn.q_a_proj", hidden * shape.q_lora, "whole")
        yield Linear("self_attn.q_b_proj", shape.q_lora * heads * qk)
    else:
        yield Linear("self_attn.q_proj", hidden * heads * qk)
    latent = shape.kv_lora + shape.rope_dim
    yield Linear("self_attn.kv_a_proj_with_mqa", hidden * latent, "whole")
    yield Linear("self_attn.kv_b_proj", shape.kv_lora * heads * (shape.nope_dim + shape.v_dim))
    yield Linear("self_attn.o_proj", heads * shape.v_dim * hidden)
    if shape.index_heads:
        index = shape.index_heads * shape.index_dim
        yield Linear("self_attn.indexer.wq_b", shape.q_lora * index, "whole")
        yield Linear("self_attn.indexer.wk", hidden * shape.index_dim, "whole")
        yield Linear("self_attn.indexer.weights_proj", hidden * shape.index_heads, "whole")
