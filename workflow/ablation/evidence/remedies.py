"""What to do about one failure: the cure that the log itself states, AITER's "
"variable, the library of a crash."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ablation.evidence.lines import plain
from ablation.evidence.tracebacks import Raised

# A sentence that tells its reader to do something.
_CURE = re.compile(
    r"\b(?:[Pp]lease|[Tt]ry|[Cc]onsider|[Ss]et|[Uu]se|[Ii]nstall|[Dd]ecrease|[Ii]ncrease"
    r"|[Ll]ower|[Rr]educe|[Ee]nable|[Dd]isable"
    r"|recommend|[Uu]pgrade|[Uu]pdate|[Ee]xport|[Uu]nset|[Rr]ebuild|[Ss]tart|[Aa]dd"
    r"|[Rr]un|must be set)\b"
)
_CURE_STARTS = re.compile(
    r"^(?:please|we recommend|try|consider|set|use|install|decrease|increase|lower"
    r"|reduce|enable|disable|upgrade|update|export"
    r"|unset|rebuild|add|run|you can|you may|you need|to (?:fix|enable|resolve|use"
    r"|avoid)|if you|or )\b"
    r"|\bplease\b|\bmust be set\b|\bby (?:setting|passing|using)\b|, (?:set|use|try)\b",
    re.I,
)
# Advice that every message of its kind carries, and that cures nothing.
_NO_CURE = re.compile(
    r"stack trace|root cause|CUDA_LAUNCH_BLOCKING|AMD_SERIALIZE_KERNEL|USE_(?:CUDA"
    r"|HIP)_DSA|further information|documentation"
    r"|for more (?:information|details)|report|file an issue|open an issue"
    r"|TORCHDYNAMO_VERBOSE|TORCH_LOGS|TORCHINDUCTOR"
    r"|expandable_segments|run with NCCL_DEBUG|for details|verbose|Search for"
    r"|double.?check|make sure you (?:are|have)",
    re.I,
)
# AITER's component by the path, function or module of a frame (vllm/envs.py).
_COMPONENTS = (
    (r"fp4_?bmm|fp4.*bmm|bmm.*fp4", "FP4BMM"),
    (r"fp8_?bmm|fp8.*bmm|bmm.*fp8", "FP8BMM"),
    (r"moe|expert|topk_(?:softmax|sigmoid)|grouped_topk", "MOE"),
    (r"custom_all_reduce|quick_all_reduce", "CUSTOM_AR"),
    (r"unified_attention", "UNIFIED_ATTENTION"),
    (r"mla", "MLA"),
    (r"mha|fmha|flash_attn|paged_attention|pa_fwd", "MHA"),
    (r"rms_?norm|layernorm", "RMSNORM"),
    (r"rope|rotary", "TRITON_ROPE"),
    (r"gemm|linear|a8w8|hipb_mm", "LINEAR"),
)
_AITER = re.compile(r"(?<![a-z])aiter", re.I)
# A kernel of AITER that a log names: the last before a fault is the suspect.
_KERNEL = re.compile(
    r"\[aiter\].*?(?:import|LoadKernel:?|load kernel|hipModuleLoad:?) \[?([\w./]+)", re.I
)
_NEAR = 40


@dataclass(frozen=True)
class Crash:
    """The frame of native code in which a process crashed, and what that says: whom to look at."""

    frame: str
    owner: str
    remedy: str


# Whose code a native frame is, by library or namespace, and what to do. The first frame that is anybody's decides.
_OWNERS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern), owner, remedy)
    for pattern, owner, remedy in (
        (
            r"InterceptQueue|rocprofiler|librocprof",
            "ROCm's profiling queue (ROCr's intercept queue)",
            "not the arm's kernels: ROCPROFILER_QUEUE_INTERPOSITION=1 or unset (an image sets "
            "it to 0), or a newer ROCr",
        ),
        (
            r"module_\w+\.so|\baiter::|/aiter/|ck_tile::|\bck::",
            "a module of AITER",
            "turn that kernel's variable off (VLLM_ROCM_USE_AITER_...=0), or empty "
            "AITER_JIT_DIR, or another AITER",
        ),
        (
            r"_(?:rocm_)?(?:moe_)?C\.(?:abi3|cpython[\w-]*)\.so|\bvllm::|/vllm/_custom_ops\.py",
            "vLLM's own kernels",
            "another build of vLLM for this PyTorch and GPU; not AITER",
        ),
        (
            r"librccl|libnccl|\bnccl\w+\(|\brccl|ProcessGroup(?:NCCL|Gloo)|libmlx5|libibverbs"
            r"|ncclNet",
            "the collectives' library (RCCL or NCCL)",
            "not the arm's kernels: NCCL_DEBUG=INFO; another RCCL or NCCL; "
            "disable-custom-all-reduce: true; the network's driver",
        ),
        (
            r"libtriton|\bmlir::|\bllvm::|libLLVM|amd_comgr|/triton/",
            "a compiler (Triton, LLVM)",
            "another version of Triton, or another backend for the kernel that was being "
            "built; empty its cache",
        ),
        (
            r"libflashinfer|\bflashinfer::|cached_ops/",
            "a kernel of FlashInfer",
            "another backend, or FlashInfer's cache emptied",
        ),
        (
            r"\brocr::|libhsa-runtime64|\bhsa_\w+|libhsakmt|\bhsaKmt\w+",
            "ROCm's runtime (ROCr)",
            "not the arm's kernels: another ROCm or driver; run it again, for such crashes "
            "come and go",
        ),
        (
            r"\bhip::|libamdhip64|\bhip[A-Z]\w+|libroctracer|libroctx",
            "the HIP runtime",
            "one ROCm only in the process (LD_LIBRARY_PATH, LD_PRELOAD, packages that bring "
            "their own); another ROCm",
        ),
        (
            r"libcuda\.so|libcudart|libnvidia",
            "the CUDA driver or runtime",
            "not the arm's kernels: the driver's version against CUDA's",
        ),
        (r"libhipblas|librocblas|libcublas|libcudnn|libMIOpen|Tensile", "a mathematical library (BLAS, DNN)",
         "another version of ROCm or CUDA, or another linear backend"),
        (
            r"\bat::|\bc10::|libtorch|libc10|\btorch::|/torch/",
            "PyTorch",
            "another build of PyTorch that fits this vLLM",
        ),
        (r"tcmalloc|jemalloc|libgomp|libiomp", "an allocator or thread library",
         "without LD_PRELOAD of that library"),
    )
)  # fmt: skip
_NOBODY = re.compile(
    r"FatalSignalHandler|signal_?handler|\b(?:raise|abort|gsignal|__restore_rt|__libc"
    r"|clone3?|start_thread)\b"
    r"|torch/_ops\.py|torch/nn/modules|_contextlib\.py|/threading\.py|/multiprocessing/"
    r"|torch/utils/"
    r"|libc\.so|libpthread|libstdc\+\+|std::terminate"
)
_NATIVE_FRAME = re.compile(
    r'^(?:File "[^"]*", line \d+|#\d+|\[?\d+\]?[: ]|@ +0x|PC: @|\*\*\*|frame #\d+|0x[0-9a-f]+|\S+\.so)'
)


def crash(lines: Sequence[str], at: int) -> Crash | None:
    """Who owns the code in which a process crashed, by the native frames near line `at`; None where none tell.

    Frames as of PyTorch's handler (`File "<unknown>", line 0, in rocr::f`), of gdb and C++'s backtrace (`#3 ... from
    lib.so`), of absl (`@ 0x7f.. f`) and of Python's faulthandler (Python frames, the innermost first).
    """
    end = min(at + _NEAR, len(lines))
    # Python's faulthandler lists all threads; the one that crashed is the current.
    at = next((n for n in range(at, end) if "Current thread 0x" in lines[n]), at)
    for number in range(at, min(at + _NEAR, len(lines))):
        said = plain(lines[number])
        if number > at and not _NATIVE_FRAME.match(said):
            continue
        if _NOBODY.search(said):
            continue
        for pattern, owner, remedy in _OWNERS:
            if pattern.search(said):
                frame = re.sub(r'^File "<unknown>", line 0, in ', "", said)
                return Crash(frame, owner, remedy)
    return None


def frames(lines: Sequence[str], at: int) -> str:
    """The frames that follow line `at`, as one text."""
    near = [plain(line) for line in lines[at + 1 : at + _NEAR]]
    return "\n".join(line for line in near if _NATIVE_FRAME.match(line))


def cure(raised: Raised) -> str:
    """The sentences of a message that say what to do, as they stand; empty where there are none."""
    text = " ".join(line.strip() for line in raised.lines[:12])
    sentences = re.split(r"(?<=[.!;])\s+(?=[A-Z`(])", text)
    found = [
        s.strip()
        for s in sentences
        if len(s) < 400
        and _CURE.search(s)
        and _CURE_STARTS.search(s.strip())
        and not _NO_CURE.search(s)
    ]
    return " ".join(found)[:400]


def component(raised: Raised) -> str:
    """AITER's variable for the kernel in which an exception was raised, `VLLM_ROCM_USE_AITER_MOE=0`; or empty.

    The innermost frame of AITER decides; without one (or where it names no component) there is none.
    """
    frames = [f for f in raised.frames if _AITER.search(f"{f.path} {f.function} {f.source}")]
    for frame in reversed(frames):
        if variable := variable_of(
            f"{frame.path.rsplit('/', 2)[-1]} {frame.function} {frame.source}"
        ):
            return variable
    return ""


def variable_of(kernel: str) -> str:
    """AITER's variable of a kernel by its name or module, with the value that turns "
    "it off; or empty."""
    for pattern, name in _COMPONENTS:
        if re.search(pattern, kernel, re.I):
            return f"VLLM_ROCM_USE_AITER_{name}=0"
    return ""


def suspect(lines: Sequence[str], at: int) -> str:
    """The last kernel of AITER that a log names within a few lines before line `at`; or empty."""
    for number in range(at, max(at - _NEAR, -1), -1):
        if match := _KERNEL.search(lines[number]):
            return match.group(1)
    return ""


def package(raised: Raised) -> str:
    """The package whose file or import failed, by the path of the library, the name, "
    "or the frames; or empty."""
    text = raised.headline
    for pattern in (
        r"/(?:site|dist)-packages/([A-Za-z]\w*)/\S*\.so",
        r"/(?:site|dist)-packages/([A-Za-z]\w*)\.\S*so",
        r"/(\w+)/_(?:moe_|rocm_)?C\.\S*\.so",
        r"No module named '?(\w+)",
        r"cannot import name '?\w+'? from (?:partially initialized module )?'?(\w+)",
        r"operator (\w+)::",
    ):
        if match := re.search(pattern, text):
            return match.group(1)
    for frame in reversed(raised.frames):
        if match := re.search(r"/(?:site|dist)-packages/([A-Za-z]\w*)/", frame.path):
            return match.group(1)
    return ""
