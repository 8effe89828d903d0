"""What a person at the terminal sees: which session and level is running, how many are left, about how long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import TextIO

from ablation.plan.cost import duration_text
from ablation.plan.plan import Plan, Session
from ablation.session.store import Store
from ablation.sitting.outlook import BlockOutlook, expected_s


class Position:
    """Where a study stands when a block's job begins, for the head of its lines."""

    def __init__(self, plan: Plan, store: Store, blocks: Sequence[BlockOutlook]) -> None:
        self.total = len(plan.sessions)
        waiting = [launch.session for block in blocks for launch in block.launches]
        self.done = self.total - len(waiting)
        self.left_s = sum(block.expected_s for block in blocks) * pace_so_far(plan, store)
        self._seen: list[Session] = []

    def head(self, session: Session) -> str:
        """`[5/16, about 4 min left] model/arm/block-1:`; each session that is asked for is one further on."""
        if session not in self._seen:
            self._seen.append(session)
        number = min(self.done + len(self._seen), self.total)
        gone_s = sum(before.expected_s for before in self._seen[:-1])
        left = duration_text(max(self.left_s - gone_s, 0.0))
        return f"[{number}/{self.total}, about {left} left] {session.id}:"


def pace_so_far(plan: Plan, store: Store, limit: int = 20) -> float:
    """Measured over expected time of the launches that are over; 1 before the first.

    At most about `limit` sessions are looked at: a long study need not read all its launches for a guess.
    """
    expected = measured = 0.0
    for session in plan.sessions[:: max(1, len(plan.sessions) // limit)]:
        for launch_id in store.launches(session.session_hash):
            launch = store.launch(launch_id)
            if launch.get("total_s"):
                expected += expected_s(session, launch["levels"])
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


def open_streams(log: TextIO) -> list[TextIO]:
    """The job's log and the terminal."""
    return [log, sys.stderr]
