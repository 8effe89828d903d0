"""What a launch's record says of where, when and with what it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

# The least that two launches of a sitting may lie apart, whatever a launch takes: a person has looked at something.
LEAST_GAP_S = 600.0


@dataclass(frozen=True)
class LaunchFacts:
    """One launch. What was not recorded is None: it can neither prove nor refute that two were made together.

    started_s, ended_s   Unix seconds; the end is that of its last run where the launch itself left none
    build, weights       digests of the software and the driver, and of the model's files
    gpus                 opaque ids of the host's GPUs, and the variables that chose among them
    """

    launch_id: str
    sitting: str | None
    host: str | None
    gpus: tuple[str, ...] | None
    build: str | None
    weights: str | None
    client: str | None
    started_s: float
    ended_s: float

    @property
    def length_s(self) -> float:
        """Seconds from launch to end."""
        return max(self.ended_s - self.started_s, 0.0)


def facts_of(launch: Mapping[str, Any], runs_ended: Sequence[str] = ()) -> LaunchFacts:
    """The facts of a launch as the store has it. `runs_ended` are the ends of its runs, as ISO times."""
    hardware, versions = launch.get("hardware") or {}, launch.get("versions") or {}
    started = seconds(launch["started_at"])
    ends = [seconds(end) for end in (launch.get("ended_at"), *runs_ended) if end]
    return LaunchFacts(
        launch_id=str(launch["launch_id"]),
        sitting=(launch.get("sitting") or {}).get("id"),
        host=hardware.get("host"),
        gpus=None if hardware.get("gpu_ids") is None else chosen_gpus(launch),
        build=(launch.get("build") or {}).get("digest"),
        weights=(launch.get("build") or {}).get("weights_digest"),
        client=versions.get("client"),
        started_s=started,
        ended_s=max([started, *ends]),
    )


def chosen_gpus(launch: Mapping[str, Any]) -> tuple[str, ...]:
    """The host's GPUs, and what chose among them (CUDA_VISIBLE_DEVICES and its kin)."""
    chosen = launch.get("visible_devices") or {}
    ids = (launch.get("hardware") or {}).get("gpu_ids") or ()
    return (*map(str, ids), *(f"{name}={value}" for name, value in sorted(chosen.items())))


def seconds(text: str) -> float:
    """Unix seconds of an ISO time."""
    return datetime.fromisoformat(text).timestamp()


def allowed_gap_s(asked: float | None, longest_launch_s: float) -> float:
    """Seconds that may lie between the end of a launch and the start of the next of its sitting.

    As the study asks (`design.sitting_gap_s`); otherwise as long as the longest launch took, and 10 minutes at least.
    """
    return max(LEAST_GAP_S, longest_launch_s) if asked is None else asked


def apart(one: LaunchFacts, other: LaunchFacts) -> list[str]:
    """Why two launches were not made together, but for the time between them; in words, none where they were."""
    found = []
    if one.sitting != other.sitting:
        found.append("in two sittings")
    for what, a, b in (
        ("on two hosts", one.host, other.host),
        ("on other GPUs", one.gpus, other.gpus),
        ("with two builds", one.build, other.build),
        ("with two versions of the client", one.client, other.client),
    ):
        if a is not None and b is not None and a != b:
            found.append(what)
    return found


def chain_breaks(launches: Sequence[LaunchFacts], asked_gap_s: float | None) -> bool:
    """Whether too much time lies between two launches that follow each other."""
    ordered = sorted(launches, key=lambda launch: launch.started_s)
    allowed = allowed_gap_s(asked_gap_s, max((launch.length_s for launch in ordered), default=0.0))
    return any(later.started_s - earlier.ended_s > allowed for earlier, later in pairwise(ordered))
