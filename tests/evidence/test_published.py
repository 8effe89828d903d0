# ruff: noqa: E501
"""Public failures answer as their threads found: class, stage, the line that is the cause, a remedy that helps."""

import pytest

from ablation.evidence import cause, classify, failed
from tests.evidence.logs import CUDA, KV, LOADED, LOADING, READY, ROCM_033, SERVING, engine, worker
from tests.evidence.published import BROADCAST, CASES, MORE, frame, hit

# Where a server lives on and says nothing, only who waits for it can tell.
SILENT = ("jit-lock", "hang")


@pytest.mark.parametrize(
    ("name", "kind", "stage", "line", "remedy", "log"),
    CASES + MORE,
    ids=[case[0].replace(" ", "-") for case in CASES + MORE],
)
def test_public_failures(name, kind, stage, line, remedy, log):
    failure = classify(log, known=kind in SILENT)
    assert failure is not None
    assert (failure.id, failure.stage) == (kind, stage)
    assert line in failure.line
    assert remedy in failure.remedy
    assert "See root cause above" not in failure.line
    if kind != "unknown":
        assert failure.words in cause(log)
    if kind in SILENT:
        assert not failed(log)


def test_a_slow_server_is_no_failure():
    # vllm 51910: FlashInfer's autotuner takes minutes; the line about the broadcast is INFO.
    log = (
        CUDA
        + LOADED
        + "(Worker_TP0 pid=101) 2026-08-14 03:01:21,304 - INFO - autotuner.py:651 - flashinfer.jit: [Autotuner]: "
        "Autotuning process starts ...\n" + BROADCAST + KV + READY + SERVING
    )
    assert classify(log) is None
    assert classify(log.split("INFO:     Application")[0]) is None


@pytest.mark.parametrize(
    ("error", "frames"),
    [
        ("ImportError: /opt/v/lib/python3.12/site-packages/vllm/_rocm_C.abi3.so: undefined symbol: _ZN5aiter3fooE", ""),
        ("ImportError: /opt/v/lib/python3.12/site-packages/torch/lib/libtorch_hip.so: undefined symbol: ck_tile", ""),
    ],
)  # fmt: skip
def test_whose_package_is_broken_is_told_by_its_path(error, frames):
    failure = classify(ROCM_033 + LOADING + worker(frames + error))
    assert failure is not None
    assert failure.id == "broken-install"


def test_the_same_words_mean_another_kernel_elsewhere():
    words = "RuntimeError: wrong! device_gemm with the specified compilation parameters does not support this GEMM problem"
    linear = classify(
        ROCM_033 + LOADED + hit(words, frame("aiter/ops/gemm_op_a8w8.py", "gemm_a8w8_ck"))
    )
    assert linear is not None
    assert linear.id == "aiter-no-kernel"
    assert "VLLM_ROCM_USE_AITER_LINEAR=0" in linear.remedy
    assert "MOE" not in linear.remedy


def test_words_of_the_weights_mean_the_weights_only_while_they_load():
    words = "RuntimeError: The size of tensor a (2048) must match the size of tensor b (4096) at non-singleton dimension 1"
    later = classify(
        ROCM_033 + LOADED + hit(words, frame("vllm/model_executor/models/m.py", "forward"))
    )
    assert later is not None
    assert later.id == "unknown"
    assert later.line == words


def test_advice_that_cures_nothing_is_not_quoted():
    log = CUDA + LOADED + hit(
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB. If reserved but unallocated memory is "
        "large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation."
    )  # fmt: skip
    failure = classify(log)
    assert failure is not None
    assert failure.id == "out-of-memory"
    assert "the log says" not in failure.remedy


def test_a_message_that_only_the_engine_repeats():
    log = CUDA + LOADED + engine(
        "RuntimeError: Worker failed with error 'CUDA error: an illegal memory access was encountered', please check the "
        "stack trace above for the root cause"
    )  # fmt: skip
    failure = classify(log)
    assert failure is not None
    assert (failure.id, failure.line) == (
        "illegal-access",
        "CUDA error: an illegal memory access was encountered",
    )


def test_a_kernel_library_that_refuses_its_input():
    failure = classify(
        CUDA + LOADED + hit("ValueError: bad table", frame("flashinfer/prefill.py", "plan"))
    )
    assert failure is not None
    assert failure.id == "kernel-refused"


def test_an_engine_that_dies_at_the_start_did_not_die_under_load():
    died = "(EngineCore pid=90) ERROR 08-12 10:03:44 [multiproc_executor.py:280] Worker proc VllmWorker-3 died unexpectedly\n"
    failure = classify(ROCM_033 + LOADED + KV + died)
    assert failure is not None
    assert (failure.id, failure.stage) == ("engine-died", "kv_cache")
    assert "under load" not in failure.text


def test_a_queue_that_is_dumped_before_the_server_is_ready_is_no_load():
    dump = "(EngineCore pid=9) ERROR 08-12 10:03:44 [dump_input.py:79] SchedulerStats(num_running_reqs=1, num_waiting_reqs=0)\n"
    failure = classify(
        ROCM_033 + LOADED + KV + dump + hit("RuntimeError: HIP error: out of memory")
    )
    assert failure is not None
    assert (failure.id, failure.stage) == ("out-of-memory", "kv_cache")


def test_a_fault_of_one_worker_and_what_the_others_say_of_it():
    fault = (
        "Memory access fault by GPU node-4 (Agent handle: 0x3a) on address 0x7e. Reason: Unknown.\n"
    )
    others = hit(
        "torch.distributed.DistBackendError: NCCL error in: x.cpp:94, remote process exited or there was a network error"
    )
    failure = classify(ROCM_033 + LOADED + fault + others)
    assert failure is not None
    assert failure.id == "gpu-fault"


def test_workers_that_are_ended_after_an_exception_are_not_its_cause():
    ended = "".join(
        f"(EngineCore pid=90) ERROR 08-12 10:03:44 [multiproc_executor.py:316] Worker proc VllmWorker-{i} died unexpectedly (exit code: {code}), shutting down executor.\n"
        for i, code in ((0, -9), (1, -11))
    )
    failure = classify(ROCM_033 + LOADED + hit("FancyError: nobody has seen it") + ended)
    assert failure is not None
    assert (failure.id, failure.line) == ("unknown", "FancyError: nobody has seen it")
