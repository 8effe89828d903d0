# ruff: noqa: E501
"""Kernels by component, builds and untuned shapes: each line in the words of the version that prints it."""

import pytest

from ablation.evidence.backends import canonical, fallbacks, warnings
from ablation.evidence.jit import jit, untuned
from ablation.evidence.reading import read
from tests.evidence.healthy import BUILDS, HEALTHY, UNTUNED
from tests.evidence.logs import CPU, CPU_KV, CPU_LOADED, ROCM_014

INFO = "(Worker_TP0 pid=240) INFO 08-19 11:02:50 [rocm.py:750] "


def kernels(log: str) -> dict[str, list[str]]:
    return read(log).kernels


@pytest.mark.parametrize(
    ("line", "component", "name"),
    [
        ("Using ROCM_AITER_FA backend (selected via --attention-backend).", "attention", "ROCM_AITER_FA"),
        ("Using ROCM_ATTN backend out of potential backends: ['ROCM_ATTN', 'TRITON_ATTN'].", "attention", "ROCM_ATTN"),
        ("Found incompatible backend(s) [ROCM_ATTN] with DECODER. Overriding with TRITON_MLA out of potential "
         "backends: ['TRITON_MLA'].", "attention", "TRITON_MLA"),
        ("Using FLASH_ATTN attention backend out of potential backends: ['FLASH_ATTN'].", "attention", "FLASH_ATTN"),
        ("Using AttentionBackendEnum.FLASHINFER backend.", "attention", "FLASHINFER"),
        ("Using CPU_MLA backend.", "attention", "CPU_MLA"),
        ("Using AMX_MLA backend.", "attention", "AMX_MLA"),
        ("Using Triton Attention backend.", "attention", "TRITON_ATTN"),
        ("Using Aiter Flash Attention backend.", "attention", "ROCM_AITER_FA"),
        ("Using Aiter Unified Attention backend.", "attention", "ROCM_AITER_UNIFIED_ATTN"),
        ("Using AITER MLA backend.", "attention", "ROCM_AITER_MLA"),
        ("Using Triton MLA backend on V1 engine.", "attention", "TRITON_MLA"),
        ("Using Rocm Attention backend.", "attention", "ROCM_ATTN"),
        ("Using AITER TRITON MLA backend.", "attention", "ROCM_AITER_TRITON_MLA"),
        ("Using Sparse MLA backend.", "attention", "ROCM_AITER_MLA_SPARSE"),
        ("Using ROCM_AITER_FA MLA prefill backend.", "prefill", "ROCM_AITER_FA"),
        ("Using ROCm AITER backend for FP8 MoE", "moe", "AITER"),
        ("Using Triton backend for FP8 MoE", "moe", "Triton"),
        ("Using ROCm AITER Unquantized MoE backend out of potential backends: ['ROCm AITER', 'TRITON', "
         "'BATCHED_TRITON'].", "moe", "AITER"),
        ("Using 'TRITON' WNA16 MoE backend.", "moe", "TRITON"),
        ("Using AITER Fp8 MoE backend out of potential backends: ['AITER', 'TRITON'].", "moe", "AITER"),
        ("Using TRITON Unquantized MoE backend out of potential backends: ['TRITON'].", "moe", "TRITON"),
        ("Using 'CK' Mxfp4 MoE backend.", "moe", "CK"),
        ("Using TritonExperts MoE backend", "moe", "TritonExperts"),
        ("Using CompressedTensorsWNA16MoEMethod", "moe", "CompressedTensorsWNA16MoEMethod"),
        ("[aiter] [fused_moe] using 2stage (kernelName1='a') for ('gfx950', 256)", "moe", "AITER 2stage"),
        ("Selected AiterBlockScaledMMKernel for Fp8LinearMethod", "linear", "AiterBlockScaledMMKernel"),
        ("Using MarlinLinearKernel for mixed-precision linear", "linear", "MarlinLinearKernel"),
        ("Using AiterMxfp4LinearKernel for MXFP4 GEMM", "linear", "AiterMxfp4LinearKernel"),
        ("onednn_verbose,v1,info,cpu,isa:Intel AVX", "linear", "oneDNN Intel AVX"),
        ("Using AITER Flash Attention backend for ViT model.", "vision", "ROCM_AITER_FA"),
        ("Using backend AttentionBackendEnum.TORCH_SDPA for vit attention", "vision", "TORCH_SDPA"),
        ("Using AttentionBackendEnum.FLASH_ATTN for MMEncoderAttention.", "vision", "FLASH_ATTN"),
    ],
)  # fmt: skip
def test_components(line, component, name):
    found = kernels(f"{INFO}{line}\n")
    assert found.pop(component) == [name]
    assert not any(found.values())


