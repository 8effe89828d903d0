"""Which pairs of launches were measured together, by the facts that every run carries.

A block's number does not make a pair. Launches of one block can lie months apart, on two machines, with two builds of
the server, when a study was edited or resumed; what changed in between would look like an effect of the treatment. In
simulation (6 blocks, launches that vary by 0.5 %, no true effect) a shift of 1.5 % from day to day is called faster or
slower in 57 % of studies, one of 2 % in 95 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from ablation.sitting.facts import allowed_gap_s

Pair = tuple[str, str, int, int]  # model, arm, block, concurrency

# Column of the aggregate -> what a difference in it means.
FACTS = {
    "sitting": "in two sittings",
    "host": "on two hosts",
    "gpus": "on other GPUs",
    "build": "with two builds of the server",
    "client": "with two versions of the client",
}
_TIMES = ("started_at", "ended_at", "launch_started_at", "launch_ended_at")
Run = Mapping[str, Any]


def apart(runs: DataFrame, baseline: str, gap_s: float | None) -> dict[Pair, str]:
    """Why an arm's run and the baseline's of the same block and level are no pair; only those that are none.

    ``runs`` is the aggregate. Columns that it lacks, and values that were not recorded, refute nothing. ``gap_s`` is
    the study's ``design.sitting_gap_s``.
    """
    if runs.empty or "started_at" not in runs:
        return {}
    rows = _rows(runs)
    lengths = _lengths_s(rows)
    launches = _launches(rows)
    cells: dict[tuple[str, int, int], list[Run]] = {}
    for row in rows:
        cells.setdefault((row["model"], row["block"], row["concurrency"]), []).append(row)
    found: dict[Pair, str] = {}
    for (model, block, level), cell in cells.items():
        theirs = [row for row in cell if row["arm"] == baseline]
        if len(theirs) != 1:
            continue
        for ours in cell:
            if ours["arm"] == baseline:
                continue
            why = _facts_apart(ours, theirs[0])
            first, last = sorted((cell.index(ours), cell.index(theirs[0])))
            between = cell[first : last + 1]
            why += _time_apart(between, lengths, gap_s)
            if not why and between[0]["sitting"] is None:
                why += _interrupted(launches, between[0], between[-1])
            if why:
                found[str(model), str(ours["arm"]), int(block), int(level)] = ", ".join(why)
    return found


def _rows(runs: DataFrame) -> list[Run]:
    """The runs that were measured, in the order of their start: facts as text or None, times as Unix seconds."""
    columns: dict[str, list[Any]] = {
        name: runs[name].tolist() for name in ("model", "arm", "block", "concurrency", "launch_id")
    }
    for name in FACTS:
        values = runs[name] if name in runs else [None] * len(runs)
        columns[name] = [None if pd.isna(value) else str(value) for value in values]
    for name in _TIMES:
        if name in runs:
            times = pd.to_datetime(runs[name], utc=True).astype("datetime64[ns, UTC]")
            seconds = times.astype("int64").to_numpy() / 1e9
            columns[name] = np.where(times.isna(), np.nan, seconds).tolist()
        else:
            columns[name] = [np.nan] * len(runs)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    measured = [row for row in rows if not np.isnan(row["started_at"])]
    return sorted(measured, key=lambda row: (row["started_at"], row["launch_id"]))


def _facts_apart(ours: Run, theirs: Run) -> list[str]:
    return [
        words
        for name, words in FACTS.items()
        if None not in (ours[name], theirs[name]) and ours[name] != theirs[name]
    ]


def _lengths_s(rows: Sequence[Run]) -> dict[str, float]:
    """Seconds that each launch took: from launch to end where that is recorded, else over its runs."""
    spans: dict[str, tuple[float, float]] = {}
    for row in rows:
        begin, end = row["launch_started_at"], row["launch_ended_at"]
        if np.isnan(begin) or np.isnan(end):
            begin, end = row["started_at"], row["ended_at"]
        known = spans.get(row["launch_id"], (begin, end))
        spans[row["launch_id"]] = min(known[0], begin), max(known[1], end)
    return {launch_id: end - begin for launch_id, (begin, end) in spans.items()}


def _launches(rows: Sequence[Run]) -> list[Run]:
    """One run of each launch whose own times are recorded."""
    known = [row for row in rows if not np.isnan(row["launch_started_at"])]
    return list({row["launch_id"]: row for row in known}.values())


def _time_apart(
    between: Sequence[Run], lengths_s: Mapping[str, float], gap_s: float | None
) -> list[str]:
    """Too long between two runs of a level that follow each other, somewhere from one of the pair to the other."""
    longest = max(lengths_s[row["launch_id"]] for row in between)
    allowed = longest + allowed_gap_s(gap_s, longest)
    # Launches of a sitting that were cut short lie between: their time is the sitting's own.
    if between[0]["sitting"] is not None and between[0]["sitting"] == between[-1]["sitting"]:
        allowed *= 3
    worst = max(
        (later["started_at"] - earlier["started_at"] for earlier, later in pairwise(between)),
        default=0.0,
    )
    return [f"{_time(worst)} after each other"] if worst > allowed else []


def _interrupted(launches: Sequence[Run], first: Run, last: Run) -> list[str]:
    """Of runs measured before sittings were recorded: a launch of another block came and went between the two.

    One that overlaps a launch of the pair's own block ran beside it, on other devices.
    """
    block = (first["model"], first["block"])
    own = [one for one in launches if (one["model"], one["block"]) == block]
    for other in launches:
        if (
            (other["model"], other["block"]) != block
            and other["host"] in (None, first["host"])
            and other["launch_started_at"] >= first["launch_ended_at"]
            and other["launch_ended_at"] <= last["launch_started_at"]
            and not any(
                one["launch_started_at"] < other["launch_ended_at"]
                and one["launch_ended_at"] > other["launch_started_at"]
                for one in own
            )
        ):
            return ["with a launch of another block between them"]
    return []


def _time(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
