"""Kernels built while the server ran: AITER's builder, vLLM's JIT monitor, Triton's autotuner, torch.compile.

Words of ROCm/aiter (aiter/jit/core.py, aiter/tuned_gemm.py), vLLM 0.14 to 0.33 (utils/jit_monitor.py,
compilation/) and Triton (runtime/autotuner.py).
"""

from __future__ import annotations

import re
from typing import Any

from ablation.evidence.builds import (
    FAILED,
    FINISH,
    IMPORT,
    START,
    TRITON_TIME,
    WAIT,
    module_of,
)
from ablation.evidence.lines import plain
from ablation.evidence.stamps import split_lines

_MONITOR = re.compile(
    r"(\w+) (kernel JIT compilation|autotuning[\w ]*|[\w. ]+) during inference: (\S+)"
)
_COMPILE = re.compile(
    r"torch\.compile (?:takes|took|and initial profiling/warmup run together took) ([\d.]+) s"
)
# aiter/ops/gemm_op_*.py and aiter/tuned_gemm.py; aiter/fused_moe.py in several phrasings of one shape.
UNTUNED_AITER = re.compile(
    r"not found tuned config|[Nn]o tuned(?: \w+)? config for|Fmoe tuning not support for"
    r"|\[fused_moe\] using [\w ]*\bdefault for"
)
_MOE_SHAPE = re.compile(
    r"(?:tuning not support|config|default) for \((?:'gfx\w+', ?)?(.*?)\)(?:,|;|$)"
)
_UNTUNED_VLLM = re.compile(
    r"Using default [\w ]*(?:MoE|GEMM|FP8|SSU|kernel)[\w ]* configs?\b|has no tuned [\w -]+ kernels"
    r"|default tactic heuristic"
)
# Imported with the package itself, also by versions of vLLM whose AITER is off (pull request 32902).
_ALWAYS = {"module_aiter_enum", "module_aiter_core"}


def loaded_module(line: str) -> str | None:
    """The module of AITER that a line says was loaded, but for those that every import of AITER loads."""
    match = IMPORT.search(line)
    return match.group(1) if match and match.group(1) not in _ALWAYS else None


def jit(log: str) -> dict[str, Any]:
    """Builds with their seconds.

    Workers of one server build a module once and wait for each other, so AITER's seconds are summed over
    modules; torch.compile runs in all workers at once, so the slowest counts.

    aiter_builds, aiter_build_s   modules built, and their seconds
    aiter_failed                  modules whose build failed
    aiter_modules                 modules loaded, but for those that every import of AITER loads
    aiter_waits                   lines of workers that waited for another's build
    late_compilations             distinct kernels that vLLM's monitor saw compiled during inference
    autotune_s                    seconds of Triton's autotuner, where it says them
    torch_compile_s               seconds, or None where nothing was compiled
    """
    built: set[str] = set()
    cost: dict[str, float] = {}
    failed: set[str] = set()
    modules: set[str] = set()
    late: set[str] = set()
    waits, autotune, compiled = 0, 0.0, None
    for said in split_lines(log):
        line = plain(said)
        if match := START.search(line):
            built.add(module_of(match))
        elif match := FINISH.search(line):
            module = module_of(match)
            built.add(module)
            cost[module] = max(float(match["seconds"] or 0.0), cost.get(module, 0.0))
        elif match := FAILED.search(line):
            failed.add(match[1] or match[2])
        elif loaded := loaded_module(line):
            modules.add(loaded)
        elif WAIT.search(line):
            waits += 1
        elif match := _MONITOR.search(line):
            late.add(f"{match.group(1)} {match.group(3).rstrip('.')}")
        elif match := TRITON_TIME.match(line):
            autotune += float(match[1])
        elif match := _COMPILE.search(line):
            compiled = max(float(match.group(1)), compiled or 0.0)
    return {
        "aiter_builds": len(built),
        "aiter_build_s": round(sum(cost.values()), 3),
        "aiter_failed": sorted(failed),
        "aiter_modules": sorted(modules),
        "aiter_waits": waits,
        "late_compilations": sorted(late),
        "autotune_s": round(autotune, 3),
        "torch_compile_s": compiled,
    }


def untuned(log: str) -> dict[str, int]:
    """Kernels that ran with a default configuration for want of a tuned one.

    shapes: distinct ones that AITER had no tuned configuration for; lines: how often it said so (every worker
    says it); vllm: distinct kernels of vLLM's own without a tuned configuration.
    """
    aiter = [plain(line) for line in split_lines(log) if UNTUNED_AITER.search(line)]
    shapes = {match.group(1) if (match := _MOE_SHAPE.search(line)) else line for line in aiter}
    own = {plain(line) for line in split_lines(log) if _UNTUNED_VLLM.search(line)}
    return {"shapes": len(shapes), "lines": len(aiter), "vllm": len(own)}
