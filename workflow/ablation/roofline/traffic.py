"""What a decode step of a model reads from memory, and what a token costs in arithmetic, from config.json.

A decode step of B sequences reads

    weights   all that every token uses, once: attention, dense MLPs, shared experts, routers, the output head. The
              embedding is a table of which B rows are read: not counted; norms and biases neither
    experts   of E routed experts, those that any of the B tokens chose. With k of E for each token, chosen
              evenly and independently: E (1 - (1 - k/E)^B) (the expected number of distinct outcomes)
    KV cache  for each sequence the keys and values of its context: 2 x KV heads x head size a layer (GQA: Ainslie
              et al. 2023, arXiv:2305.13245), or the latent and the RoPE key, kv_lora + rope (MLA: DeepSeek-AI
              2024, arXiv:2405.04434). Sparse MLA reads the latents of index_topk tokens and the indexer's key of
              each (DeepSeek-V3.2). Each tensor-parallel rank has at least one KV head, or the whole latent

What is left out (activations, the KV that is written, scratch) makes the true traffic larger, so that the
bound made from it is an upper bound. The even choice of experts is an assumption: where a model prefers some
of them, fewer are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ablation.study.linear import bytes_each, linear_layers
from ablation.study.shape import BF16_BYTES, Shape, shape_of

INDEX_SCALE_BYTES = 4  # FP8 keys of the indexer with one FP32 scale for each 128
DTYPE_BYTES = {
    "float32": 4.0,
    "float": 4.0,
    "bfloat16": 2.0,
    "float16": 2.0,
    "half": 2.0,
}


class NotComputed(Exception):
    """No bound can be given; the message says why."""


@dataclass(frozen=True)
class Traffic:
    """Bytes of a decode step and parameters of a token, of the whole model.

    weights_bytes      read at every step
    expert_bytes       one routed expert in each of the layers that have them
    kv_bytes           a token of context, once; `kv_copies(tp)` of it are read at a tensor-parallel size
    index_bytes        a token of context, for the indexer of sparse attention
    layer_parameters   that a token of prompt or output is multiplied with, in the layers
    head_parameters    of the output head: an output token only
    """

    weights_bytes: float
    expert_bytes: float
    experts: int
    experts_per_token: int
    kv_bytes: float
    index_bytes: float
    sparse_topk: int | None
    kv_heads: int | None
    layer_parameters: float
    head_parameters: float
    fp8: bool

    def experts_touched(self, batch: float) -> float:
        """Distinct routed experts of a layer that a step of so many tokens is expected to read."""
        if not self.experts:
            return 0.0
        untouched: float = (1 - self.experts_per_token / self.experts) ** batch
        return self.experts * (1 - untouched)

    def kv_copies(self, tensor_parallel: int) -> float:
        """How often the KV cache is read over all ranks: 1 while each rank has heads of its own."""
        return max(1.0, tensor_parallel / (self.kv_heads or 1))

    def step_bytes(self, batch: float, context: float, tensor_parallel: int = 1) -> float:
        """Bytes that one decode step reads, over all GPUs. `context` is the mean length in tokens."""
        looked_at = context if self.sparse_topk is None else min(context, self.sparse_topk)
        a_sequence = looked_at * self.kv_bytes + context * self.index_bytes
        weights = self.weights_bytes + self.experts_touched(batch) * self.expert_bytes
        return weights + batch * a_sequence * self.kv_copies(tensor_parallel)


def traffic(
    config: Mapping[str, Any],
    *,
    dtype: str | None = None,
    quantization: str | None = None,
    kv_cache_dtype: str | None = None,
) -> Traffic:
    """From a config.json and the server's --dtype, --quantization and --kv-cache-dtype. Raises NotComputed."""
    shape = shape_of(config, "config.json")
    if shape is None:
        raise NotComputed("config.json states no heads, layers or hidden size")
    text: Mapping[str, Any] = config.get("text_config") or config
    if set(text.get("layer_types") or []) - {"full_attention", "sliding_attention"}:
        raise NotComputed("layers without attention are not counted here")
    element = _element_bytes(dtype, text, config)
    online = quantization == "fp8" and shape.quantization == "none"
    per_token = int(text.get("num_experts_per_tok") or 0)
    if shape.experts and not per_token:
        raise NotComputed("config.json does not say how many experts a token uses")
    weights = expert = parameters = 0.0
    for layer in range(shape.layers):
        for linear in linear_layers(shape, layer):
            size = bytes_each(shape, layer, linear, element_bytes=element, quantized_online=online)
            if size is None:
                raise NotComputed("the size of this format of weights is not known here")
            if linear.spread == "expert":
                expert += linear.parameters * size
                parameters += linear.parameters * per_token
            else:
                weights += linear.parameters * size
                parameters += linear.parameters
    head = float(shape.vocabulary * shape.hidden)
    kv_element = element if kv_cache_dtype in (None, "auto") else _kv_bytes(kv_cache_dtype)
    kv, index = _kv(shape, kv_element)
    topk = int(text["index_topk"]) if shape.attention == "sparse-mla" else None
    return Traffic(
        weights_bytes=weights + head * element,
        expert_bytes=expert,
        experts=shape.experts,
        experts_per_token=per_token,
        # Windows of some layers hide part of the context: nothing is counted rather than too much.
        kv_bytes=kv if shape.full_attention else 0.0,
        index_bytes=index,
        sparse_topk=topk,
        kv_heads=None if shape.kv_lora else shape.kv_heads,
        layer_parameters=parameters,
        head_parameters=head,
        fp8=online or shape.quantization in ("fp8", "fbgemm_fp8"),
    )


def _kv(shape: Shape, element: float) -> tuple[float, float]:
    """Bytes that a token takes in the KV cache, and in the indexer's, over all layers."""
    if not shape.kv_lora:
        return 2 * shape.kv_heads * shape.head_dim * element * shape.layers, 0.0
    latent = (shape.kv_lora + shape.rope_dim) * element * shape.layers
    index = (shape.index_dim + INDEX_SCALE_BYTES * shape.index_dim / 128) * shape.layers
    return latent, index


def _element_bytes(dtype: str | None, *configs: Mapping[str, Any]) -> float:
    """Bytes of what is not quantized: the server's --dtype, else the model's own."""
    named: list[Any] = [dtype] if dtype not in (None, "auto") else []
    named += [config.get(key) for config in configs for key in ("dtype", "torch_dtype")]
    for name in named:
        if name is not None:
            if str(name) not in DTYPE_BYTES:
                raise NotComputed(f"dtype {name!r} is not known here")
            return DTYPE_BYTES[str(name)]
    return BF16_BYTES


def _kv_bytes(name: str) -> float:
    if name.startswith("fp8"):
        return 1.0
    if name not in DTYPE_BYTES:
        raise NotComputed(f"--kv-cache-dtype {name} is not known here")
    return DTYPE_BYTES[name]
