"""What a model's config.json says of its shape: attention, heads, experts, quantization, bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ablation.places import model_path
from ablation.study.catalogue import Attention, Entry
from ablation.study.config import Study
from ablation.study.load import StudyError

GIB = 2**30
BF16_BYTES = 2.0
KEY_VALUE_LAYERS = {"full_attention", "sliding_attention", "chunked_attention"}
# Fields of models whose layers are not all attention: what those take is not known here.
OTHER_LAYERS = ("mamba_d_state", "ssm_cfg", "hybrid_override_pattern", "linear_num_value_heads")
# MLPs of two matrices; with every other activation they are taken to be gated, of three.
UNGATED = {"relu", "relu2", "gelu", "gelu_new", "gelu_fast", "quick_gelu", "xielu"}
# Where the activation says nothing of it: Gemma's GeGLU is "gelu" in some of its configs (vllm/model_executor/models/
# gemma.py), and StarCoder2's plain MLP "gelu_pytorch_tanh" (transformers, modeling_starcoder2.py).
MATRICES = {"gemma": 3, "gemma2": 3, "gemma3": 3, "gemma3_text": 3, "starcoder2": 2}


@dataclass(frozen=True)
class Weights:
    """How the weights of linear layers are stored: bytes a parameter (scales included) and blocks."""

    method: str
    bytes_each: float | None  # None: a scheme whose size is not known here
    block: tuple[int, int] | None = None  # (output, input) rows and columns that share a scale
    group: int | None = None  # inputs that share a scale
    ignored: tuple[str, ...] = ()  # names or `re:` patterns of modules left in BF16

    def of(self, module: str) -> float | None:
        """Bytes a parameter of a module, by its full name."""
        for pattern in self.ignored:
            if (
                re.match(pattern[3:], module)
                if pattern.startswith("re:")
                else pattern == module
                or module.startswith(f"{pattern}.")
                or f".{pattern}." in module
            ):
                return BF16_BYTES
        return self.bytes_each


@dataclass(frozen=True)
class Shape:
    """A decoder as far as support and memory depend on it. Sizes are those of the whole model."""

    attention: Attention
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    mlp_matrices: int
    vocabulary: int
    tied: bool
    experts: int
    moe_intermediate: int
    shared_intermediate: int
    dense_layers: int  # of a model with experts: the layers without
    q_lora: int
    kv_lora: int
    rope_dim: int
    nope_dim: int
    v_dim: int
    index_heads: int
    index_dim: int
    vision_parameters: int
    full_attention: bool  # every layer keeps the keys of all tokens
    weights: Weights | None  # None: not known, as the folder cannot be seen from here
    source: str

    @property
    def quantization(self) -> str | None:
        """Method by vLLM's name, `none`, or None where it is not known."""
        return self.weights.method if self.weights else None


def shape_of_model(study: Study, entry: Entry, model: str, arm: str) -> Shape | None:
    """The shape of the model that an arm of the study serves, or None where nothing is known of it.

    From the config.json of a local folder, else from the catalogue's entry. Where the study names another place
    than the entry's hub, only what a quantization cannot change is taken from the entry. Raises StudyError
    where config.json cannot be read.
    """
    own = study.factor.arms[arm].paths.get(model)
    path = own or study.models[model].path
    where = f"factor.arms.{arm}.paths.{model}" if own else f"models.{model}.path"
    folder = model_path(path) if path is not None else None
    if folder is not None and (file := folder / "config.json").is_file():
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StudyError(f"{where}: {file}: cannot be read: {error}") from error
        return shape_of(config, str(file)) if isinstance(config, dict) else None
    if entry.config is not None:
        shape = shape_of(entry.config, entry.config_source or "")
        elsewhere = path is not None and path != entry.hub
        return replace(shape, weights=None) if shape and elsewhere else shape
    if entry.generate is not None and path is None:
        config = {"vocab_size": entry.generate.vocabulary, **entry.generate.config}
        return shape_of(config, f"{study.catalogue}, generate.config")
    return None


