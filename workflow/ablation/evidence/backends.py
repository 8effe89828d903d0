"""Which attention, MoE, linear and vision kernels a server really used, by its own log.

Words read in vLLM 0.14.1, 0.32 and 0.33: platforms/{rocm,cuda,cpu}.py, model_executor/layers/fused_moe/oracle/,
model_executor/layers/quantization/{mxfp4,quark/quark_moe}.py, model_executor/kernels/linear/,
v1/attention/backends/mla/prefill/selector.py, model_executor/layers/attention/mm_encoder_attention.py; and of oneDNN.
"""

from __future__ import annotations

import re

from ablation.evidence.jit import UNTUNED_AITER
from ablation.evidence.lines import matching, plain

# `prefill` is that of an MLA model, whose decoding is `attention`.
COMPONENTS = ("attention", "prefill", "moe", "linear", "vision")

# Lines that name kernels, whole, for a reader.
NAMED = re.compile(
    r"Using .*(backend|Backend)|Using AITER|attention backend|Cannot use .* backend|Overriding with|"
    r"onednn_verbose.*cpu,isa:|Fp8 MoE|\[aiter\] (?!(?:\[pid[^\]]*\] )?(?:build|start build|finish build|waiting))",
)
# Names that older versions wrote in words.
_ALIASES = {
    "AITER FLASH ATTENTION": "ROCM_AITER_FA",
    "AITER MHA": "ROCM_AITER_FA",
    "AITER MLA": "ROCM_AITER_MLA",
    "AITER TRITON MLA": "ROCM_AITER_TRITON_MLA",
    "AITER UNIFIED ATTENTION": "ROCM_AITER_UNIFIED_ATTN",
    "ROCM/AITER UNIFIED ATTENTION": "ROCM_AITER_UNIFIED_ATTN",
    "ROCM ATTENTION": "ROCM_ATTN",
    "TRITON ATTENTION": "TRITON_ATTN",
    "TRITON MLA": "TRITON_MLA",
    "FLASH ATTENTION": "FLASH_ATTN",
    "FLEXATTENTION": "FLEX_ATTENTION",
    "FLEX ATTENTION": "FLEX_ATTENTION",
    "FLASHINFER MLA": "FLASHINFER_MLA",
    "CUTLASS MLA": "CUTLASS_MLA",
    "TORCH SDPA": "TORCH_SDPA",
    "ROCM AITER": "AITER",  # of the MoE oracles
}
_QUOTES = r"['\"]?"
_VISION = (
    re.compile(r"Using backend (\S+) for vit attention"),
    re.compile(r"Using (\S+) for MMEncoderAttention"),
    re.compile(r"Using (.+?) backend for ViT"),
)
_PREFILL = re.compile(r"Using (\S+) MLA prefill backend")
_MOE = (
    re.compile(r"Using (.+?) backend for FP8 MoE"),  # 0.14
    re.compile(rf"Using {_QUOTES}(ROCm AITER|[\w.-]+?){_QUOTES} (?:[\w-]+ )*?(?:MoE|MOE) backend"),
    re.compile(r"Using (\w+Experts\w*|AITER\w*|Marlin\w*)\b(?! MoE backend)(?=.*(?:MoE|MOE))"),
    re.compile(r"Using (\w+MoEMethod)\b"),
    re.compile(r"\[fused_moe\] using (\w+)"),
)
_LINEAR = (
    re.compile(r"Selected (\w+) for \w+"),
    re.compile(
        r"Using (\w+) for (?:mixed-precision linear|\w+ GEMM|\w*Linear\w*|CompressedTensors\w+)"
    ),
    re.compile(r"onednn_verbose.*,cpu,isa:(.+)"),
)
_ATTENTION = (
    re.compile(r"Using (\S+) backend \(selected via --attention-backend\)"),
    re.compile(r"Using (\w+)(?: attention)? backend out of potential backends"),
    re.compile(r"Overriding with (\w+) out of potential backends"),
    re.compile(
        r"Using (?:AttentionBackendEnum\.)?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|FLASHINFER|FLASHMLA) backend\.?$"
    ),
    re.compile(
        r"Using ((?:ROCm|Rocm|Aiter|AITER|Triton|Flash|Flex|Torch|Cutlass|CUTLASS)[\w/]*"
        r"(?: (?:Aiter|AITER|Flash|Unified|Triton|TRITON))*(?: ?(?:Attention|MLA|SDPA|Infer)))"
        r"(?: backend)?(?: on V1 engine)?(?: backend)?\.?$"
    ),
    re.compile(r"Using (FlashInfer|FlashMLA|XFormers|FlexAttention) backend(?: on V1 engine)?\.?"),
)
# In a file of MoE kernels the line need not say so: `[mxfp4.py:170] Using Marlin backend` (0.19), and Quark's.
_MOE_FILES = re.compile(r"\[(?:mxfp4|quark_moe)\.py:\d+\] Using ([\w.-]+) backend")
# The same words on two platforms (0.11 to 0.14).
_SPARSE = re.compile(r"Using Sparse MLA backend")
_SPARSE_MLA = {"[rocm.py": "ROCM_AITER_MLA_SPARSE", "[cuda.py": "FLASHMLA_SPARSE"}
# A CPU worker; for a model without MLA it has one backend only and names it nowhere (platforms/cpu.py).
_CPU = re.compile(r"\[cpu_worker\.py|\[cpu_model_runner\.py|CPU KV cache size")
_REFUSED = re.compile(r"Cannot use (\S+) backend")
# Another kernel than the one asked for or preferred, by any phrasing: vLLM's, AITER's, FlashInfer's.
_FALL_BACK = r"[Ff](?:all|alls|alling|ell)[ -]?back|unavailable[^.]*[;,] using|not (?:available|found)[.;,] [Uu]sing"
_KERNEL = (
    r"backend|[Kk]ernel|[Aa]ttention|MoE|MOE|AITER|[Aa]iter|Triton|Marlin|FlashInfer|FlyDSL|CUTLASS|DeepGEMM|GEMM|emulation"
    r"|PyTorch|FLA\b|MQA|decode|prefill|all-?reduce|native|eager|implementation"
)
# A number format that is emulated, or weights turned into another one: the arm's kernel is not what ran.
_EMULATED = (
    r"Using ['\"]?EMULATION\b|Using \w*Emulation\w*|[Uu]sing (?:the )?emulation"
    r"|emulation (?:mode|backend) (?:for|as|is)"
    r"|[Ss]imulated weight|dequantiz\w+ (?:the )?weights? (?:on the fly|on every|to)|load-time dequant"
    r"|(?:does not|doesn't) (?:support|have) native|[Ww]eight-only \w+ compression will be used"
    r"|activation quantization [^.]* is ignored"
)
# A list of candidates names kernels that were not taken.
_NO_FALLBACK = re.compile(r"LLM engine \(v|non-default args|engine config")
_FALLBACKS = re.compile(
    rf"Cannot use .* backend|{_EMULATED}|'EMULATION' .*MoE backend|Emulation\w*Experts"
    rf"|(?:{_KERNEL}).*(?:{_FALL_BACK})|(?:{_FALL_BACK}).*(?:{_KERNEL})"
    r"|using automatic selection for that layer|precluded higher-priority backend"
    r"|is incompatible with this layer|is not supported by \w*Marlin\b",
)
_OVERRIDES = re.compile(
    r"Found incompatible backend|Overriding with|overrides --[\w-]+-backend|forces .* to use the .* backend"
)
_UNKNOWN = re.compile(r"Unknown vLLM environment variable detected: (\w+)")
_WARNINGS = re.compile(rf"{_UNKNOWN.pattern}|{UNTUNED_AITER.pattern}|{_FALLBACKS.pattern}")


