"""A server's log read once: all that a proof looks at.

Besides the lines that name kernels (backends.py) these tell what is in use: of vLLM 0.32 and 0.33
`Final IR op priority after setting platform defaults: IrOpPriorityConfig(rms_norm=['aiter', 'native'], ...)`
(config/kernel.py) and `Using ['AITER_CUSTOM', ...] all-reduce backends (in dispatch order) for group 'tp:0' ...`
(distributed/device_communicators/cuda_communicator.py); of all versions the bar `[Aiter Triton] Pre-compiling fp8 BMM
kernel` (model_executor/layers/attention/mla_attention.py) and AITER's own `import [module_...]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from packaging.version import InvalidVersion, Version

from ablation.evidence import repeated
from ablation.evidence.backends import COMPONENTS, is_cpu, kernel, refused, unknown_variable
from ablation.evidence.jit import loaded_module
from ablation.evidence.lines import plain
from ablation.evidence.stamps import split_lines

# Any line that one of the readers below may want: all others are passed over at once.
_TELLING = re.compile(
    r"Using|using|Overriding|Selected|isa:|Cannot use|Unknown vLLM|import \[|Initializing a V|version \d"
    r"|non-default args|IR op priority|fp8 BMM|was requested, but|is enabled but|Loading weights took"
    r"|cpu_worker|cpu_model_runner|CPU KV cache"
)
_CONFIG = re.compile(r"Initializing a V\d LLM engine \(v([^)\s]+)\) with config: (.*)")
# The line of the API server, as of 0.14, and that of the logo, as of 0.19.
_VERSION = re.compile(r"vLLM API server version (\d\S*)|^[\s█▄▀]*version (\d\S*)$")
_ENGINE = (
    "dtype",
    "enforce_eager",
    "tensor_parallel_size",
    "quantization",
    "kv_cache_dtype",
    "load_format",
)
_PRIORITY = re.compile(r"Final IR op priority after setting platform defaults: (.*)")
_IMPLEMENTATIONS = re.compile(r"(\w+)=\[([^\]]*)\]")
_ALL_REDUCE = re.compile(r"Using \[([^\]]*)\] all-reduce backends .* for group '(\w+)")
_NAME = re.compile(r"'([^']+)'")
# Of 0.32 and 0.33: fused_moe/oracle/unquantized.py, fused_moe/utils.py.
_DECLINED = re.compile(r"^(VLLM_\w+)(?:=\S+ was requested, but| is enabled but cannot be enabled)")
_BMM = re.compile(r"\[Aiter Triton\] .*compiling fp8 BMM", re.I)


@dataclass
class Reading:
    """What a log says.

    kernels      component -> kernels in use, in the order of their first mention; empty where the log names none
    refused      attention backends that were asked for and not taken
    engine       what the engine says of its own configuration: dtype, enforce_eager, quantization ... where it does
    version      of vLLM, as the server says it; empty where it does not
    modules      of AITER that were loaded, but for those that every import of it loads
    norms        implementations of the RMS norm in vLLM's order of preference; None where the log does not say
    all_reduce   of the tensor-parallel group, in the same order; None where the log does not say
    fp8_bmm      AITER's FP8 batched multiplications were compiled
    unknown      VLLM_* variables that the server does not know
    declined     VLLM_* variable -> the line that says that it was asked for and cannot be had
    arguments    what it repeats of its arguments, by their names with underscores; None where it repeats none
    loaded       the weights were loaded, so that every kernel has been chosen
    """

    kernels: dict[str, list[str]] = field(
        default_factory=lambda: {component: [] for component in COMPONENTS}
    )
    refused: list[str] = field(default_factory=list)
    engine: dict[str, str] = field(default_factory=dict)
    version: str = ""
    modules: list[str] = field(default_factory=list)
    norms: list[str] | None = None
    all_reduce: list[str] | None = None
    fp8_bmm: bool = False
    unknown: list[str] = field(default_factory=list)
    declined: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, object] | None = None
    loaded: bool = False

    def since(self, version: str, planned: str = "") -> bool | None:
        """Whether the server is of this version or a later one; None where neither it nor the plan says."""
        return at_least(self.version or planned, version)


def at_least(version: str, other: str) -> bool | None:
    """Whether a version is `other` or a later one; None where it is no version."""
    try:
        return Version(version) >= Version(other)
    except InvalidVersion:
        return None


def read(log: str) -> Reading:
    """Read a log, in one pass.

    CPU_ATTN is inferred: vLLM on a CPU names only its other attention backends.
    """
    found, cpu = Reading(), False
    for line in split_lines(log):
        if not _TELLING.search(line):
            continue
        cpu = cpu or is_cpu(line)
        if named := kernel(line):
            _add(found.kernels[named[0]], named[1])
        elif backend := refused(line):
            _add(found.refused, backend)
        elif variable := unknown_variable(line):
            _add(found.unknown, variable)
        elif module := loaded_module(line):
            _add(found.modules, module)
        elif _BMM.search(line):
            found.fp8_bmm = True
        elif "Loading weights took" in line:
            found.loaded = True
        else:
            _configuration(found, plain(line))
    if cpu and found.loaded and not found.kernels["attention"]:
        found.kernels["attention"].append("CPU_ATTN")
    return found


def _add(names: list[str], name: str) -> None:
    if name not in names:
        names.append(name)


def _configuration(found: Reading, text: str) -> None:
    """Lines in which the server says what it was told, and what it prefers."""
    if text.startswith(repeated.START):
        if found.arguments is None:
            found.arguments = repeated.parse(text.removeprefix(repeated.START))
    elif match := _CONFIG.search(text):
        found.version = match.group(1)
        for word in _ENGINE:
            if told := re.search(rf"\b{word}=(?:torch\.)?([\w.]+)", match.group(2)):
                found.engine.setdefault(word, told.group(1))
    elif match := _DECLINED.match(text):
        found.declined.setdefault(match.group(1), text)
    elif match := _VERSION.search(text):
        found.version = found.version or match.group(1) or match.group(2)
    elif match := _PRIORITY.search(text):
        for op, names in _IMPLEMENTATIONS.findall(match.group(1)):
            if op in ("rms_norm", "fused_add_rms_norm"):
                found.norms = found.norms or []
                for name in _NAME.findall(names):
                    _add(found.norms, name)
    elif (match := _ALL_REDUCE.search(text)) and match.group(2) == "tp":
        found.all_reduce = found.all_reduce or []
        for name in _NAME.findall(match.group(1)):
            _add(found.all_reduce, name)
