"""What a model's shape forbids or makes doubtful: heads, weight blocks and memory, by parallel sizes and GPU.

Computed, not stated: each limit names what was computed from which file, and where vLLM says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from packaging.version import InvalidVersion, Version

from ablation.study.catalogue import Entry
from ablation.study.config import Study
from ablation.study.footprint import Footprint, Parallel, footprint
from ablation.study.gpus import Gpu, find_gpu, read_gpus
from ablation.study.layers import args_in_force
from ablation.study.load import StudyError
from ablation.study.shape import BF16_BYTES, GIB, Shape, shape_of_model
from ablation.study.spelling import whole_number
from ablation.study.values import ArgValue
from ablation.study.workload import Length

# vLLM's default of gpu-memory-utilization: 0.9 in 0.14, 0.92 in 0.32. The larger refuses less.
UTILIZATION = 0.92
SIZES = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size")
ROUTED = "mlp.experts.0.down_proj"
TIGHT = 0.9  # of the budget, from where on the activations that are not counted may not fit


@dataclass(frozen=True)
class Limit:
    """Something that cannot work, or may not."""

    severity: Literal["refuse", "doubt"]
    text: str
    source: str


@dataclass(frozen=True)
class Computed:
    """What was computed of an arm of a model."""

    footprint: Footprint
    gpu: Gpu | None
    source: str
    limits: tuple[Limit, ...]


def computed_of(study: Study, entry: Entry, model: str, arm: str) -> Computed | None:
    """What the model's config.json says of an arm, or None where nothing is known of its shape.

    Raises StudyError where an argument that counts something holds anything else.
    """
    shape = shape_of_model(study, entry, model, arm)
    if shape is None:
        return None
    args = args_in_force(study, entry, model, arm)
    try:
        parallel = parallel_of(args)
    except ValueError as error:
        raise StudyError(f"models.{model}: {error}") from None
    found = footprint(
        shape,
        parallel,
        quantized_online=args.get("quantization") == "fp8",
        element_bytes=_element_bytes(args),
        kv_element_bytes=_kv_element_bytes(args),
    )
    gpu, known_as = _gpu_of(study)
    limits = [
        *_gpus_of_the_host(study, parallel),
        *_heads(shape, parallel),
        *_blocks(shape, parallel, study.server.vllm, args),
    ]
    if gpu is not None:
        limits += _memory(study, shape, parallel, found, gpu, known_as, args)
    return Computed(found, gpu, shape.source, tuple(limits))


def check_limits(study: Study, computed: Mapping[tuple[str, str], Computed]) -> list[str]:
    """Refuse what cannot work; return what is doubtful, a sentence each. `computed` is by (model, arm).

    Raises StudyError naming model, arms, GPU, reason and source of everything that cannot work.
    """
    where: dict[tuple[str, Limit], list[str]] = {}
    for (model, arm), part in computed.items():
        for limit in part.limits:
            where.setdefault((model, limit), []).append(arm)
    refused: list[str] = []
    doubtful: list[str] = []
    for (model, limit), arms in where.items():
        hardware = study.hardware.gpu or study.hardware.architecture or study.hardware.platform
        sentence = (
            f"models.{model} ({', '.join(arms)}) on {hardware}: {limit.text}  [{limit.source}]"
        )
        lenient = study.models[model].limits == "warn"
        (refused if limit.severity == "refuse" and not lenient else doubtful).append(sentence)
    if refused:
        raise StudyError(
            "\n".join(refused)
            + "\nIf you know better, models.M.limits: warn turns this into a warning"
        )
    return doubtful


def parallel_of(args: Mapping[str, ArgValue]) -> Parallel:
    """Parallel sizes of a server's arguments. Raises ValueError."""
    tensor, pipeline, data = (whole_number(args, name) for name in SIZES)
    whole = args.get("enable-expert-parallel") is True
    return Parallel(tensor, pipeline, data, experts_whole=whole)


def _gpu_of(study: Study) -> tuple[Gpu | None, str]:
    """The study's GPU, by name; or the largest of its architecture, so that nothing is refused wrongly."""
    if study.hardware.platform == "cpu":
        return None, ""
    named = find_gpu(study.hardware.gpu)
    if named is not None:
        return named, named.name
    same = [gpu for gpu in read_gpus() if gpu.architecture == study.hardware.architecture]
    if study.hardware.gpu is not None or not same:
        return None, ""
    largest = max(same, key=lambda gpu: gpu.memory_gib)
    return largest, f"{largest.name}, the largest {largest.architecture} in config/gpus.yaml"


def _gpus_of_the_host(study: Study, parallel: Parallel) -> list[Limit]:
    if study.hardware.platform == "cpu" or not 0 < study.hardware.gpus < parallel.gpus:
        return []
    return [
        Limit(
            "refuse",
            f"needs {parallel.gpus} GPUs (tensor x pipeline x data), the host has {study.hardware.gpus}",
            "hardware.gpus",
        )
    ]


def _heads(shape: Shape, parallel: Parallel) -> list[Limit]:
    found = []
    if shape.heads % parallel.tensor:
        found.append(
            Limit(
                "refuse",
                f"{shape.heads} attention heads cannot be split over {parallel.tensor} GPUs; "
                f"tensor-parallel-size must divide {shape.heads}",
                f'{shape.source}; vllm/config/model.py: "Total number of attention heads must be divisible by '
                'tensor parallel size"',
            )
        )
    larger, smaller = max(shape.kv_heads, parallel.tensor), min(shape.kv_heads, parallel.tensor)
    if not shape.kv_lora and larger % smaller:
        found.append(
            Limit(
                "refuse",
                f"{shape.kv_heads} key/value heads can neither be split nor repeated evenly over "
                f"{parallel.tensor} GPUs",
                f"{shape.source}; the assertions on total_num_kv_heads and tp_size of vLLM's models",
            )
        )
    return found


