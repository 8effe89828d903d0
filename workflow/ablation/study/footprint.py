"""What a model takes of one GPU at its parallel sizes: heads, weight bytes, bytes of KV cache a token.

Counted from config.json; activations, CUDA or HIP graphs and the copies that kernels keep of weights are not,
so that the figures are lower bounds. Checked against what vLLM reported for Kimi-K2.5 at TP 4: 145.27 GiB
("Model loading took", AITER Ablation Study, 11 March 2026), counted 140.
"""

from __future__ import annotations

from dataclasses import dataclass

from ablation.study.linear import Linear, bytes_each, linear_layers
from ablation.study.shape import BF16_BYTES, Shape


@dataclass(frozen=True)
class Parallel:
    """How a server spreads over GPUs."""

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    experts_whole: bool = False  # --enable-expert-parallel: whole experts are spread, none is cut

    @property
    def gpus(self) -> int:
        """GPUs of the server."""
        return self.tensor * self.pipeline * self.data


@dataclass(frozen=True)
class Footprint:
    """Of one GPU. `weights_bytes` is None where the format of the weights is not known."""

    heads: int
    kv_heads: int
    weights_bytes: float | None
    kv_bytes_per_token: float | None


def footprint(
    shape: Shape,
    parallel: Parallel,
    *,
    quantized_online: bool = False,
    element_bytes: float = BF16_BYTES,
    kv_element_bytes: float = BF16_BYTES,
) -> Footprint:
    """Heads, weights and KV cache of one GPU.

    `quantized_online` is `--quantization fp8` on weights stored in BF16: linear layers then take a byte a parameter.
    `element_bytes` is the size of what is not quantized, `kv_element_bytes` that of the KV cache.
    """
    mla = shape.kv_lora > 0
    # vLLM keeps at least one KV head on each GPU; the latent of MLA is whole on each.
    kv_heads = 1 if mla else max(1, shape.kv_heads // parallel.tensor)
    kv: float | None = None
    if shape.full_attention:
        if mla:
            elements = (shape.kv_lora + shape.rope_dim) * kv_element_bytes
            # Keys of the indexer: FP8 with one FP32 scale for each 128 (vLLM, DeepseekV32IndexerCache).
            elements += shape.index_dim + 4 * shape.index_dim / 128
        else:
            elements = 2 * kv_heads * shape.head_dim * kv_element_bytes
        kv = elements * shape.layers / parallel.pipeline
    return Footprint(
        heads=max(1, shape.heads // parallel.tensor),
        kv_heads=kv_heads,
        weights_bytes=_weights_bytes(shape, parallel, quantized_online, element_bytes),
        kv_bytes_per_token=kv,
    )


def _weights_bytes(
    shape: Shape, parallel: Parallel, quantized_online: bool, element_bytes: float
) -> float | None:
    if shape.weights is None:
        return None
    stage = 1 / parallel.pipeline
    total = (1 if shape.tied else 2) * shape.vocabulary * shape.hidden * element_bytes
    total *= stage / parallel.tensor
    total += shape.vision_parameters * element_bytes / parallel.tensor
    for layer in range(shape.layers):
        for linear in linear_layers(shape, layer):
            each = bytes_each(
                shape, layer, linear, element_bytes=element_bytes, quantized_online=quantized_online
            )
            if each is None:
                return None
            total += stage * _on_one_gpu(shape, parallel, linear) * each
    return total


def _on_one_gpu(shape: Shape, parallel: Parallel, linear: Linear) -> float:
    """Parameters of a linear layer, of all routed experts together, that one GPU holds."""
    tensor = parallel.tensor
    match linear.spread:
        case "whole":
            return linear.parameters
        case "kv_heads":
            return linear.parameters * max(1 / tensor, 1 / shape.kv_heads)
        case "expert":
            # Whole experts are spread over tensor x data ranks, cut ones over the tensor ranks.
            ranks = tensor * parallel.data if parallel.experts_whole else tensor
            return shape.experts * linear.parameters / ranks
    return linear.parameters / tensor
