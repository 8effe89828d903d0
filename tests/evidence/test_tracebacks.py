# ruff: noqa: E501
"""Exceptions of a log: of which process, unwrapped, with their frames. Forms as Python and vLLM print them."""

import pytest

from ablation.evidence.lines import level, plain, split
from ablation.evidence.remedies import component, cure, package, variable_of
from ablation.evidence.tracebacks import tracebacks

INTERLEAVED = """\
(Worker_TP0 pid=1) ERROR 11-23 02:58:42 [multiproc_executor.py:842] WorkerProc hit an exception.
(Worker_TP3 pid=4) ERROR 11-23 02:58:42 [multiproc_executor.py:842] WorkerProc hit an exception.
(Worker_TP0 pid=1) ERROR 11-23 02:58:42 [multiproc_executor.py:842] Traceback (most recent call last):
(Worker_TP3 pid=4) ERROR 11-23 02:58:42 [multiproc_executor.py:842] Traceback (most recent call last):
(Worker_TP3 pid=4) ERROR 11-23 02:58:42 [multiproc_executor.py:842]   File "/p/site-packages/b.py", line 2, in g
(Worker_TP0 pid=1) ERROR 11-23 02:58:42 [multiproc_executor.py:842]   File "/p/site-packages/a.py", line 1, in f
(Worker_TP3 pid=4) ERROR 11-23 02:58:42 [multiproc_executor.py:842]     assert x == y
(Worker_TP0 pid=1) ERROR 11-23 02:58:42 [multiproc_executor.py:842]     raise ValueError("x")
(Worker_TP3 pid=4) ERROR 11-23 02:58:42 [multiproc_executor.py:842]            ^^^^^^
(Worker_TP3 pid=4) ERROR 11-23 02:58:42 [multiproc_executor.py:842] AssertionError
(Worker_TP0 pid=1) ERROR 11-23 02:58:42 [multiproc_executor.py:842] ValueError: x
"""
CHAIN = """\
Process EngineCore_0:
Traceback (most recent call last):
  File "/a.py", line 1, in build
subprocess.CalledProcessError: Command 'ninja' returned non-zero exit status 1.

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/b.py", line 2, in load
RuntimeError: Ninja build failed. Ninja output:
[1/2] nvcc
"""
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/a.py", line 1, in run
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/b.py", line 2, in g
    | OSError: [Errno 98] Address already in use
    +------------------------------------
