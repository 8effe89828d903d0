"""Energy and power of a stretch of time, from samples.

A device's energy is the growth of its counter between the two ends, read off between the samples around
each end; where there is no counter, or it was reset, the integral of its power by the trapezoid rule. The
stretch must be covered: a gap between samples of more than ten periods (and 3 s) is a hole, and what has a hole
is not told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ablation.telemetry.reading import NotObserved

MOST_GAP_PERIODS = 10
LEAST_GAP_S = 3.0


@dataclass(frozen=True)
class Series:
    """The samples of one device, in order of time; NaN where it told nothing.

    at_s  seconds since whatever moment the caller chose
    """

    kind: str
    device: int
    name: str
    at_s: Any
    columns: dict[str, Any]
    throttle: list[str | None]


@dataclass(frozen=True)
class Energy:
    """Joules over a stretch, and where they are from: "counter" or "power"."""

    joules: float
    source: str


NUMBERS = (
    "power_w",
    "energy_j",
    "clock_mhz",
    "memory_clock_mhz",
    "temperature_c",
    "memory_used_gib",
    "utilisation",
    "power_limit_w",
)


def series(table: pa.Table, zero_ns: int) -> list[Series]:
    """The samples of each device, times counted from `zero_ns` (CLOCK_MONOTONIC)."""
    keys = sorted(set(zip(table["kind"].to_pylist(), table["device"].to_pylist(), strict=True)))
    found = []
    for kind, device in keys:
        own = table.filter(
            pc.and_(pc.equal(table["kind"], kind), pc.equal(table["device"], device))
        ).sort_by("monotonic_ns")
        at = (own["monotonic_ns"].to_numpy() - zero_ns) / 1e9
        numbers = {name: own[name].to_numpy(zero_copy_only=False).astype(float) for name in NUMBERS}
        found.append(
            Series(kind, device, own["name"][0].as_py(), at, numbers, own["throttle"].to_pylist())
        )
    return found


def energy(one: Series, start_s: float, end_s: float, period_s: float) -> Energy:
    """Energy of one device from start to end. Raises NotObserved where its samples do not cover the stretch."""
    why = ""
    for source in ("counter", "power"):
        name = "energy_j" if source == "counter" else "power_w"
        told = np.isfinite(one.columns[name])
        at, values = one.at_s[told], one.columns[name][told]
        if len(at) < 2:
            why = why or "neither energy nor power is told"
            continue
        if missing := hole(at, start_s, end_s, period_s):
            why = missing
            continue
        if source == "power":
            return Energy(_integral(at, values, start_s, end_s), source)
        inside = values[max(np.searchsorted(at, start_s) - 1, 0) : np.searchsorted(at, end_s) + 1]
        if (np.diff(inside) < 0).any():
            why = "the energy counter was reset"
            continue
        first, last = np.interp([start_s, end_s], at, values)
        return Energy(float(last - first), source)
    raise NotObserved(f"{one.name}: {why}")


def _integral(at: Any, power: Any, start_s: float, end_s: float) -> float:
    """Trapezoid rule over the samples inside, with power interpolated at both ends."""
    inside = (at > start_s) & (at < end_s)
    grid = np.concatenate([[start_s], at[inside], [end_s]])
    return float(np.trapezoid(np.interp(grid, at, power), grid))


def hole(at: Any, start_s: float, end_s: float, period_s: float) -> str:
    """Says where the samples leave a hole in the stretch; empty where they do not."""
    most = max(MOST_GAP_PERIODS * period_s, LEAST_GAP_S)
    inside = at[(at > start_s) & (at < end_s)]
    # An end needs no sample beyond it, only one near: a device is not another one half a second later.
    before = at[at <= start_s][-1:]
    after = at[at >= end_s][:1]
    marks = np.concatenate([before, inside, after])
    if not len(marks):
        return "no sample near the window"
    gaps = np.diff(np.concatenate([[min(start_s, marks[0])], marks, [max(end_s, marks[-1])]]))
    if gaps.max() > most:
        return f"the samples leave {gaps.max():.1f} s of the window without one"
    return ""


def summed(all_series: list[Series], name: str, start_s: float, end_s: float) -> Any:
    """A quantity summed over the devices at the moments when the first was sampled; empty without any."""
    told: list[tuple[Any, Any]] = []
    for one in all_series:
        ok = np.isfinite(one.columns[name])
        if not ok.any():
            return np.array([])
        told.append((one.at_s[ok], one.columns[name][ok]))
    if not told:
        return np.array([])
    grid = told[0][0]
    grid = grid[(grid >= start_s) & (grid <= end_s)]
    return np.sum([np.interp(grid, at, values) for at, values in told], axis=0)


def inside(all_series: list[Series], name: str, start_s: float, end_s: float) -> Any:
    """All values that the devices told inside a stretch."""
    parts = [one.columns[name][(one.at_s >= start_s) & (one.at_s <= end_s)] for one in all_series]
    values = np.concatenate(parts) if parts else np.array([])
    return values[np.isfinite(values)]


def throttles(all_series: list[Series], start_s: float, end_s: float) -> Iterator[str]:
    """The reasons' text of every sample inside a stretch that told them."""
    for one in all_series:
        for at, text in zip(one.at_s, one.throttle, strict=True):
            if start_s <= at <= end_s and text is not None:
                yield text
