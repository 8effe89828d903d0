"""Kernels by component, builds and untuned shapes: each line in the words of the version that prints it."""

import pytest

from ablation.evidence.backends import backends, canonical, fallbacks, refused, unknown_variables
from ablation.evidence.jit import jit, untuned
from tests.evidence.healthy import BUILDS, HEALTHY, UNTUNED
from tests.evidence.logs import CPU, CPU_KV, CPU_LOADED, ROCM_014

INFO = "(Worker_TP0 pid=240) INFO 08-19 11:02:50 [rocm.py:750] "


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
    found = backends(f"{INFO}{line}\n")
    assert found.pop(component) == [name]
    assert not any(found.values())


@pytest.mark.parametrize(
    "line",
    [
        "Using ['CUSTOM', 'PYNCCL'] all-reduce backends (in dispatch order) for group 'tp:0' out of potential backends",
        "Using TRITON Mamba SSU backend.",
        "Using FLASH_ATTN MLA prefill backend.",
        "Using LBHNC KV cache layout.",
        "Using configuration from E=256.json for MoE layer.",
        "Using Transformers modeling backend.",
        "Using max model len 2048",
        "Cannot use TRITON_ATTN backend on CPU.",
    ],
)
def test_what_names_no_kernel_of_the_four(line):
    assert not any(backends(f"{INFO}{line}\n").values())


def test_the_only_backend_of_a_cpu_is_inferred():
    log = CPU + CPU_LOADED + CPU_KV
    assert backends(log)["attention"] == ["CPU_ATTN"]
    assert backends(CPU)["attention"] == []
    assert backends(f"{log}{INFO}Using CPU_MLA backend.\n")["attention"] == ["CPU_MLA"]


def test_refusals_fallbacks_and_unknown_variables():
    assert refused(HEALTHY["cpu, a backend that it cannot use"]) == ["TRITON_ATTN"]
    assert fallbacks(HEALTHY["cpu, a backend that it cannot use"]) == [
        "Cannot use TRITON_ATTN backend on CPU."
    ]
    (line,) = fallbacks(HEALTHY["rocm 0.33, sparse indexer on PyTorch"])
    assert "using the PyTorch fallback" in line
    assert unknown_variables(HEALTHY["rocm 0.14, old variable"]) == [
        "VLLM_ROCM_USE_AITER_PAGED_ATTN"
    ]


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


def test_names():
    assert canonical("'Triton MLA'") == "TRITON_MLA"
    assert canonical("AttentionBackendEnum.FLEX_ATTENTION.") == "FLEX_ATTENTION"