"""
SUBPROCESS = """\
ERROR 11-23 02:58:42 [core.py:842] EngineCore failed to start.
ERROR 11-23 02:58:42 [core.py:842] Traceback (most recent call last):
ERROR 11-23 02:58:42 [core.py:842]   File "/a.py", line 1, in f
ERROR 11-23 02:58:42 [core.py:842] torch._inductor.exc.InductorError: SubprocException: An exception occurred in a subprocess:
ERROR 11-23 02:58:42 [core.py:842]
ERROR 11-23 02:58:42 [core.py:842] Traceback (most recent call last):
ERROR 11-23 02:58:42 [core.py:842]   File "/b.py", line 2, in g
ERROR 11-23 02:58:42 [core.py:842] triton.compiler.errors.CompilationError: at 1:2
"""


def test_interleaved_workers():
    raised, used = tracebacks(INTERLEAVED)
    assert [(one.process, one.headline) for one in raised] == [
        ("(Worker_TP3 pid=4)", "AssertionError at b.py:2 in g: assert x == y"),
        ("(Worker_TP0 pid=1)", "ValueError: x"),
    ]
    assert all(one.fatal and one.role == "worker" and one.level == "ERROR" for one in raised)
    assert used == set(range(2, 11))


def test_a_chain_is_one_exception_with_its_causes():
    raised, _ = tracebacks(CHAIN)
    assert [one.type for one in raised] == ["RuntimeError"]
    assert [one.type for one in raised[0].chain()] == [
        "RuntimeError",
        "subprocess.CalledProcessError",
    ]
    assert (raised[0].role, raised[0].fatal) == ("engine", True)
    assert raised[0].headline == "RuntimeError: Ninja build failed. Ninja output: [1/2] nvcc"


def test_a_group_is_unwrapped():
    raised, _ = tracebacks(GROUP)
    assert [one.type for one in raised if not one.passed_on] == ["OSError"]


def test_a_subprocess_that_is_quoted():
    raised, _ = tracebacks(SUBPROCESS)
    assert [one.type for one in raised] == ["triton.compiler.errors.CompilationError"]
    assert [one.type for one in raised[0].before] == ["torch._inductor.exc.InductorError"]
    assert raised[0].role == "engine"


@pytest.mark.parametrize(
    "prefix",
    [
        "(VllmWorker rank=3 pid=50935) ERROR 09-10 03:36:31 [multiproc_executor.py:527] ",
        "(EngineCore_DP0 pid=7) (Worker_TP0 pid=9) ERROR 11-12 16:25:35 [multiproc_executor.py:711] ",
        "(APIServer pid=1) (EngineCore_DP6 pid=2) (Worker_DP6_EP6 pid=6) ERROR 10-30 17:32:00 [v1/executor/multiproc_executor.py:671] ",
        "(RayWorkerWrapper pid=10858, ip=10.0.0.1) ERROR 10-30 17:32:00 [worker_base.py:1] ",
        "vllm-1  | (Worker_TP0 pid=9) ERROR 11-12 16:25:35 [multiproc_executor.py:711] ",
        "Aug 19 18:34:27 host vllm[8727]: (Worker pid=8) ",
        "2025-05-16T13:12:16.645427617Z (Worker_TP1 pid=9) ERROR 11-12 16:25:35 [multiproc_executor.py:711] ",
        "\x1b[1;36m(Worker_TP1 pid=9)\x1b[0;0m ERROR 11-12 16:25:35 [multiproc_executor.py:711] ",
        "[rank0]: ",
    ],
)  # fmt: skip
def test_prefixes(prefix):
    lines = [
        "Traceback (most recent call last):",
        '  File "/a.py", line 1, in f',
        "    g(x)",
        "ValueError: x",
    ]
    raised, _ = tracebacks("".join(f"{prefix}{line}\n" for line in lines))
    assert [(one.role, one.headline) for one in raised] == [("worker", "ValueError: x")]
    assert [frame.source for frame in raised[0].frames] == ["g(x)"]
    assert plain(f"{prefix}  ValueError: x") == "ValueError: x"
    assert split(f"{prefix}  x")[2].endswith("  x")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("INFO:     Application startup complete.", "INFO"),
        ("(Worker pid=1) 2026-08-14 03:01:21,304 - INFO - autotuner.py:651 - flashinfer.jit: starts", "INFO"),
        ("2026-07-06 16:03:24  [TileLang:tilelang.jit.kernel:INFO] (kernel.py:133): begins", "INFO"),
        ("(Worker_TP0 pid=101) QUARK-INFO: C++ kernel compilation check start.", "INFO"),
        ("RuntimeError: INFO is no level", ""),
        ("[aiter] start build [m]", ""),
    ],
)  # fmt: skip
def test_levels_of_other_loggers(line, expected):
    assert level(line) == expected


@pytest.mark.parametrize(
    ("kernel", "variable"),
    [
        ("module_moe_ck2stages_fp4x2", "VLLM_ROCM_USE_AITER_MOE=0"),
        ("batched_gemm_a8w8 gemm_a8w8_bpreshuffle", "VLLM_ROCM_USE_AITER_LINEAR=0"),
        ("rocm_aiter_mla.py", "VLLM_ROCM_USE_AITER_MLA=0"),
        ("module_custom_all_reduce", "VLLM_ROCM_USE_AITER_CUSTOM_AR=0"),
        ("module_sample", ""),
    ],
)
def test_variables_of_kernels(kernel, variable):
    assert variable_of(kernel) == variable


def test_what_an_exception_tells_of_its_cure_and_package():
    lines = [
        "Traceback (most recent call last):",
        '  File "/p/site-packages/aiter/fused_moe.py", line 1, in fused_moe',
        "ImportError: no foo. Please install it with `pip install foo`. Please check the stack trace above.",
    ]
    (raised,), _ = tracebacks("\n".join(lines))
    assert cure(raised) == "Please install it with `pip install foo`."
    assert component(raised) == "VLLM_ROCM_USE_AITER_MOE=0"
    assert package(raised) == "aiter"