def canonical(name: str) -> str:
    """A backend by vLLM's own constant where a version wrote it otherwise: `Triton MLA` is `TRITON_MLA`."""
    bare = name.strip("'\".,[] ").removeprefix("AttentionBackendEnum.").removesuffix(" backend")
    return _ALIASES.get(bare.upper(), bare.upper() if bare in ("FlashInfer", "FlashMLA") else bare)


def kernel(line: str) -> tuple[str, str] | None:
    """(component, kernel in use) of a line that names one: `("moe", "AITER")`."""
    if not any(word in line for word in ("Using", "Overriding", "Selected", "isa:", "using")):
        return None
    text = plain(line)
    for component, patterns in (
        ("prefill", (_PREFILL,)),
        ("vision", _VISION),
        ("moe", _MOE),
        ("linear", _LINEAR),
        ("attention", _ATTENTION),
    ):
        match = next((m for m in (p.search(text) for p in patterns) if m), None)
        if match:
            name = canonical(match.group(1))
            if "onednn_verbose" in text:
                name = f"oneDNN {name}"
            elif "[fused_moe]" in text:
                name = f"AITER {name}"
            return component, name
    if match := _MOE_FILES.search(line):
        return "moe", canonical(match.group(1))
    if _SPARSE.search(text):
        known = (name for place, name in _SPARSE_MLA.items() if place in line)
        return "attention", next(known, "SPARSE_MLA")
    return None


def is_cpu(line: str) -> bool:
    """Whether a line comes from a worker on a CPU."""
    return _CPU.search(line) is not None


def refused(line: str) -> str | None:
    """The attention backend that a line says was asked for and not taken."""
    match = _REFUSED.search(line)
    return canonical(match.group(1)) if match else None


def named_lines(log: str) -> list[str]:
    """Distinct lines that name kernels, in order, without time stamps and process ids."""
    return matching(log, NAMED)


def fallbacks(log: str) -> list[str]:
    """Distinct lines that say that another kernel than the preferred one was taken, or an emulation."""
    return [line for line in matching(log, _FALLBACKS) if not _NO_FALLBACK.search(line)]


def overrides(log: str) -> list[str]:
    """Distinct lines that say that a choice was overridden; on ROCm vLLM says so of its own candidates too."""
    return matching(log, _OVERRIDES)


def unknown_variable(line: str) -> str | None:
    """The VLLM_* variable that a line says the server does not know."""
    match = _UNKNOWN.search(line)
    return match.group(1) if match else None


def warnings(log: str) -> list[str]:
    """Distinct lines that cast doubt on the treatment."""
    return [line for line in matching(log, _WARNINGS) if not _NO_FALLBACK.search(line)]
