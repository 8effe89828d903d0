"""The gate `jit_in_window`: found, not found, or not observed; by clocks that no zone, year or step can move."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ablation.evidence.stamps import stamped_lines
from ablation.run.compilation import ServerLog, jit_in_window, server_log
from ablation.run.gate import FAILED, NOT_OBSERVED, PASSED
from ablation.run.metrics import summarise
from ablation.session.guard import stamp
from tests.evidence import builders as b
from tests.run_rows import closed_loop, run_json, table

ROWS = table(closed_loop(10, 100))
FIRST_SEND_S = 7000.0  # CLOCK_MONOTONIC
NEW_YEARS_EVE = datetime(2026, 12, 31, 23, 59, 55, tzinfo=UTC).timestamp()
# The window of these rows, in seconds since the first send.
START, END = 0.9, 10.0


def run(first_send_unix: float = NEW_YEARS_EVE) -> dict[str, Any]:
    """A run's record whose first send is at FIRST_SEND_S and, by the wall clock, at this moment."""
    clock = {"monotonic_ns": 6_999_000_000_000, "unix_ns": int((first_send_unix - 1) * 1e9)}
    return run_json(10, first_send_ns=int(FIRST_SEND_S * 1e9), clock=clock)


def judged(log: ServerLog | None, told: dict[str, Any] | None = None, most: int = 0) -> Any:
    told = told or run()
    summary = summarise(ROWS, told)
    assert round(summary["window_start_s"], 1) == START
    assert round(summary["window_end_s"], 1) == END
    return jit_in_window(summary, told, log, most)


def log(*told: tuple[float, str], wall_off_s: float = 0.0, **more: Any) -> ServerLog:
    """A log as the guard keeps it: texts with the second after the first send at which they came."""
    kept = ""
    for second, text in told:
        unix, monotonic = NEW_YEARS_EVE + second + wall_off_s, FIRST_SEND_S + second
        now = stamp(int(unix * 1e9), round(monotonic * 1e9)).decode()
        kept += "".join(f"{now}{line}\n" for line in text.split("\n"))
    return ServerLog(stamped_lines(kept), **more)


def old_log(*told: tuple[float, str]) -> ServerLog:
    """A log as it was kept before: only what the lines say themselves."""
    return ServerLog(stamped_lines("".join(f"{text}\n" for _, text in told)))


def vllm(second: float, message: str) -> tuple[float, str]:
    """A line of vLLM, with its own local time."""
    return second, b.vllm(message, at=NEW_YEARS_EVE + second)


@pytest.fixture(params=["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """This machine's time zone, while a log is written and a run derived."""

    def use(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    use(request.param)
    yield use
    monkeypatch.undo()
    time.tzset()


# A build of 41 s, of which the window of 9 s is a part; AITER says neither line's time.
LONG = [(-20.0, b.start("module_moe_asm")), (21.2, b.finish("module_moe_asm", 41.2))]


@pytest.mark.parametrize(
    "told",
    [
        LONG,
        LONG[1:],  # only its end, after the window: it says how long it took
        LONG[:1],  # only its begin, before the window
        [(5.0, b.start("m")), (6.0, b.finish("m", 1.0))],
        [(-5.0, b.start("m")), (5.0, b.waiting("m", 241)), (5.5, b.finish("m", 10.5))],
        [(5.0, b.older_start("m"))],
        [(10.2, b.TRITON_33)],
        [(5.0, b.monitored("_fwd_kernel"))],
        [(12.0, b.vllm("torch.compile took 31.25 s in total"))],
        [(10.04, b.monitored("f"))],  # stamped late by the guard
    ],
)
def test_what_was_built_in_the_window_is_found(zone: Any, told: list[tuple[float, str]]) -> None:
    gate = judged(log(vllm(-60.0, "version 0.32.0"), *told, vllm(12.0, "all is well")))
    assert gate["state"] == FAILED
    assert gate["value"] >= 1
    assert "kernels were built or compiled in the window" in gate["text"]


@pytest.mark.parametrize(
    "told",
    [
        [],
        [(-50.0, b.start("m")), (-8.8, b.finish("m", 41.2))],  # in the warm-up
        [(0.5, b.monitored("f"))],  # between the first send and the window
        [(52.0, b.start("m")), (93.2, b.finish("m", 41.2))],
        [(52.0, b.start("m"))],
        [(5.0, b.vllm("Engine 000: Avg prompt throughput: 412.6 tokens/s"))],
    ],
)
def test_what_was_built_beside_the_window_is_not(zone: Any, told: list[tuple[float, str]]) -> None:
    gate = judged(log(vllm(-60.0, "version 0.32.0"), *told, vllm(12.0, "all is well")))
    assert (gate["state"], gate["value"]) == (PASSED, 0.0)
    assert f"by {2 + len(told)} lines of the server's log" in gate["text"]


def test_the_text_says_what_when_and_how_long() -> None:
    text = judged(log(*LONG))["text"]
    assert "by 1 messages of the server's log" in text
    assert "from second -20.9 of the window to second 20.3: [aiter] start build" in text
    assert "from second -20.9 of the window with no end" in judged(log(LONG[0]))["text"]


def test_a_wall_clock_that_steps_moves_nothing() -> None:
    for off in (-86_400.0, 3600.0):
        assert judged(log((5.0, b.start("m")), wall_off_s=off))["state"] == FAILED
        assert judged(log((-50.0, b.imported("m")), wall_off_s=off))["state"] == PASSED


def test_where_nothing_can_be_seen_nothing_is_ruled_out() -> None:
    for nothing in (None, ServerLog(None), ServerLog([])):
        gate = judged(nothing)
        assert (gate["state"], gate["value"]) == (NOT_OBSERVED, None)
        assert gate["text"].startswith("not observed: ")
    never = table(closed_loop(8, 40))  # 10 in flight were never reached
    gate = jit_in_window(summarise(never, run()), run(), log((5.0, b.start("m"))), 0)
    assert gate["state"] == NOT_OBSERVED
    assert "no window" in gate["text"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"lost_bytes": 4096}, "4,096 bytes of the server's log were lost"),
        ({"env": {"AITER_LOG_LEVEL": "ERROR"}}, "AITER_LOG_LEVEL=ERROR hides AITER's builds"),
    ],
)
def test_a_log_with_gaps_shows_what_it_shows_and_no_more(more: dict[str, Any], says: str) -> None:
    quiet = judged(log((5.0, "all is well"), **more))
    assert quiet["state"] == NOT_OBSERVED
    assert says in quiet["text"]
    assert judged(log((5.0, b.start("m")), **more))["state"] == FAILED


