"""Which pairs of launches were measured together, by the facts that every run carries.

A block's number does not make a pair. Launches of one block can lie months apart, on two machines, with two builds of
the server, when a study was edited or resumed; what changed in between would look like an effect of the treatment. In
simulation (6 blocks, launches that vary by 0.5 %, no true effect) a shift of 1.5 % from day to day is called faster or
slower in 57 % of studies, one of 2 % in 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
_ORDER = ["started_at", "launch_id"]


def apart(runs: DataFrame, baseline: str, gap_s: float | None) -> dict[Pair, str]:
    """Why an arm's run and the baseline's of the same block and level are no pair; only those that are none.

    ``runs`` is the aggregate. Columns that it lacks, and values that were not recorded, refute nothing. ``gap_s`` is
    the study's ``design.sitting_gap_s``.
    """
    found: dict[Pair, str] = {}
    if runs.empty:
        return found
    frame = runs.assign(**{name: None for name in FACTS if name not in runs}).sort_values(_ORDER)
    frame["place"] = range(len(frame))
    length_s = _lengths_s(frame)
    for _, cell in frame.groupby(["model", "block", "concurrency"], sort=False):
        base = cell[cell["arm"] == baseline]
        if len(base) != 1:
            continue
        theirs = base.iloc[0]
        for _, ours in cell[cell["arm"] != baseline].iterrows():
            why = _facts_apart(ours, theirs)
            first, last = sorted((ours, theirs), key=lambda row: row["place"])
            why += _time_apart(cell, first, last, length_s, gap_s)
            if not why and pd.isna(first["sitting"]):
                why += _interrupted(frame, first, last)
            if why:
                found[
                    str(ours["model"]),
                    str(ours["arm"]),
                    int(ours["block"]),
                    int(ours["concurrency"]),
                ] = ", ".join(why)
    return found


def _pair(run: Any) -> Pair:
    return str(run["model"]), str(run["arm"]), int(run["block"]), int(run["concurrency"])


def _facts_apart(ours: Any, theirs: Any) -> list[str]:
    return [
        words
        for name, words in FACTS.items()
        if not (pd.isna(ours[name]) or pd.isna(theirs[name])) and ours[name] != theirs[name]
    ]


def _lengths_s(frame: DataFrame) -> dict[str, float]:
    """Seconds that each launch took: from launch to end where that is recorded, else over its runs."""
    spans = frame.groupby("launch_id").agg(begin=("started_at", "min"), end=("ended_at", "max"))
    if "launch_started_at" in frame:
        known = frame.groupby("launch_id").agg(
            begin=("launch_started_at", "min"), end=("launch_ended_at", "max")
        )
        spans = known.fillna(spans)
    return {str(k): v.total_seconds() for k, v in (spans["end"] - spans["begin"]).items()}


def _time_apart(
    cell: DataFrame, first: Any, last: Any, length_s: dict[str, float], gap_s: float | None
) -> list[str]:
    """Too long between two runs of a level that follow each other, somewhere from one of the pair to the other."""
    between = cell[(cell["place"] >= first["place"]) & (cell["place"] <= last["place"])]
    longest = max((length_s.get(str(name), 0.0) for name in between["launch_id"]), default=0.0)
    allowed = longest + allowed_gap_s(gap_s, longest)
    steps = between["started_at"].diff().dt.total_seconds().iloc[1:]
    # Launches of a sitting that were cut short lie between: their time is the sitting's own.
    if not pd.isna(first["sitting"]) and first["sitting"] == last["sitting"]:
        allowed *= 3
    worst = float(steps.max()) if len(steps) else 0.0
    return [f"{_time(worst)} after each other"] if worst > allowed else []


def _interrupted(frame: DataFrame, first: Any, last: Any) -> list[str]:
    """Of runs measured before sittings were recorded: a launch of another block came and went between the two.

    One that overlaps a launch of the pair's own block ran beside it, on other devices.
    """
    if "launch_started_at" not in frame:
        return []
    foreign = (frame["model"] != first["model"]) | (frame["block"] != first["block"])
    same_host = frame["host"].isna() | (frame["host"] == first["host"])
    between = (frame["launch_started_at"] >= first["launch_ended_at"]) & (
        frame["launch_ended_at"] <= last["launch_started_at"]
    )
    others = frame[foreign & same_host & between].drop_duplicates("launch_id")
    own = frame[~foreign].drop_duplicates("launch_id")
    for _, other in others.iterrows():
        beside = (own["launch_started_at"] < other["launch_ended_at"]) & (
            own["launch_ended_at"] > other["launch_started_at"]
        )
        if not beside.any():
            return ["with a launch of another block between them"]
    return []


def _time(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"


def builds_of(runs: DataFrame) -> Sequence[str]:
    """Digests of the builds that usable runs were measured with; those that were not recorded are left out."""
    if "build" not in runs:
        return []
    return sorted(runs.loc[runs["usable"].astype(bool), "build"].dropna().unique().tolist())