@pytest.mark.parametrize(
    "line",
    [
        "Using ['CUSTOM', 'PYNCCL'] all-reduce backends (in dispatch order) for group 'tp:0' out of potential backends",
        "Using TRITON Mamba SSU backend.",
        "Using LBHNC KV cache layout.",
        "Using configuration from E=256.json for MoE layer.",
        "Using Transformers modeling backend.",
        "Using max model len 2048",
        "Cannot use TRITON_ATTN backend on CPU.",
    ],
)
def test_what_names_no_kernel(line):
    assert not any(kernels(f"{INFO}{line}\n").values())


def test_the_only_backend_of_a_cpu_is_inferred():
    log = CPU + CPU_LOADED + CPU_KV
    assert kernels(log)["attention"] == ["CPU_ATTN"]
    assert kernels(CPU)["attention"] == []
    assert kernels(f"{log}{INFO}Using CPU_MLA backend.\n")["attention"] == ["CPU_MLA"]


def test_refusals_fallbacks_and_unknown_variables():
    assert read(HEALTHY["cpu, a backend that it cannot use"]).refused == ["TRITON_ATTN"]
    assert fallbacks(HEALTHY["cpu, a backend that it cannot use"]) == [
        "Cannot use TRITON_ATTN backend on CPU."
    ]
    (line,) = fallbacks(HEALTHY["rocm 0.33, sparse indexer on PyTorch"])
    assert "using the PyTorch fallback" in line
    assert read(HEALTHY["rocm 0.14, old variable"]).unknown == ["VLLM_ROCM_USE_AITER_PAGED_ATTN"]


@pytest.mark.parametrize(
    ("place", "name"),
    [("[rocm.py:330]", "ROCM_AITER_MLA_SPARSE"), ("[cuda.py:290]", "FLASHMLA_SPARSE"), ("", "SPARSE_MLA")],
)  # fmt: skip
def test_two_platforms_say_the_same_of_different_kernels(place, name):
    line = f"(Worker pid=3) INFO 02-11 09:12:36 {place} Using Sparse MLA backend.\n"
    assert kernels(line)["attention"] == [name]


def test_a_file_of_moe_kernels_need_not_say_moe():
    line = "(Worker_TP0 pid=101) INFO 08-12 10:00:34 [mxfp4.py:170] Using Marlin backend\n"
    assert kernels(line)["moe"] == ["Marlin"]
    assert not any(kernels(line.replace("mxfp4", "logger")).values())


def test_weights_that_are_dequantised_on_the_fly_are_a_fallback():
    lines = (
        "(Worker_TP0 pid=101) INFO 08-12 10:00:34 [mxfp4.py:514] Using 'EMULATION' Mxfp4 MoE backend.\n"
        "(Worker_TP0 pid=101) WARNING 08-12 10:00:35 [ocp_mx_emulation_moe.py:48] Using "
        "OCP_MXQuantizationEmulationTritonExperts MOE backend. This will dequantize weights on the fly.\n"
    )
    assert len(fallbacks(lines)) == len(warnings(lines)) == 2


def test_what_every_launch_on_rocm_says_of_its_own_candidates_is_no_warning():
    log = HEALTHY["rocm 0.33, own candidates overridden"]
    assert "Found incompatible backend(s)" in log
    assert warnings(log) == []


@pytest.mark.parametrize(
    "line",
    [
        "Using 'EMULATION' Mxfp4 MoE backend.",
        "Using OCP_MXQuantizationEmulationTritonExperts MOE backend. This will dequantize weights on the fly and may be slower",
        "The current platform does not support native MXFP4 computation. Using EmulationMxfp4LinearKernel, with simulated",
        "NVFP4 linear falling back to the slow and unoptimized emulation backend as no optimized backend is available",
        "[W4A8 MXFP4+FP8] Aiter Triton kernel not found. Using emulation mode.",
        "Your GPU does not have native support for FP4 computation but FP4 quantization is being used. Weight-only FP4 "
        "compression will be used leveraging the Marlin kernel.",
        "MarlinMxFp4LinearKernel is a weight-only (A16) kernel; the requested activation quantization (fp8) is ignored.",
        "FlyDSL UltraQuant decode is unavailable (ImportError); using Triton fallback.",
        "Layer 'a.b' is not supported by AutoAWQMarlin. Falling back to unoptimized AWQ kernels.",
        "CUDA graph is not supported for mllama on ROCm yet, fallback to the eager mode.",
        "FlashInfer is not available. Falling back to the PyTorch-native implementation of top-p & top-k sampling.",
        "[fused_moe] no tuned FlyDSL config for ('gfx950', 256, 16), using heuristic FlyDSL fallback",
    ],
)  # fmt: skip
def test_fallbacks_and_emulation_in_their_phrasings(line):
    assert fallbacks(f"{INFO}{line}\n") == [line]
    assert warnings(f"{INFO}{line}\n") == [line]