def shape_of(config: Mapping[str, Any], source: str) -> Shape | None:
    """Shape from a config.json. None where it lacks what every decoder states (another kind of model)."""
    text: Mapping[str, Any] = config.get("text_config") or config
    heads, layers = text.get("num_attention_heads"), text.get("num_hidden_layers")
    hidden = text.get("hidden_size")
    if not heads or not layers or not hidden:
        return None

    def number(*names: str, default: int = 0) -> int:
        return next((int(text[name]) for name in names if text.get(name) is not None), default)

    kv_heads = number("num_key_value_heads", default=heads)
    kv_lora = number("kv_lora_rank")
    experts = number("n_routed_experts", "num_experts", "num_local_experts")
    dense_layers = _dense_layers(text, layers) if experts else layers
    if dense_layers == layers:
        experts = 0  # stated, but no layer has them
    moe_intermediate = number("moe_intermediate_size", "intermediate_size") if experts else 0
    weights = _weights(config.get("quantization_config") or text.get("quantization_config"))
    attention: Attention = "mha" if kv_heads == heads else "gqa"
    if kv_lora:
        attention = "sparse-mla" if text.get("index_topk") else "mla"
    return Shape(
        attention=attention,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=number("head_dim", default=hidden // heads),
        intermediate=number("intermediate_size_mlp", "intermediate_size"),
        mlp_matrices=MATRICES.get(
            str(text.get("model_type")), 2 if text.get("hidden_act") in UNGATED else 3
        ),
        vocabulary=number("vocab_size"),
        tied=bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings", False))),
        experts=experts,
        moe_intermediate=moe_intermediate,
        shared_intermediate=number(
            "shared_expert_intermediate_size",
            default=number("n_shared_experts") * moe_intermediate,
        ),
        dense_layers=dense_layers,
        q_lora=number("q_lora_rank"),
        kv_lora=kv_lora,
        rope_dim=number("qk_rope_head_dim"),
        nope_dim=number("qk_nope_head_dim"),
        v_dim=number("v_head_dim"),
        index_heads=number("index_n_heads"),
        index_dim=number("index_head_dim"),
        vision_parameters=_vision(config.get("vision_config")),
        full_attention=_full_attention(text),
        weights=weights if _attention_only(text) else replace(weights, bytes_each=None),
        source=source,
    )


def _dense_layers(text: Mapping[str, Any], layers: int) -> int:
    """Layers without experts: the first ones (DeepSeek), or those named or skipped (Qwen, Llama 4)."""
    dense = set(text.get("mlp_only_layers") or [])
    dense |= set(range(int(text.get("first_k_dense_replace") or 0)))
    steps = (
        text.get(name)
        for name in ("decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_freq")
    )
    step = next((size for size in steps if isinstance(size, int) and size > 0), 1)
    return sum(1 for i in range(layers) if i in dense or (i + 1) % step)


def _full_attention(text: Mapping[str, Any]) -> bool:
    kinds = set(text.get("layer_types") or ["full_attention"])
    windowed = text.get("sliding_window") and text.get("use_sliding_window", True)
    return kinds == {"full_attention"} and not windowed and _attention_only(text)


def _attention_only(text: Mapping[str, Any]) -> bool:
    return set(text.get("layer_types") or []) <= KEY_VALUE_LAYERS and not any(
        text.get(name) for name in OTHER_LAYERS
    )


def _vision(config: Mapping[str, Any] | None) -> int:
    """Parameters of a vision encoder: attention and MLP of its layers. Zero where the config does not say."""
    if not config:
        return 0
    layers = (
        config.get("depth") or config.get("num_hidden_layers") or config.get("vt_num_hidden_layers")
    )
    hidden = config.get("hidden_size") or config.get("vt_hidden_size")
    inner = config.get("intermediate_size") or config.get("vt_intermediate_size")
    if not layers or not hidden or not inner:
        return 0
    return int(layers * (4 * hidden**2 + 2 * hidden * inner))


def _weights(config: Mapping[str, Any] | None) -> Weights:
    """From quantization_config; the sizes of formats that are not known here stay None."""
    if not config:
        return Weights("none", BF16_BYTES)
    method = str(config.get("quant_method", "unknown"))
    ignored = tuple(map(str, config.get("modules_to_not_convert") or config.get("ignore") or []))
    if method in ("fp8", "fbgemm_fp8"):
        size = config.get("weight_block_size")
        block = (int(size[0]), int(size[1])) if size else None
        scales = 4 / (block[0] * block[1]) if block else 0.0
        return Weights(method, 1.0 + scales, block=block, ignored=ignored)
    if method == "compressed-tensors":
        groups = list((config.get("config_groups") or {}).values())
        weights = (groups[0].get("weights") or {}) if groups else {}
        bits, group = weights.get("num_bits"), weights.get("group_size")
        scales = BF16_BYTES / group if group and group > 0 else 0.0
        size_each = bits / 8 + scales if bits else None
        return Weights(
            method, size_each, group=group if group and group > 0 else None, ignored=ignored
        )
    if method in ("gptq", "awq"):
        bits, group = config.get("bits"), config.get("group_size")
        if bits and group and group > 0:
            # a scale and a zero point for each group
            return Weights(method, bits / 8 + (2 + bits / 8) / group, group=group, ignored=ignored)
    return Weights(method, None, ignored=ignored)
