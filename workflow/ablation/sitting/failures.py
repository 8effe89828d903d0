"""Launches that failed: results of a study like any other, shown and explained, and never counted.

A launch that fails does not end its block: the other arms go on. The next command tries again what failed, and first,
so that nothing is launched beside it for nothing. An arm that fails twice in the same way is not launched again before
the next command (`design.give_up_after`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ablation.errors import UserError
from ablation.evidence.launch import INTERRUPTED
from ablation.plan.plan import Session
from ablation.session.store import Store
from ablation.sitting.facts import seconds


@dataclass(frozen=True)
class Failed:
    """A session without its levels, and why.

    launch_id   the launch that failed; None where it was not launched again
    id, stage   class of the failure and how far the server had come; None where the log tells neither
    text        what happened, in words; remedy: what to do about it
    """

    arm: str
    launch_id: str | None
    id: str | None
    stage: str | None
    text: str
    remedy: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @property
    def way(self) -> tuple[str | None, str | None, str]:
        """What makes two failures the same: class and stage, or the message where there is no class."""
        return self.id, self.stage, "" if self.id else self.text


def failed(session: Session, launch: Mapping[str, Any]) -> Failed | None:
    """The failure of a launch, or None where it did not fail. What was interrupted did not fail."""
    error = launch.get("error")
    if not error or str(error).startswith(INTERRUPTED):
        return None
    found = launch.get("failure") or {}
    first = str(error).partition("\n")[0].partition(": ")[2] or str(error)
    line = str(found.get("line") or "")
    text = f"{found['words']}: {line}" if found.get("words") and line else first
    return Failed(
        arm=session.arm,
        launch_id=str(launch["launch_id"]),
        id=found.get("id"),
        stage=found.get("stage"),
        text=text[:500],
        remedy=str(found.get("remedy") or "read the server's log, which is kept with the launch"),
    )


def unexplained(session: Session, error: Exception) -> Failed:
    """A failure that left no launch: the server could not even be started."""
    text = str(error).partition("\n")[0]
    return Failed(session.arm, None, None, None, text[:500], "see the message")


def failures_of(session: Session, store: Store, *, since_s: float = 0.0) -> list[Failed]:
    """The failures of a session's launches since its last success, the latest last."""
    found: list[Failed] = []
    for launch_id in store.launches(session.session_hash):
        launch = store.launch(launch_id)
        if seconds(launch["started_at"]) < since_s:
            continue
        failure = failed(session, launch)
        if failure is not None:
            found.append(failure)
        elif "total_s" in launch:
            found = []
    return found


def doubtful(sessions: Sequence[Session], store: Store) -> dict[str, Failed]:
    """Arm -> its last failure, where its latest launch, in whichever block, failed.

    `sessions` are those of one model.
    """
    latest: dict[str, tuple[float, Failed | None]] = {}
    for session in sessions:
        for launch_id in store.launches(session.session_hash):
            launch = store.launch(launch_id)
            failure, started_s = failed(session, launch), seconds(launch["started_at"])
            known = failure is not None or "total_s" in launch
            if known and started_s >= latest.get(session.arm, (0.0, None))[0]:
                latest[session.arm] = started_s, failure
    return {arm: failure for arm, (_, failure) in latest.items() if failure is not None}


def give_up(
    session: Session, others: Sequence[Session], store: Store, *, since_s: float, most: int
) -> Failed | None:
    """A stand-in for a launch that is not worth trying: its arm has failed `most` times in one way since `since_s`.

    `others` are all sessions of the same model and arm, this one among them.
    """
    ways: dict[tuple[str | None, str | None, str], list[Failed]] = {}
    for other in others:
        for failure in failures_of(other, store, since_s=since_s):
            ways.setdefault(failure.way, []).append(failure)
    worst = max(ways.values(), key=len, default=[])
    if len(worst) < most:
        return None
    last = worst[-1]
    return Failed(
        arm=session.arm,
        launch_id=None,
        id=last.id,
        stage=last.stage,
        text=f"not launched: {session.arm} had failed {len(worst)} times in the same way: {last.text}"[
            :500
        ],
        remedy=f"{last.remedy}; the same command tries again",
    )


class LaunchesFailed(UserError):
    """Launches of a study failed; the message says which, why, and what to do."""


def check_outcome(sittings: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Raise LaunchesFailed where any of a study's sittings has a failure. `folder` is where the results are."""
    lines = [
        f"  {sitting['model']}/{failure['arm']}/block-{sitting['block']}: {failure['text']}\n      {failure['remedy']}"
        for sitting in sittings
        for failure in sitting["failures"]
    ]
    if lines:
        count = f"{len(lines)} launch{'es' if len(lines) > 1 else ''}"
        raise LaunchesFailed(
            f"{count} failed; everything else is in {folder}. The same command tries again what failed, and only "
            "that:\n" + "\n".join(lines)
        )