@pytest.mark.parametrize("lines", [b.TRITON_32, b.TRITON_33, b.TRITON_CONFIG])
def test_a_print_that_comes_after_the_window_may_be_from_within(lines: str) -> None:
    held_back = judged(log((60.0, lines)))
    assert held_back["state"] == NOT_OBSERVED
    assert "Python may have held back" in held_back["text"]
    assert judged(log((60.0, lines), env={"PYTHONUNBUFFERED": "1"}))["state"] == PASSED
    assert judged(log((-60.0, lines)))["state"] == PASSED
    assert judged(log((5.0, lines)))["state"] == FAILED


def test_as_many_as_the_study_allows() -> None:
    two = log((5.0, b.monitored("f")), (6.0, b.monitored("g")))
    assert judged(two, most=1)["state"] == FAILED
    gate = judged(two, most=2)
    assert (gate["state"], gate["value"], gate["threshold"]) == (PASSED, 2.0, 2.0)
    assert "up to 2 are allowed" in gate["text"]


def test_an_old_log_fails_by_what_it_shows_and_passes_by_nothing(zone: Any) -> None:
    found = judged(old_log((5.0, b.monitored("f", at=NEW_YEARS_EVE + 5.0))))
    assert found["state"] == FAILED
    assert "by the log's own local time, read in this machine's zone" in found["text"]
    for second in (-60.0, 60.0):
        quiet = judged(old_log((second, b.monitored("f", at=NEW_YEARS_EVE + second))))
        assert quiet["state"] == NOT_OBSERVED
        assert "before each of its lines got a time" in quiet["text"]
    # AITER's lines have no time: what it built 41 s long may or may not have been in the window.
    assert judged(old_log(*LONG))["state"] == NOT_OBSERVED


def test_an_old_log_of_new_years_eve_has_the_year_that_is_near() -> None:
    second = 8.0  # in the new year, while the run began in the old one
    gate = judged(old_log((second, b.monitored("f", at=NEW_YEARS_EVE + second))))
    assert gate["state"] == FAILED


def test_an_old_log_derived_in_another_zone_shows_nothing(zone: Any) -> None:
    written = old_log((5.0, b.monitored("f", at=NEW_YEARS_EVE + 5.0)))
    zone("Pacific/Auckland")
    assert judged(written)["state"] == NOT_OBSERVED


def test_an_old_log_with_a_date_that_no_year_has() -> None:
    line = re.sub(r" \d\d-\d\d ", " 02-31 ", b.monitored("f"), count=1)
    assert "02-31" in line
    assert judged(ServerLog(stamped_lines(f"{line}\n")))["state"] == NOT_OBSERVED


def test_a_launch_s_log_with_what_is_known_of_it(tmp_path: Path) -> None:
    launch = {"env": {"A": "1"}, "exit": {"how": "stopped", "log": {"lost_bytes": 7, "why": "x"}}}
    assert server_log(tmp_path, launch) == ServerLog(None, 7, {"A": "1"})
    (tmp_path / "server.log").write_bytes(stamp(0, 5_000_000_000) + b"one\n")
    (line,) = server_log(tmp_path, {"env": {}}).lines or []
    assert (line.text, line.at_s) == ("one", 5.0)
    assert server_log(tmp_path, {"env": {}, "exit": {"how": "stopped"}}).lost_bytes == 0
