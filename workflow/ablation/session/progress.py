"""What a person at the terminal sees: which session and level is running, how many are left, about how long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from ablation.plan.cost import duration_text
from ablation.session.store import Store


def measured_sessions(plan: dict[str, Any], store: Store) -> set[str]:
    """Ids of the sessions of a plan of which every level is in the store."""
    return {
        session["id"]
        for session in plan["sessions"]
        if not store.missing(level["run_hash"] for level in session["levels"])
    }


def seconds_left(plan: dict[str, Any], store: Store, pace: float) -> float:
    """Expected seconds for what the store lacks. `pace` is measured over expected time so far."""
    total = 0.0
    for session in plan["sessions"]:
        missing = [level for level in session["levels"] if not store.has(level["run_hash"])]
        if missing:
            overhead = session["expected_s"] - sum(
                level["expected_s"] for level in session["levels"]
            )
            total += overhead + sum(level["expected_s"] for level in missing)
    return total * pace


def pace_so_far(plan: dict[str, Any], store: Store, limit: int = 20) -> float:
    """Measured over expected time of launches that are over; 1 before the first.

    Only launches that measured all levels of their session tell: half a session has all of the start-up.
    """
    expected = measured = 0.0
    for session in plan["sessions"][:: max(1, len(plan["sessions"]) // limit)]:
        for launch_id in store.launches(session["session_hash"]):
            launch = store.launch(launch_id)
            if launch.get("levels") == [
                level["concurrency"] for level in session["levels"]
            ] and launch.get("total_s"):
                expected += session["expected_s"]
                measured += launch["total_s"]
    return measured / expected if expected else 1.0


class Progress:
    """Lines to the terminal and to the job's log."""

    def __init__(self, streams: Iterable[TextIO], prefix: str) -> None:
        self.streams = list(streams)
        self.prefix = prefix
        self._last = 0.0

    def say(self, text: str) -> None:
        """One line, now."""
        for stream in self.streams:
            print(f"{time.strftime('%H:%M:%S')} {self.prefix} {text}", file=stream, flush=True)

    def tick(self, text: str, every_s: float = 15.0) -> None:
        """One line, unless the last was said less than `every_s` seconds ago."""
        now = time.monotonic()
        if now - self._last >= every_s:
            self._last = now
            self.say(text)

    def quiet(self) -> None:
        """Start the clock of `tick`, so that short steps are not reported at all."""
        self._last = time.monotonic()


def position(plan: dict[str, Any], session_id: str, results: Path) -> str:
    """`[5/16, about 4 min left]` for the head of the lines."""
    store = Store(results / "store")
    done = len(measured_sessions(plan, store))
    left = seconds_left(plan, store, pace_so_far(plan, store))
    return f"[{min(done + 1, len(plan['sessions']))}/{len(plan['sessions'])}, about {duration_text(left)} left] {session_id}:"


def open_streams(log: TextIO) -> list[TextIO]:
    """The job's log and the terminal."""
    return [log, sys.stderr]