def _blocks(
    shape: Shape, parallel: Parallel, vllm: str, args: Mapping[str, ArgValue]
) -> list[Limit]:
    """Weights that share a scale must not be cut: blocks of FP8, groups of INT4."""
    weights = shape.weights
    if weights is None or args.get("quantization") not in (None, weights.method):
        return []
    parts: list[tuple[str, str, int]] = []
    if shape.experts and not parallel.experts_whole:
        parts.append((ROUTED, "a routed expert", shape.moe_intermediate))
    if shape.shared_intermediate:
        parts.append(("mlp.shared_experts.down_proj", "a shared expert", shape.shared_intermediate))
    if shape.dense_layers and shape.intermediate:
        parts.append(("mlp.down_proj", "the MLP", shape.intermediate))
    found = []
    for module, name, size in parts:
        # A layer in the middle: formats leave the first and the last in BF16 at times.
        if weights.of(f"model.layers.{shape.layers // 2}.{module}") != weights.bytes_each:
            continue
        part = size / parallel.tensor
        routed = module == ROUTED
        text = (
            f"{name} has {size} intermediate rows, {part:g} a GPU at tensor-parallel-size {parallel.tensor}, which is "
            "not a multiple of"
        )
        remedy = "; use a smaller tensor-parallel-size" + (
            " or enable-expert-parallel" if routed else ""
        )
        if weights.block and part % weights.block[0]:
            block = f"{weights.block[0]} (FP8 blocks of {weights.block[0]} x {weights.block[1]})"
            found.append(_cut_block(shape.source, f"{text} {block}{remedy}", routed, vllm))
        if weights.group and part % weights.group:
            found.append(
                Limit(
                    "refuse" if weights.method in ("gptq", "awq") else "doubt",
                    f"{text} {weights.group} (inputs that share a scale){remedy}",
                    f'{shape.source}; vLLM: "The input size is not aligned with the quantized weight shape"',
                )
            )
    return found


def _cut_block(source: str, text: str, routed: bool, vllm: str) -> Limit:
    says = 'vLLM: "is not divisible by weight quantization block"'
    if not routed or _older(vllm, "0.27"):
        return Limit("refuse", text, f"{source}; {says}, issue 17569, pull request 48173")
    return Limit(
        "doubt",
        f"{text}. vLLM 0.32 refines the scales of cut blocks for some MoE backends, up to 0.26 the server ended",
        f"{source}; vllm/model_executor/layers/fused_moe/oracle/fp8.py; {says}",
    )


def _memory(
    study: Study,
    shape: Shape,
    parallel: Parallel,
    found: Footprint,
    gpu: Gpu,
    known_as: str,
    args: Mapping[str, ArgValue],
) -> list[Limit]:
    """Weights, one request of the longest length, and the largest level, against the GPU's memory."""
    source = f"{shape.source}; config/gpus.yaml ({gpu.source})"
    stated = args.get("gpu-memory-utilization")
    share = float(stated) if isinstance(stated, (int, float)) and stated else UTILIZATION
    budget = gpu.memory_gib * share
    if found.weights_bytes is None:
        return []
    weights = found.weights_bytes / GIB
    of = f"of {budget:.0f} GiB ({share:.0%} of {gpu.memory_gib:g} GiB, {known_as})"
    if weights > budget:
        return [
            Limit(
                "refuse",
                f"the weights alone take {weights:.0f} GiB a GPU {of}; use more GPUs or smaller weights",
                source,
            )
        ]
    limits = []
    longest = args.get("max-model-len")
    request = 0.0
    if found.kv_bytes_per_token and isinstance(longest, int):
        request = longest * found.kv_bytes_per_token / GIB
        if weights + request > budget:
            return [
                Limit(
                    "refuse",
                    f"weights of {weights:.0f} GiB and the KV cache of one request of max-model-len {longest} "
                    f"({request:.1f} GiB) are more than there is {of}",
                    f'{source}; vllm/v1/core/kv_cache_utils.py: "To serve at least one request"',
                )
            ]
    if weights + request > TIGHT * budget:
        limits.append(
            Limit(
                "doubt",
                f"the weights take {weights:.0f} GiB a GPU {of}: activations and graphs, which are not counted, may "
                "not fit",
                source,
            )
        )
    level = max(study.design.levels)
    tokens = level * (
        _longest(study.workload.input_tokens) + _longest(study.workload.output_tokens)
    )
    if found.kv_bytes_per_token:
        room = (budget - weights) * GIB / found.kv_bytes_per_token * parallel.data
        if tokens > room:
            fit = int(room * level / tokens)
            limits.append(
                Limit(
                    "doubt",
                    f"at level {level} at most {fit} requests have room in the KV cache "
                    f"({found.kv_bytes_per_token / 1024:.1f} KiB a token) beside weights of {weights:.0f} GiB {of}: "
                    "the others wait inside the server",
                    source,
                )
            )
    return limits


def _longest(tokens: int | Length) -> int:
    return tokens if isinstance(tokens, int) else tokens.high


def _element_bytes(args: Mapping[str, ArgValue]) -> float:
    return 4 if args.get("dtype") in ("float32", "float") else BF16_BYTES


def _kv_element_bytes(args: Mapping[str, ArgValue]) -> float:
    stated = str(args.get("kv-cache-dtype") or "auto")
    if re.match(r"(fp8|int8)", stated):
        return 1
    return _element_bytes(args) if stated == "auto" else BF16_BYTES


def _older(vllm: str, than: str) -> bool:
    try:
        return Version(Version(vllm).base_version) < Version(than)
    except InvalidVersion as error:
        raise StudyError(f"server.vllm: {error}") from error
