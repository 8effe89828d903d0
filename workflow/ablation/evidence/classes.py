"""The classes of failure: what a server's last words mean, and what to do.

    at the start        unknown-argument, bad-argument, unknown-attention-backend, model-not-found, model-gated,
                        remote-code, architecture-unknown, max-model-len, tensor-parallel-heads, too-few-devices,
                        cpu-binding, no-device, no-vllm, broken-install, port-in-use, bad-configuration
    while loading       sparse-attention-unsupported, sparse-attention-needs-aiter, sparse-mla-block-size,
                        aiter-head-count, attention-backend-invalid, no-attention-backend, fp8-block-split,
                        moe-no-backend, quantization, disk-full, memory-not-free, out-of-memory, weights-broken
    KV cache            block-size, kv-cache-memory, aiter-no-kernel, moe-shape, aiter-build, aiter-module, jit-lock
    graph capture       capture-workspace, capture-unsupported
    under load          gpu-fault, illegal-access, collective, worker-timeout, kernel-compile, onednn, engine-died
    any time            illegal-instruction, segfault, bus-error, killed, unknown

The stage named here is where a class is usual; where a server really ended is read from its log. Words as
read in vLLM 0.14 to 0.33 and ROCm/aiter, and as reported in their public issue threads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class FailureClass:
    """One class: the first whose pattern matches an error line names the cause."""

    id: str
    words: str
    remedy: str
    pattern: re.Pattern[str]


def _class(id: str, pattern: str, words: str, remedy: str) -> FailureClass:
    return FailureClass(id, words, remedy, re.compile(pattern, re.I))


# The more particular come first. A group in a pattern is the detail that the message shows.
CLASSES: tuple[FailureClass, ...] = (
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
    _class(
        "aiter-no-kernel",
        r"cannot get heuristic kernel",
        "AITER has no kernel for this shape",
        "change the tensor-parallel size or the KV cache's data type, or use another attention backend",
    ),
    _class(
        "moe-shape",
        r"does not support this GEMM problem|Unsupported kernel config for moe",
        "AITER's MoE kernels do not support the shape of the experts at this tensor-parallel size",
        "another tensor-parallel size, expert parallelism, or VLLM_ROCM_USE_AITER_MOE=0",
    ),
    _class(
        "capture-workspace",
        r"splitk workspace not initialized",
        "an AITER kernel met graph capture before its workspace was made",
        "a smaller max-num-seqs, a newer vLLM, or enforce-eager: true",
    ),
    _class(
        "capture-unsupported",
        r"operation not permitted when stream is capturing|StreamCaptureUnsupported|CapturedEvent"
        r"|StreamCaptureInvalidated|Cannot copy between CPU and CUDA tensors during CUDA graph capture",
        "a kernel did something that graph capture does not allow",
        "enforce-eager: true shows whether the rest works; another attention backend",
    ),
    _class(
        "aiter-build",
        r"\[aiter\] build \[([^\]]+)\] under .* failed|failed (?:build jit|jit build) \[",
        "AITER could not build a kernel",
        "read the compiler's lines above it; check AITER_JIT_DIR, GPU_ARCHS and the ROCm compiler",
    ),
    _class(
        "aiter-module",
        r"No module named '?(aiter[\w.]*)|undefined symbol: \S*(?:aiter|ck_tile)",
        "AITER is not installed, or its built modules do not fit",
        "install aiter for this ROCm, or empty AITER_JIT_DIR so that the modules are built again",
    ),
    _class(
        "fp8-block-split",
        r"is not divisible by weight quantization block_",
        "the FP8 blocks cannot be split over so many GPUs",
        "a smaller tensor-parallel size, or enable-expert-parallel: true",
    ),
    _class(
        "block-size",
        r"No common block size for|Block size must be a multiple|block_size not supported"
        r"|block size \d+ is not supported",
        "no attention kernel takes this block size",
        "leave block-size to vLLM, or give one that the attention backend supports",
    ),
    _class(
        "unknown-attention-backend",
        r"Unknown attention backend: '?(\w+)|Invalid (?:attention )?backend(?: name)?: '?(\w+)",
        "this vLLM knows no attention backend of that name",
        "a name from the list that follows in the log (attention-backend)",
    ),
    _class(
        "attention-backend-invalid",
        r"Selected backend .* is not valid for this configuration|Invalid attention backend for"
        r"|is not supported for vit attention",
        "the attention backend asked for cannot run this model here",
        "another attention-backend, or none; the log gives the reason",
    ),
    _class(
        "no-attention-backend",
        r"No valid attention backend (?:found|from)|No valid .* MLA prefill backend",
        "vLLM has no attention backend for this model on this platform",
        "another KV cache type or block size; the log gives the reason of each backend",
    ),
    _class(
        "moe-no-backend",
        r"No \w+(?: \w+)? MoE backend supports",
        "vLLM has no MoE kernel for this model on this platform",
        "another quantisation, another tensor-parallel size, or enable-expert-parallel",
    ),
    _class(
        "kv-cache-memory",
        r"No available memory for the cache blocks|larger than the available KV cache memory"
        r"|estimated maximum model length",
        "too little memory for the KV cache",
        "raise kv-cache-memory-bytes or gpu-memory-utilization, or lower max-model-len",
    ),
    _class(
        "max-model-len",
        r"greater than the derived max_model_len|max_model_len.*is greater than",
        "max-model-len is more than the model allows",
        "lower max-model-len",
    ),
    _class(
        "memory-not-free",
        r"Free memory on device|Error in memory profiling",
        "the accelerator's memory is not free or too small",
        "end what else uses it, or lower gpu-memory-utilization",
    ),
    _class(
        "out-of-memory",
        r"(?:CUDA|HIP) out of memory|OutOfMemoryError|hipErrorOutOfMemory|cudaErrorMemoryAllocation",
        "the accelerator ran out of memory",
        "more GPUs, a quantised model, a lower gpu-memory-utilization or max-num-seqs",
    ),
    _class(
        "kernel-compile",
        r"OutOfResources|triton\.compiler\.errors|PassManager::run failed|InductorError|BackendCompilerFailed"
        r"|loweringexception",
        "a kernel could not be compiled for this accelerator",
        "enforce-eager: true, or another backend for the kernel that the log names",
    ),
    _class(
        "tensor-parallel-heads",
        r"must be divisible by tensor parallel size|heads.*not divisible by.*tensor",
        "the model's heads cannot be split over so many GPUs",
        "a tensor-parallel size that divides the number of heads",
    ),
    _class(
        "too-few-devices",
        r"is larger than the number of available GPUs|invalid device ordinal|World size .* than the number of"
        r"|not enough (?:GPUs|devices)",
        "fewer accelerators than the parallel sizes ask for",
        "lower tensor-parallel-size, or make more devices visible",
    ),
    _class(
        "cpu-binding",
        r"Not enough allowed NUMA nodes to bind|doesn't support auto CPU binding",
        "vLLM could not bind its CPU workers to cores",
        "set VLLM_CPU_OMP_THREADS_BIND (0|1 for two workers), or tensor-parallel-size: 1",
    ),
    _class(
        "no-device",
        r"Failed to infer device type|No (?:HIP|CUDA) GPUs are available|no ROCm-capable device"
        r"|Found no NVIDIA driver",
        "no accelerator is visible",
        "check the driver, /dev/kfd and /dev/dri or the container's devices, and HIP_VISIBLE_DEVICES",
    ),
    _class(
        "remote-code",
        r"set the option `trust_remote_code=True`|contains custom code which must be executed",
        "the model brings code of its own",
        "trust-remote-code: true, after reading it",
    ),
    _class(
        "architecture-unknown",
        r"does not recognize this architecture|Model architectures .* (?:are not supported|failed to be inspected)"
        r"|has no vLLM implementation",
        "this vLLM does not know the model's architecture",
        "another version of vLLM or transformers",
    ),
    _class(
        "model-gated",
        r"gated repo|401 Client Error|403 Client Error",
        "the hub does not give the model to this account",
        "accept its licence, and name the token's variable under server.pass_env",
    ),
    _class(
        "model-not-found",
        r"is not a local folder and is not a valid model identifier|Repository Not Found|Invalid repository ID"
        r"|outgoing traffic has been disabled|couldn't connect to 'https://huggingface"
        r"|Cannot find any model weights|LocalEntryNotFoundError",
        "the model is not there",
        "give the folder of the model (models.*.path), or download it before",
    ),
    _class(
        "weights-broken",
        r"SafetensorError|Error while deserializing header|MetadataIncompleteBuffer|weights were not initialized",
        "a file of the weights is broken or missing",
        "download the model again",
    ),
    _class(
        "quantization",
        r"Quantization method .* does not match|quantization method .* is not supported"
        r"|Unknown quantization method|is not supported for the current GPU",
        "the quantisation does not fit the model or the accelerator",
        "leave quantization to the model's own configuration",
    ),
    _class(
        "gpu-fault",
        r"Memory access fault by GPU|HSA_STATUS_ERROR|GPU Hang|Unable to find a code object|hipErrorIllegalAddress"
        r"|ROCm.*page fault|hipErrorLaunchFailure",
        "a kernel made the GPU fault",
        "the kernel named before it is the suspect: turn its variable off, or another version of AITER",
    ),
    _class(
        "illegal-access",
        r"an illegal memory access was encountered|device-side assert triggered|cudaErrorIllegalAddress"
        r"|unspecified launch failure|misaligned address",
        "a kernel read or wrote where it may not",
        "CUDA_LAUNCH_BLOCKING=1 (or AMD_SERIALIZE_KERNEL=3) names the kernel",
    ),
    _class(
        "collective",
        r"NCCL error|RCCL error|ncclUnhandledCudaError|ncclSystemError|Watchdog caught collective operation timeout"
        r"|custom_all_reduce.*(?:error|failed)",
        "the GPUs could not talk to each other",
        "NCCL_DEBUG=INFO names the link; disable-custom-all-reduce: true; check shared memory",
    ),
    _class(
        "worker-timeout",
        r"RPC call to \w+ timed out|sample_tokens timed out|execute_model timed out|TimeoutError.*[Ww]orker",
        "a worker did not answer in time",
        "look for a hanging kernel or a build; VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS",
    ),
    _class(
        "onednn",
        r"could not (?:create|execute) a (?:primitive|matmul|primitive descriptor)|dnnl::error"
        r"|Unsupported ISA|fallback to reference.*unsupported|onednn.*unimplemented",
        "oneDNN has no kernel for this data type with these instructions",
        "another dtype, or a higher ONEDNN_MAX_CPU_ISA",
    ),
    _class(
        "disk-full",
        r"No space left on device|Disk quota exceeded",
        "a disk is full (shared memory counts as one)",
        "free some space; in a container, a larger --shm-size or --ipc=host",
    ),
    _class(
        "unknown-argument",
        r"unrecognized arguments: (.*)",
        "the server does not know an argument",
        "see `vllm serve --help=all` of this version",
    ),
    _class(
        "bad-argument",
        r"error: argument (\S+): |invalid choice: (\S+)|(?:\.py|vllm|serve): error: (.*)",
        "the server does not accept an argument's value",
        "see `vllm serve --help=all` of this version",
    ),
    _class(
        "no-vllm",
        r"No module named '?vllm|No package metadata was found for vllm",
        "this Python has no vLLM",
        "server.python must name a Python that has it",
    ),
    _class(
        "broken-install",
        r"operator torchvision::nms does not exist|cannot open shared object file|undefined symbol"
        r"|version `GLIBC\S* not found|ModuleNotFoundError: (No module named \S+)|ImportError: (cannot import .*)",
        "a package that vLLM needs is missing or does not fit",
        "install vLLM again, in an environment of its own",
    ),
    _class(
        "port-in-use",
        r"Address already in use",
        "the port is in use",
        "server.port: auto, or end what listens there",
    ),
    _class(
        "illegal-instruction",
        r"Illegal instruction|SIGILL|exit code: -4\b",
        "the CPU lacks an instruction that the server used",
        "a build of vLLM for this CPU",
    ),
    _class(
        "segfault",
        r"Segmentation fault|Segfault encountered|SIGSEGV|exit code: -11\b",
        "the server crashed in native code",
        "the lines before it name the function; try without the arm's kernels",
    ),
    _class(
        "bus-error",
        r"Bus error|SIGBUS|exit code: -7\b",
        "shared memory ran out or a file vanished under the server",
        "a larger /dev/shm (in a container --shm-size or --ipc=host)",
    ),
    _class(
        "killed",
        r"^Killed$|SIGKILL|exit code: -9\b|oom-kill",
        "the server was killed from outside, most often for want of host memory",
        "look at dmesg; give the host more memory, or load less at a time",
    ),
    _class(
        "bad-configuration",
        r"validation errors? for \w+Config|Value error, (.*)",
        "vLLM refused its configuration",
        "the log names the field",
    ),
    _class(
        "engine-died",
        r"EngineDeadError|EngineCore encountered a fatal error|died unexpectedly",
        "the engine died under load",
        "the first traceback of the log is the cause",
    ),
)
# Only where a server is known to have failed without a word of its own.
SILENT: tuple[FailureClass, ...] = (
    _class(
        "jit-lock",
        r"waiting for baton",
        "the server waited for a kernel build that never ended",
        "delete the stale lock files below AITER_JIT_DIR",
    ),
)
UNKNOWN = _class("unknown", r"(?!)", "unknown; read the log", "read the server's log")
# How a process that said nothing was ended, by signal.
BY_SIGNAL = {
    "SIGKILL": "killed",
    "SIGSEGV": "segfault",
    "SIGILL": "illegal-instruction",
    "SIGBUS": "bus-error",
}
