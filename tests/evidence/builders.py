"""Lines of the programs that build kernels, as their sources print them."""

from __future__ import annotations

import logging

# aiter/__init__.py: no time, unless AITER_LOG_MORE is set.
_AITER = logging.Formatter(fmt="[%(name)s] %(message)s")
# vllm/logger.py, _FORMAT and _DATE_FORMAT, with the process that logging_utils puts in front.
_VLLM = logging.Formatter(
    fmt="(%(process_name)s pid=%(process)d) %(levelname)s %(asctime)s [%(filename)s:%(lineno)d] %(message)s",
    datefmt="%m-%d %H:%M:%S",
)


def aiter(message: str, level: int = logging.INFO) -> str:
    """A line of AITER's logger."""
    return _AITER.format(logging.LogRecord("aiter", level, "core.py", 1, message, None, None))


def start(module: str, pid: int = 240) -> str:
    """aiter/jit/core.py, build_module, MainFunc."""
    who = f"[pid={pid} pname=Worker_TP{pid - 240}]"
    return aiter(f"{who} start build [{module}] under /home/user/.aiter/jit/build/{module}")


def finish(module: str, cost_s: float, pid: int = 240) -> str:
    """aiter/jit/core.py, build_module, FinalFunc; green, and with a blank before the end of the colour."""
    who = f"[pid={pid} pname=Worker_TP{pid - 240}]"
    return aiter(f"{who} \033[32mfinish build [{module}], cost {cost_s:.1f}s \033[0m")


def older_start(module: str) -> str:
    """The same before the process was named."""
    return aiter(f"start build [{module}] under /home/user/.aiter/jit/build/{module}")


def older_finish(module: str, cost_s: float) -> str:
    """The same before the process was named."""
    return aiter(f"\033[32mfinish build [{module}], cost {cost_s:.1f}s \033[0m")


def failed(module: str) -> str:
    """aiter/jit/core.py, build_module: the first of its lines."""
    return aiter(f"\033[31mfailed jit build [{module}]\033[0m↓↓↓↓↓↓↓↓↓↓", logging.ERROR)


def waiting(module: str, pid: int) -> str:
    """aiter/jit/utils/file_baton.py."""
    who = f"[pid={pid} pname=Worker_TP{pid - 240}]"
    return aiter(f"{who} waiting for baton release at /home/user/.aiter/jit/build/lock_{module}")


def stale(module: str, pid: int) -> str:
    """aiter/jit/utils/file_baton.py."""
    where = f"/home/user/.aiter/jit/build/lock_{module} (dead/abandoned holder)"
    return aiter(f"[pid={pid}] broke stale lock at {where}", logging.WARNING)


def imported(module: str) -> str:
    """aiter/jit/core.py, get_module_custom_op."""
    return aiter(f"import [{module}] under /home/user/.aiter/jit/{module}.so")


def start_of_itfs(name: str) -> str:
    """csrc/cpp_itfs/utils.py, compile_lib: the folder instead of a module, no brackets."""
    return aiter(f"start build /home/user/.aiter/build/{name}")


def finish_of_itfs(name: str, cost_s: float) -> str:
    """csrc/cpp_itfs/utils.py, compile_lib."""
    return aiter(f"finish build /home/user/.aiter/build/{name}, cost {cost_s:.8f}s")


def waiting_for_itfs(name: str, pid: int) -> str:
    """aiter/jit/utils/file_baton.py, for a lock of compile_lib."""
    who = f"[pid={pid} pname=Worker_TP{pid - 240}]"
    return aiter(f"{who} waiting for baton release at /home/user/.aiter/build/{name}/lock")


def vllm(message: str, *, at: float = 0.0, level: int = logging.INFO) -> str:
    """A line of vLLM's logger, with the local time of `at` (Unix seconds)."""
    record = logging.LogRecord("vllm", level, "core.py", 133, message, None, None)
    record.created, record.process_name, record.process = at, "EngineCore", 82
    return _VLLM.format(record)


def monitored(kernel: str, at: float = 0.0) -> str:
    """vllm/utils/jit_monitor.py, after the compilation."""
    message = (
        f"Triton kernel JIT compilation during inference: {kernel}. This causes a latency spike; consider extending "
        "warmup to cover this shape/config."
    )
    return vllm(message, at=at, level=logging.WARNING)


# triton/runtime/autotuner.py, by `print`: one line until 3.2, four since 3.3.
TRITON_32 = (
    "Triton autotuning for function f finished after 1.26s; best config selected: BLOCK: 64;"
)
TRITON_33 = (
    "Triton autotuning for function f,\nwith key as (16, 'torch.bfloat16'),\nfinished after 1.26s,\n"
    "best config selected: BLOCK: 64, num_warps: 4;"
)
TRITON_CONFIG = (
    "Autotuning kernel f with config BLOCK: 64, num_warps: 4, num_ctas: 1, num_stages: 2"
)
# flashinfer/autotuner.py, seen in public logs of vLLM.
FLASHINFER = "(Worker_TP0 pid=101) 2026-08-14 03:01:21,304 - INFO - autotuner.py:651 - flashinfer.jit: [Autotuner]: "
FLASHINFER_STARTS = FLASHINFER + "Autotuning process starts ..."
FLASHINFER_ENDS = FLASHINFER + "Autotuning process ends"
