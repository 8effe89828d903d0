"""Kernels that do not exist for a GPU or a shape, that refuse their input, or "
"that make the GPU fault."""

from __future__ import annotations

from ablation.evidence.classes.family import FailureClass
from ablation.evidence.classes.family import failure_class as _class

ATTENTION: tuple[FailureClass, ...] = (
    _class(
        "sparse-attention-unsupported",
        r"Sparse Attention is not supported on",
        "sparse attention unsupported: vLLM has no sparse attention on a CPU",
        "use a GPU, or a model without a sparse indexer",
    ),
    _class(
        "sparse-attention-needs-aiter",
        r"Sparse attention indexer ROCm path requires AITER|is only supported on AITER"
        r"|requires ROCm Aiter ops|Sparse Attention Indexer .* requires",
        "sparse attention needs AITER on this GPU",
        "VLLM_ROCM_USE_AITER=1, or a GPU whose architecture vLLM has native kernels for",
    ),
    _class(
        "sparse-mla-block-size",
        r"Sparse MLA backend on ROCm only supports block size 1",
        "sparse MLA takes only block size 1 on ROCm in this version",
        "block-size: 1",
    ),
    _class(
        "aiter-head-count",
        r"Aiter MLA only supports|nhead=\d+ not supported|requires a positive multiple of 16 heads",
        "AITER's MLA kernels do not support this number of heads per GPU",
        "change the tensor-parallel size, or set VLLM_ROCM_USE_AITER_MLA=0",
    ),
)
UNSUPPORTED: tuple[FailureClass, ...] = (
    _class(
        "number-format",
        r"(?:MX|NV)?FP4\b.{0,60}?(?:not (?:natively )?supported|unsupported|requires?"
        r"|only supported|does not support)|does not support (?:native )?(?:MX|NV)?FP4",
        "this GPU has no FP4, and a kernel for it was chosen",
        "VLLM_ROCM_USE_AITER_FP4BMM=0 (and VLLM_ROCM_USE_AITER_FP4_ASM_GEMM=0), or a newer "
        "vLLM, or a "
        "model without FP4",
        where=r"gfx|rocm|aiter|\bMI\d{3}",
    ),
    _class(
        "number-format",
        r"(?:\b(?:MX|NV)?FP[468]|\bINT[48]|bfloat16|\bBF16"
        r"|fp8e\w+)\b.{0,60}?(?:not (?:natively )?supported|unsupported|requires?"
        r"|only (?:be )?(?:supported|available|used)|does not support).{0,60}?(?:gfx\d"
        r"|sm_?\d|compute capability|architecture|\bGPUs?\b|device|platform|MI\d{3}|CDNA"
        r"|Hopper|Blackwell)"
        r"|type fp8\w+ not supported|does not support (?:native )?(?:MX|NV)?(?:FP[468]|bfloat16)",
        "this GPU lacks the number format that a kernel asked for",
        "another dtype, kv-cache-dtype or quantisation; on AMD VLLM_ROCM_USE_AITER_FP8BMM=0 (FP4: "
        "VLLM_ROCM_USE_AITER_FP4BMM=0) if the frame is AITER's",
    ),
    _class(
        "kernel-unsupported",
        r"GPU archs? of .* (?:is|are) invalid or not supported|get_gfx.*not supported",
        "AITER does not support this GPU",
        "VLLM_ROCM_USE_AITER=0 (and its variables unset), or a version of AITER that lists "
        "this GPU; "
        "GPU_ARCHS if it was set by hand",
    ),
    _class(
        "kernel-unsupported",
        r"no kernel image|kernel image is invalid|invalid kernel file|hipErrorInvalidImage"
        r"|invalid device function|hipErrorNoBinaryForGpu"
        r"|Unable to find (?:a )?code object|for GPU arch ?: ?gfx|TensileLibrary"
        r"|unsupported toolchain",
        "a package was built without this GPU's architecture",
        "a build of vLLM, PyTorch or the package of the frame for this GPU (its gfx or sm number)",
    ),
    _class(
        "kernel-unsupported",
        r"Assertion error \(|Unknown recipe|DeepGEMM .*(?:not supported|not available|outdated)",
        "DeepGEMM has no kernel for this GPU or shape",
        "VLLM_USE_DEEP_GEMM=0 (VLLM_MOE_USE_DEEP_GEMM=0 for the experts alone), or another "
        "DeepGEMM",
        where=r"deep_?gemm|jit_kernels|Unknown recipe|layout\.hpp",
        not_where=r"exit_code|jit/(?:compiler|kernel_runtime)",
    ),
    _class(
        "aiter-no-kernel",
        r"does not support this GEMM problem",
        "AITER has no kernel for this shape",
        "VLLM_ROCM_USE_AITER_LINEAR=0, another tensor-parallel size, or another version of AITER",
        where=r"gemm_op|gemm_a\d|linear|bmm",
        not_where=r"moe",
    ),
    _class(
        "moe-shape",
        r"does not support this GEMM problem|Unsupported kernel config for moe|Unsupported inter_dim",
        "AITER's MoE kernels do not support the shape of the experts at this tensor-parallel size",
        "another tensor-parallel size, expert parallelism, or VLLM_ROCM_USE_AITER_MOE=0",
    ),
    _class(
        "aiter-no-kernel",
        r"cannot get heuristic kernel|This GEMM is not supported|(?:no|not found|cannot find"
        r"|could not find)(?: any| a)?(?: suitable| valid| matching"
        r"| asm)? kernel\b(?! image)"
        r"|kernel (?:instance )?not found|no (?:CK )?(?:kernel )?instance"
        r"|unsupported (?:gemm|mha|mla|fmha|attention) (?:shape|config|kernel)"
        r"|invalid argument for (?:batch_prefill|fmha_\w+)",
        "AITER has no kernel for this shape",
        "change the tensor-parallel size or the KV cache's data type, use another backend, "
        "or another "
        "version of AITER",
    ),
    _class(
        "kernel-unsupported",
        r"(?:requires?|needs|supports? only|only supports?|only (?:supported |available "
        r"|implemented )?(?:on|for|by)|not (?:yet )?(?:supported|available|implemented"
        r"|compiled) (?:on|for|by|in)|unsupported (?:on|for)|does not support"
        r"|incompatible with|invalid for)\b.{0,60}?(?:gfx\d|\bsm_?\d{2}|CDNA|RDNA|\bMI\d{3}"
        r"|compute capability|Hopper|Blackwell|Ampere|(?:current|this) (?:device|platform"
        r"|GPU|arch))"
        r"|(?:gfx\d\w*|sm_?\d{2,3}\w?|\bGPU|architecture)\S* (?:is |are )?(?:not supported"
        r"|unsupported)|unsupported (?:GPU|device|ROCm)? ?(?:arch|gfx)|unknown (?:GPU "
        r"|ROCm )?arch",
        "a kernel or its library does not support this GPU",
        "turn off the kernel that the frame names, or take another backend for it",
    ),
    _class(
        "kernel-unsupported",
        r"(?:HIP|CU)(?:BLAS|DNN)\w*_STATUS_(?:NOT_SUPPORTED|ARCH_MISMATCH)"
        r"|rocblas_status_not_implemented|(?:Unsupported|Invalid"
        r"|not supported) (?:head.?(?:size|dim)|shape|dtype|data type)|head_?(?:size"
        r"|dim) \d+ (?:is )?not supported",
        "a kernel library does not support this shape or data type",
        "another backend for the kernel that the frame names, another dtype or "
        "tensor-parallel size",
    ),
    _class(
        "capture-workspace",
        r"splitk workspace not initialized",
        "an AITER kernel met graph capture before its workspace was made",
        "a smaller max-num-seqs, a newer vLLM, or enforce-eager: true",
    ),
    _class(
        "workspace-locked",
        r"Workspace is locked",
        "a kernel wanted more workspace than was set aside at the start",
        "another version of vLLM, or the component of the frame turned off; a smaller "
        "max-num-batched-tokens asks for less",
    ),
    _class(
        "capture-unsupported",
        r"operation not permitted when stream is capturing|StreamCaptureUnsupported|CapturedEvent"
        r"|StreamCaptureInvalidated"
        r"|Cannot copy between CPU and CUDA tensors during CUDA graph capture",
        "a kernel did something that graph capture does not allow",
        "enforce-eager: true shows whether the rest works; another attention backend",
    ),
    _class(
        "onednn",
        r"could not (?:create|execute) a (?:primitive|matmul|primitive descriptor)|dnnl::error"
        r"|Unsupported ISA|fallback to reference.*unsupported|onednn.*unimplemented",
        "oneDNN has no kernel for this data type with these instructions",
        "another dtype, or a higher ONEDNN_MAX_CPU_ISA",
    ),
)
FAULTS: tuple[FailureClass, ...] = (
    _class(
        "illegal-access",
        r"an illegal memory access was encountered|device-side assert triggered"
        r"|cudaErrorIllegalAddress"
        r"|unspecified launch failure|misaligned address",
        "a kernel read or wrote where it may not",
        "CUDA_LAUNCH_BLOCKING=1 (or AMD_SERIALIZE_KERNEL=3) names the kernel",
    ),
    _class(
        "gpu-fault",
        r"Memory access fault by GPU|HSA_STATUS_ERROR|GPU Hang|hipErrorIllegalAddress"
        r"|ROCm.*page fault|hipErrorLaunchFailure|HW Exception by GPU",
        "a kernel made the GPU fault",
        "AMD_SERIALIZE_KERNEL=3 names the kernel if the log does not: turn its variable off, or another "
        "version of AITER",
    ),
    _class(
        "runtime-call",
        r"(?:HIP|CUDA)(?: error:|\]:.*) (?:invalid (?:argument|value|device context|context)"
        r"|initialization error|unknown error|operation not supported|driver shutting down"
        r"|context is destroyed)"
        r"|(?:hip|cuda)Error(?:InvalidValue|InvalidContext|NotInitialized|Deinitialized"
        r"|Unknown|SharedObject\w+)\b|\[HIP error\]",
        "the GPU's runtime library refused a call",
        "suspect the installation before the kernel: two HIP or CUDA runtimes in one process, or a "
        "stub loaded before the real one (load order, LD_PRELOAD, LD_LIBRARY_PATH; "
        "TileLang brings a "
        "stub of HIP)",
    ),
)
# Where no words decide, the place does.
PLACES: tuple[FailureClass, ...] = (
    _class(
        "aiter-refused",
        r"",
        "a kernel of AITER refused its input",
        "another version of AITER, or without that kernel (its variable VLLM_ROCM_USE_AITER_...=0)",
        where=r"/aiter(?:_meta)?/[^\n]*(?:\n[^\n]*){0,2}\Z",
    ),
    _class(
        "kernel-refused",
        r"",
        "a kernel library other than AITER refused its input",
        "another backend for the kernel of the frame, or the version of that library that "
        "this vLLM "
        "asks for",
        where=(
            r"/(?:flashinfer|flash_attn\w*|vllm_flash_attn|deep_gemm|triton_kernels|quark"
            r"|tilelang|cutlass|flydsl|mori|deep_ep)/[^\n]*(?:\n[^\n]*){0,2}\Z"
        ),
    ),
)
