"""What a person at the terminal sees: which session and level is running, how many are left, about how long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TextIO

from ablation.plan.cost import duration_text
from ablation.plan.plan import Plan, Session
from ablation.session.store import Store


def measured_sessions(plan: Plan, store: Store) -> set[str]:
    """Ids of the sessions of a plan of which every level is in the store."""
    return {
        session.id
        for session in plan.sessions
        if not store.missing(level.run_hash for level in session.levels)
    }


def seconds_left(plan: Plan, store: Store, pace: float) -> float:
    """Expected seconds for what the store lacks. `pace` is measured over expected time so far."""
    total = 0.0
    for session in plan.sessions:
        missing = [level for level in session.levels if not store.has(level.run_hash)]
        if missing:
            total += _expected_s(session, {level.concurrency for level in missing})
    return total * pace


def pace_so_far(plan: Plan, store: Store, limit: int = 20) -> float:
    """Measured over expected time of the launches that are over; 1 before the first.

    At most about `limit` sessions are looked at: a long study need not read all its launches for a guess.
    """
    expected = measured = 0.0
    for session in plan.sessions[:: max(1, len(plan.sessions) // limit)]:
        for launch_id in store.launches(session.session_hash):
            launch = store.launch(launch_id)
            if launch.get("total_s"):
                expected += _expected_s(session, set(launch["levels"]))
                measured += launch["total_s"]
    return measured / expected if expected else 1.0


def _expected_s(session: Session, concurrencies: set[int]) -> float:
    """Expected seconds of one launch that measures only some levels of its session."""
    rest = sum(
        level.expected_s for level in session.levels if level.concurrency not in concurrencies
    )
    return session.expected_s - rest


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


def position(plan: Plan, session_id: str, store: Store) -> str:
    """`[5/16, about 4 min left] model/arm/block-1:` for the head of the lines."""
    total = len(plan.sessions)
    number = min(len(measured_sessions(plan, store)) + 1, total)
    left = duration_text(seconds_left(plan, store, pace_so_far(plan, store)))
    return f"[{number}/{total}, about {left} left] {session_id}:"


def open_streams(log: TextIO) -> list[TextIO]:
    """The job's log and the terminal."""
    return [log, sys.stderr]