@pytest.mark.parametrize(
    "line",
    [
        "Using 'AITER' Mxfp4 MoE backend out of potential backends: ['AITER', 'TRITON', 'EMULATION'].",
        "Initializing a V1 LLM engine (v0.33.0) with config: model='m', moe_backend='emulation', attention fallback=True",
        "non-default args: {'moe_backend': 'emulation', 'x': 'Using EMULATION'}",
        "Pinned memory is not available on this platform; falling back to pageable memory.",
        "No serialization method found for <class 'x'>. Falling back to pickle.",
        "Using TRITON_ATTN backend.",
    ],
)  # fmt: skip
def test_what_is_no_fallback_of_a_kernel(line):
    assert fallbacks(f"{INFO}{line}\n") == []


def test_builds_with_their_seconds():
    found = jit(BUILDS)
    assert found["aiter_builds"] == 1
    assert found["aiter_build_s"] == 57.8
    assert found["aiter_waits"] == 1
    assert found["aiter_modules"] == ["module_moe_asm"]


def test_torch_compile_and_late_kernels():
    assert jit(HEALTHY["cuda, torch.compile"])["torch_compile_s"] == 31.25
    assert jit("INFO torch.compile takes 30.5 s in total\n")["torch_compile_s"] == 30.5
    assert jit(HEALTHY["cuda, Triton compiles late"])["late_compilations"] == ["Triton _fwd_kernel"]
    assert jit("")["torch_compile_s"] is None


def test_what_every_import_of_aiter_loads_is_no_evidence():
    assert jit(ROCM_014)["aiter_modules"] == []


def test_untuned_shapes_are_counted_once_for_all_workers():
    assert untuned(UNTUNED) == {"shapes": 2, "lines": 6, "vllm": 0}
    default = "WARNING 05-03 17:21:00 [fused_moe.py:1] Using default MoE config. Performance might be sub-optimal!\n"
    assert untuned(default)["vllm"] == 1


def test_untuned_shapes_in_the_phrasings_of_aiter():
    moe = "256, 8192, 4096, 192, 192, 8, Silu, bfloat16, fp8_e4m3fn, fp8_e4m3fn, per_Tensor, True, False)"
    log = (
        f"(Worker_TP0 pid=1) [aiter] Fmoe tuning not support for ('gfx950', {moe}\n"
        f"(Worker_TP0 pid=1) [aiter] [fused_moe] using 2stage default for ({moe}\n"
        f"(Worker_TP1 pid=2) [aiter] [fused_moe] no tuned FlyDSL config for ('gfx950', {moe}, using heuristic FlyDSL fallback\n"
        "[aiter] [fused_moe] using 2stage (kernelName1='a', kernelName2='b') for (1, 2)\n"
        "[aiter] shape is B:1, M:2, N:3, K:4, not found tuned config in CKGEMM, will use default config!\n"
    )
    assert untuned(log) == {"shapes": 2, "lines": 4, "vllm": 0}


@pytest.mark.parametrize(
    "line",
    [
        "Using default W8A8 Block FP8 kernel config. Performance might be sub-optimal! Config file not found at /x.json",
        "Using default Mamba SSU config. Performance might be sub-optimal! Config file not found at /x.json",
        "Using default LoRA kernel configs",
        "AITER has no tuned indexer top-k kernels for this GPU arch",
    ],
)
def test_kernels_of_vllm_without_a_tuned_configuration(line):
    assert untuned(f"{INFO}{line}\n")["vllm"] == 1


def test_names():
    assert canonical("'Triton MLA'") == "TRITON_MLA"
    assert canonical("AttentionBackendEnum.FLEX_ATTENTION.") == "FLEX_ATTENTION"
