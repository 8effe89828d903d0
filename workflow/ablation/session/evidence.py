"""What a server's log says: which kernels ran, how long each stage took, why it died.

Strings as read in vLLM 0.14 to 0.33 (sources: vllm/platforms/, vllm/v1/, ROCm/aiter).
"""

from __future__ import annotations

import re
from typing import Any

from ablation.study.config import Arm

# Lines that say which kernels a server really uses; shown side by side in the report.
BACKENDS = re.compile(
    r"Using .*(backend|Backend)|Using AITER|attention backend|Cannot use .* backend|Overriding with|"
    r"onednn_verbose.*cpu,isa:|Fp8 MoE|\[aiter\] (?!build|start build)",
)
WARNINGS = re.compile(
    r"Unknown vLLM environment variable|not found tuned config|using the PyTorch fallback|"
    r"does not support native MXFP4|Cannot use .* backend|Found incompatible backend",
)
# (name, pattern with one number in seconds, bytes or tokens)
STAGES = (
    ("weights_s", re.compile(r"Loading weights took ([\d.]+) seconds")),
    (
        "model_loading_s",
        re.compile(r"Model loading took [\d.]+ Gi?B(?: memory)? and ([\d.]+) seconds"),
    ),
    ("model_memory_gib", re.compile(r"Model loading took ([\d.]+) Gi?B")),
    ("kv_cache_tokens", re.compile(r"KV cache size: ([\d,]+) tokens")),
    ("graph_capture_s", re.compile(r"Graph capturing finished in ([\d.]+) secs")),
    ("engine_init_s", re.compile(r"init engine \(.*\) took ([\d.]+) s")),
)
# The first that matches names the cause; the more particular come first.
CAUSES = (
    (r"Sparse Attention is not supported on CPU", "sparse attention is not supported on a CPU"),
    (
        r"Sparse attention indexer ROCm path requires AITER|is only supported on AITER|requires ROCm Aiter ops",
        "sparse attention needs AITER on this GPU",
    ),
    (
        r"Aiter MLA only supports|nhead=\d+ not supported|requires a positive multiple of 16 heads",
        "AITER's MLA kernels do not support this number of heads per GPU; change the tensor-parallel size",
    ),
    (r"cannot get heuristic kernel", "AITER has no kernel for this shape"),
    (
        r"is not divisible by weight quantization block_n",
        "the FP8 blocks cannot be split over so many GPUs",
    ),
    (
        r"No common block size for|Block size must be a multiple",
        "no attention kernel takes this block size (block-size)",
    ),
    (
        r"No valid attention backend found|is not valid for this configuration|Invalid attention backend",
        "no such attention backend for this model and platform (attention-backend)",
    ),
    (
        r"No available memory for the cache blocks|larger than the available KV cache memory"
        r"|estimated maximum model length",
        "too little memory for the KV cache (kv-cache-memory-bytes, gpu-memory-utilization, max-model-len)",
    ),
    (r"greater than the derived max_model_len", "max-model-len is more than the model allows"),
    (
        r"Free memory on device|out of memory|OutOfMemoryError",
        "the accelerator's memory is not free or too small",
    ),
    (r"unrecognized arguments: (.*)", "the server does not know an argument"),
    (r"invalid choice|error: argument", "the server does not accept an argument's value"),
    (r"No module named '?vllm", "this Python has no vLLM"),
    (r"Address already in use", "the port is in use"),
    (r"EngineDeadError", "the engine died under load"),
)


def backends(log: str) -> list[str]:
    """Distinct lines that name the kernels in use, in order, without time stamps and process ids."""
    return _distinct(log, BACKENDS)


def warnings(log: str) -> list[str]:
    """Distinct lines that cast doubt on the treatment."""
    return _distinct(log, WARNINGS)


def stages(log: str) -> dict[str, float]:
    """Start-up stages: seconds, GiB or tokens by name, where the log states them."""
    found = {}
    for name, pattern in STAGES:
        match = pattern.search(log)
        if match:
            found[name] = float(match.group(1).replace(",", ""))
    return found


def treatment(log: str, arm: Arm) -> dict[str, Any]:
    """Did the treatment take effect? Reads the arm's `evidence` and `counter_evidence` in the log.

    Returns {"passed": True, False or None (no proof asked for), "found": lines, "text": a sentence, ...}.
    """
    found = _distinct(log, re.compile(arm.evidence)) if arm.evidence else []
    against = _distinct(log, re.compile(arm.counter_evidence)) if arm.counter_evidence else []
    result: dict[str, Any] = {
        "evidence": arm.evidence,
        "counter_evidence": arm.counter_evidence,
        "found": found[:10],
        "found_against": against[:10],
    }
    if against:
        return result | {
            "passed": False,
            "text": f"the server's log speaks against the treatment: {against[0]}",
        }
    if not arm.evidence:
        return result | {
            "passed": None,
            "text": "the study asks for no proof of this arm's treatment",
        }
    if not found:
        return result | {
            "passed": False,
            "text": f"no line of the server's log matches {arm.evidence!r}",
        }
    return result | {"passed": True, "text": found[0]}


def cause(log: str) -> str:
    """Why a server failed, in words; the last error line where no known cause matches."""
    for pattern, words in CAUSES:
        match = re.search(pattern, log, re.I)
        if match:
            detail = f": {match.group(1).strip()}" if match.groups() else ""
            return words + detail
    errors = [line for line in log.splitlines() if re.search(r"\b\w*(Error|Exception)\b", line)]
    return _plain(errors[-1])[-300:] if errors else "unknown; read the log"


def tail(log: str, lines: int = 12) -> str:
    """The last lines that are not blank, cut to a readable width."""
    return "\n".join([line[:300] for line in log.splitlines() if line.strip()][-lines:])


# (EngineCore pid=3701) INFO 11-23 02:58:42 [core.py:133] ...
_PREFIX = re.compile(
    r"^(\(\w+(?: \w+)* pid=\d+\)\s*)?((INFO|WARNING|ERROR|DEBUG) [\d-]+ [\d:]+ \[[^\]]*\]\s*)?"
)


def _plain(line: str) -> str:
    return _PREFIX.sub("", line.strip())


def _distinct(log: str, pattern: re.Pattern[str]) -> list[str]:
    lines = (_plain(line)[:400] for line in log.splitlines() if pattern.search(line))
    return list(dict.fromkeys(lines))
