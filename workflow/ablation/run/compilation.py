"""The gate `jit_in_window`: was a kernel built or compiled while the run was measured, by the server's log?

Lines have the time at which the guard read them, by CLOCK_MONOTONIC, which is the clock of the run's window: no time
zone, no year and no step of a clock can come between. A line was written at its stamp or before (session/guard.py says
by how much): one that may have stood in a buffer since the window is neither found nor ruled out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ablation.evidence.builds import Build, builds, silenced
from ablation.evidence.stamps import Line, read_log, stamped_lines
from ablation.run.gate import gate
from ablation.session.store import LOG_FILE

NAME = "jit_in_window"
# How late a line may be stamped that nobody held back: the guard gathers for 10 ms, and shares its cores with the load.
SLACK_S = 0.05
# INFO 11-23 02:58:42 [core.py:133] ...: vLLM's own month, day and local time, without year and zone.
_OWN_TIME = re.compile(r"\b\d\d-\d\d \d\d:\d\d:\d\d\b")


@dataclass(frozen=True, slots=True)
class ServerLog:
    """What is known of a launch's log.

    lines       None where there is no log
    lost_bytes  that the disk did not take
    env         the server's own variables, which may silence it
    """

    lines: list[Line] | None
    lost_bytes: int = 0
    env: Mapping[str, str] = field(default_factory=dict)


def server_log(folder: Path, launch: Mapping[str, Any]) -> ServerLog:
    """The log of a launch: its folder in the store, and its evidence."""
    text = read_log(folder / LOG_FILE)
    kept = (launch.get("exit") or {}).get("log") or {}
    return ServerLog(
        None if text is None else stamped_lines(text),
        int(kept.get("lost_bytes") or 0),
        launch.get("env") or {},
    )


def jit_in_window(
    summary: Mapping[str, Any], run_json: Mapping[str, Any], log: ServerLog | None, most: int
) -> dict[str, Any]:
    """Judge the gate: more than `most` builds and compilations in the window fail it.

    Found: it fails, whatever the log is like. Not found: it passes where the log could have shown it, and is not
    observed where it could not.
    """
    if log is None or log.lines is None:
        return gate(NAME, None, None, most, "not observed: there is no server log")
    if summary["window_s"] is None:
        return gate(NAME, None, None, most, "not observed: there is no window")
    if not log.lines:
        return gate(NAME, None, None, most, "not observed: the server's log is empty")
    start_s, end_s = window_s(summary, run_json)
    stamped = log.lines[0].at_s is not None
    lines = log.lines if stamped else list(own_times(log.lines, run_json))
    # vLLM's own stamps are whole seconds: any moment of the second may be meant.
    since_s = start_s if stamped else start_s - 1.0
    told = builds(lines)
    found = [build for build in told if build.meets(since_s, end_s, SLACK_S)]
    if len(found) > most:
        text = _found(found, start_s)
        if not stamped:
            text += " (by the log's own local time, read in this machine's zone)"
        return gate(NAME, False, len(found), most, text)
    if not stamped:
        text = (
            "not observed: this log was kept before each of its lines got a time, and the lines that carry one of "
            "their own show no compilation in the window"
        )
        return gate(NAME, None, None, most, text)
    if hindrances := _hindrances(log, told, end_s):
        return gate(NAME, None, None, most, f"not observed: {'; '.join(hindrances)}")
    inside = sum(1 for line in lines if line.at_s is not None and start_s <= line.at_s <= end_s)
    text = (
        f"no kernel was built or compiled in the window, by {len(lines):,} lines of the server's log, {inside:,} of "
        "them in the window"
        if not found
        else f"{_found(found, start_s)}; up to {most} are allowed"
    )
    return gate(NAME, True, len(found), most, text)


def window_s(summary: Mapping[str, Any], run_json: Mapping[str, Any]) -> tuple[float, float]:
    """Start and end of the window in seconds of CLOCK_MONOTONIC."""
    zero = run_json["first_send_ns"] / 1e9
    return zero + summary["window_start_s"], zero + summary["window_end_s"]


def own_times(lines: list[Line], run_json: Mapping[str, Any]) -> Iterator[Line]:
    """The lines of an old log that carry a time of vLLM's own, moved to CLOCK_MONOTONIC by the run's pair of clocks.

    The zone is that of this machine, and the year the one that lies nearest to the run: worth what that is worth.
    """
    clock = run_json["clock"]
    offset = (clock["unix_ns"] - clock["monotonic_ns"]) / 1e9
    near = run_json["first_send_ns"] / 1e9 + offset
    known: dict[str, float | None] = {}
    for line in lines:
        if match := _OWN_TIME.search(line.text[:120]):
            words = match[0]
            if words not in known:
                known[words] = _nearest(words.replace(" ", "T"), near)
            unix_s = known[words]
            if unix_s is not None:
                yield Line(line.text, unix_s - offset)


def _nearest(words: str, near_s: float) -> float | None:
    """Unix seconds of `11-23T02:58:42`, a local time without a year; None where no year has that date."""
    found = []
    year = datetime.fromtimestamp(near_s).astimezone().year
    for candidate in (year - 1, year, year + 1):
        try:
            local = datetime.fromisoformat(f"{candidate}-{words}")
        except ValueError:  # 29 February of another year, or no date at all
            continue
        found.append(local.astimezone().timestamp())
    return min(found, key=lambda at: abs(at - near_s), default=None)


def _found(found: list[Build], start_s: float) -> str:
    first = found[0]
    end = f"to second {first.end_s - start_s:.1f}" if first.end_s < float("inf") else "with no end"
    return (
        f"kernels were built or compiled in the window, by {len(found)} messages of the server's log; the first, from "
        f"second {first.begin_s - start_s:.1f} of the window {end}: {first.line[:200]}"
    )


def _hindrances(log: ServerLog, told: list[Build], end_s: float) -> list[str]:
    """Why a log without a finding does not show that there was nothing."""
    why = []
    if log.lost_bytes:
        why.append(f"{log.lost_bytes:,} bytes of the server's log were lost (exit.json says why)")
    why += silenced(log.env)
    late = [build for build in told if build.may_be_late and build.end_s > end_s]
    if late and not log.env.get("PYTHONUNBUFFERED"):
        why.append(
            f"{len(late)} lines came after the window that Python may have held back since before its end, the first: "
            f"{late[0].line[:200]}; with PYTHONUNBUFFERED: 1 under server.env they come at once"
        )
    return why
