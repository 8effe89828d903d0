"""Each class of failure from logs in the servers' own words, and no failure where there is none."""

import pytest

from ablation.evidence import cause, classify, failed
from ablation.evidence.classes import CLASSES, SILENT, UNKNOWN
from ablation.evidence.stages import WORDS
from tests.evidence.failures import FAILURES
from tests.evidence.healthy import HEALTHY
from tests.evidence.logs import CPU, CPU_KV, CPU_LOADED, LOADED, READY, ROCM_014, SERVING, STOPPED
from tests.evidence.published import CASES, MORE

BY_ITSELF = {"how": "ended by itself", "code": 1, "signal": None}


@pytest.mark.parametrize(
    ("kind", "stage", "log"), FAILURES, ids=[f"{i}-{f[0]}" for i, f in enumerate(FAILURES)]
)
def test_failures(kind, stage, log):
    failure = classify(log)
    assert failure is not None
    assert (failure.id, failure.stage) == (kind, stage)
    assert failure.words in cause(log) or kind == "unknown"
    assert WORDS[stage] in failure.text


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy(name):
    assert classify(HEALTHY[name]) is None
    assert not failed(HEALTHY[name])
    ended = {"how": "stopped by the session", "code": 0, "signal": None}
    assert classify(HEALTHY[name], ended=ended) is None


def test_there_are_enough():
    assert len(FAILURES) >= 25
    assert len(HEALTHY) >= 25


def test_every_class_has_a_log_and_a_remedy():
    seen = {kind for kind, _, _ in FAILURES} | {case[1] for case in (*CASES, *MORE)}
    # No two servers die of these in the same words; their patterns are held by the tests below.
    rare = {"quantization", "bus-error", "host-memory", "host-limits", "kernel-refused"}
    assert {c.id for c in (*CLASSES, *SILENT, UNKNOWN)} - seen == rare
    assert all(c.remedy and c.words for c in CLASSES)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("ValueError: Quantization method specified in the model config (fp8) does not match", "quantization"),
        ("Fatal Python error: Bus error", "bus-error"),
        ("OSError: [Errno 12] Cannot allocate memory", "host-memory"),
        ("RuntimeError: can't start new thread", "host-limits"),
    ],
)  # fmt: skip
def test_rare_classes(line, kind):
    failure = classify(f"{ROCM_014}{line}\n", known=True)
    assert failure is not None
    assert failure.id == kind


@pytest.mark.parametrize(
    ("signal", "kind"),
    [("SIGKILL", "killed"), ("SIGILL", "illegal-instruction"), (None, "unknown")],
)
def test_a_server_that_ended_without_a_word(signal, kind):
    log = CPU + CPU_LOADED + CPU_KV + READY + SERVING
    assert classify(log) is None
    failure = classify(log, ended=BY_ITSELF | {"signal": signal})
    assert failure is not None
    assert (failure.id, failure.stage) == (kind, "under_load")


def test_a_server_that_was_never_ready():
    log = (
        ROCM_014
        + LOADED
        + "[aiter] waiting for baton release at /home/user/.aiter/jit/build/lock_module_moe\n"
    )
    assert classify(log) is None
    failure = classify(log, known=True)
    assert failure is not None
    assert (failure.id, failure.stage) == ("jit-lock", "kv_cache")


def test_what_follows_the_order_to_end_is_no_failure():
    well = CPU + CPU_LOADED + CPU_KV + READY + SERVING
    assert not failed(well + STOPPED)
    fatal = (
        "ERROR 11-23 03:36:28 [async_llm.py:1] vllm.v1.engine.exceptions.EngineDeadError: died\n"
    )
    assert failed(well + fatal + STOPPED)


def test_requests_that_the_log_does_not_show():
    log = CPU + CPU_LOADED + READY + "EngineDeadError\n"
    failure = classify(log, loaded=True)
    assert failure is not None
    assert (failure.id, failure.stage) == ("engine-died", "under_load")
