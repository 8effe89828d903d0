"""Kernels that could not be built, by whichever builder, and builds that never ended."""

from __future__ import annotations

from ablation.evidence.classes.family import FailureClass
from ablation.evidence.classes.family import failure_class as _class

# What builders of kernels say, whichever they are.
_BUILD = (
    r"Ninja build failed|ninja: (?:error|build stopped|fatal)|Error building extension"
    r"|non-zero exit status|fatal error: "
    r"|\b(?:nvcc|hipcc|clang\+*|ptxas|amdclang\+*)\b.*(?:not found|failed|fatal|error)"
    r"|compil(?:e|ation)[\w ]* (?:failed|error)"
    r"|Compil(?:e|ation)Error|(?:fail(?:ed|ure)?|could not|cannot"
    r"|unable) (?:to )?(?:compile|build|lower|link|translate)"
    r"|LLVM ERROR|MLIR|exit_code == 0|(?:CUDA|ROCM)_HOME|could not find (?:nvcc|hipcc"
    r"|CUDA)|No such file or directory: '(?:ninja|nvcc|hipcc)"
    r"|lib\w*\.so: cannot open shared object file|undefined reference|DSLRuntimeError|PassManager"
    r"|\[aiter\] build \[([^\]]+)\] under .* failed|failed (?:build jit|jit build) \["
)
BUILDS: tuple[FailureClass, ...] = (
    _class(
        "aiter-build",
        _BUILD,
        "AITER could not build a kernel",
        "read the compiler's lines above it; check AITER_JIT_DIR, GPU_ARCHS and the ROCm compiler",
        where=r"/aiter/jit|aiter_meta|/\.aiter/|cpp_itfs|\[aiter\]|jit build|build jit",
        not_where=r"flydsl|triton",
    ),
    _class(
        "stale-cache",
        r"file too short|invalid ELF header|Stale file handle|Text file busy|EOFError"
        r"|JSONDecodeError|UnpicklingError|Ran out of input|No such file or directory"
        r"|FileNotFoundError|corrupt|Device or resource busy|Directory not empty"
        r"|FileExistsError",
        "a cache of built kernels is damaged or was emptied under the server",
        "delete the cache that the line names, and give each server a cache of its own",
        where=(
            r"\.triton|triton/cache|torchinductor|torch_compile_cache|inductor_cache|cached_ops"
            r"|\.aiter/|aiter/jit/|tilelang[/_.]cache|torch_extensions|\.deep_gemm|comgr"
        ),
    ),
    _class(
        "kernel-build",
        _BUILD,
        "a kernel could not be built, by FlyDSL",
        "a pair of AITER and flydsl that belong together; VLLM_ROCM_USE_AITER_MOE=0 does without",
        where=r"flydsl|fly\.",
    ),
    _class(
        "kernel-build",
        _BUILD,
        "a kernel could not be built, by TileLang",
        "the compiler's lines above it; empty TileLang's cache (TILELANG_CACHE_DIR), check its "
        "version against vLLM's requirements",
        where=r"tilelang",
    ),
    _class(
        "kernel-build",
        _BUILD,
        "a kernel could not be built, by FlashInfer",
        "the compiler's lines above it: nvcc of PyTorch's CUDA and ninja on PATH; empty "
        "~/.cache/flashinfer (FLASHINFER_WORKSPACE_BASE), or install flashinfer-jit-cache; another "
        "backend does without",
        where=r"flashinfer",
    ),
    _class(
        "kernel-build",
        _BUILD,
        "a kernel could not be built, by DeepGEMM",
        "VLLM_USE_DEEP_GEMM=0 does without; it needs nvcc (CUDA_HOME) and a cache that is whole "
        "(DG_JIT_CACHE_DIR)",
        where=r"deep_?gemm|jit_kernels|jit/(?:compiler|kernel_runtime)",
    ),
    _class(
        "kernel-build",
        _BUILD,
        "a kernel could not be built, by CuTe's DSL",
        "the version of nvidia-cutlass-dsl that this vLLM asks for, or another attention backend",
        where=r"cutlass|\bcute\b|DSLRuntimeError",
    ),
    _class(
        "kernel-build",
        _BUILD,
        "a kernel could not be built, by Quark",
        "ninja and the ROCm compiler; PYTORCH_ROCM_ARCH with this GPU alone; a "
        "TORCH_EXTENSIONS_DIR "
        "of its own, emptied",
        where=r"quark",
    ),
    _class(
        "kernel-build",
        _BUILD,
        "a kernel could not be built, by PyTorch's extension builder",
        "the compiler's lines above it; ninja and the compiler on PATH; a "
        "TORCH_EXTENSIONS_DIR of its "
        "own, emptied",
        where=r"cpp_extension|torch_extensions|Error building extension",
    ),
    _class(
        "kernel-compile",
        r"OutOfResources|triton\.compiler\.errors|PassManager::run failed|InductorError"
        r"|BackendCompilerFailed"
        r"|loweringexception"
        r"|torch\._dynamo\.exc|TorchRuntimeError|Triton\w*Error|CompilationError"
        r"|ptxas (?:fatal|error)",
        "a kernel could not be compiled for this accelerator",
        "enforce-eager: true, or another backend for the kernel that the log names",
    ),
    _class(
        "kernel-build",
        _BUILD,
        "a kernel could not be built, by Triton or another LLVM compiler",
        "another version of Triton, or another backend for the kernel that the log names before it",
        where=r"triton|LLVM|MLIR|PassManager|amdgcn",
    ),
    _class(
        "kernel-build",
        _BUILD,
        "a kernel could not be built",
        "read the compiler's lines above it: the compiler, its version, and a cache left "
        "half-built are the suspects",
    ),
)
# Only where a server is known to have failed without a word of its own.
SILENT: tuple[FailureClass, ...] = (
    _class(
        "jit-lock",
        r"waiting for baton release at (\S+)|waiting for baton|\[aiter\].*start build \[([^\]]+)\]",
        "the server waited for a kernel build that never ended",
        "end what still builds, then delete the stale lock files below AITER_JIT_DIR (or "
        "the one that "
        "the line names)",
    ),
    _class(
        "jit-lock",
        r"QUARK-INFO: (?:First-time compilation|C\+\+ kernel compilation check start)",
        "the server waited for a kernel build that never ended",
        "end all workers, delete `lock` below TORCH_EXTENSIONS_DIR "
        "(~/.cache/torch_extensions), and "
        "build Quark's kernel once, alone, before the server starts; PYTORCH_ROCM_ARCH "
        "with this GPU "
        "alone makes it short",
    ),
    _class(
        "jit-lock",
        r"waiting for (?:the )?(?:file )?lock|acquir\w+ (?:the )?(?:file )?lock"
        r"|Building extension module|Loading extension module"
        r"|Using \S+ as PyTorch extensions root|TileLang begins to compile"
        r"|flashinfer.*(?:building|compiling|loading JIT)|Compiling \S+ with nvcc|\bninja\b",
        "the server waited for a kernel build that never ended",
        "end what still builds, delete the stale lock (`lock` below TORCH_EXTENSIONS_DIR, *.lock "
        "below FlashInfer's or TileLang's cache), and build once, alone, before the server starts",
    ),
    _class(
        "hang",
        r"No available shared memory broadcast block found|Waiting for \d+ (?:local|core engine)",
        "the server lived on without any progress",
        "`py-spy dump` of a worker names the call that waits: a build's lock, a collective, or the "
        "GPU; look at the last line before the silence",
    ),
)
