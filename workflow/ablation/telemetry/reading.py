"""One sample of one device, what a reader is, and the reasons for which a device is slowed down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

from ablation.errors import UserError

GPU, CPU, DRAM = "gpu", "cpu", "dram"

# Reasons that mean a device ran slower than its power limit allows: heat, an external brake, a fault.
THROTTLING = frozenset(
    {
        "hw_slowdown",
        "sw_thermal",
        "hw_thermal",
        "hw_power_brake",
        "prochot",
        "thermal",
        "vr_thermal",
        "hbm_thermal",
    }
)
# At its power limit: what a GPU under full load does, and part of what is measured.
CAPPED = frozenset({"sw_power_cap", "power_cap", "current_limit"})


class NotObserved(UserError):
    """A way of reading telemetry that does not work here; the message says why."""


@dataclass(frozen=True, slots=True)
class Device:
    """`index` in the vendor's own order; `kind` is gpu, cpu (a package) or dram."""

    index: int
    name: str
    kind: str = GPU


@dataclass(frozen=True, slots=True)
class Reading:
    """What one device said at one moment; None for what it does not tell.

    monotonic_ns      CLOCK_MONOTONIC, the clock of the raw records
    energy_j          a counter that only grows, from whatever start
    clock_mhz         of the compute units (SM, gfx)
    utilisation       0 to 1
    throttle          names of the active reasons, "" for none
    """

    monotonic_ns: int
    device: Device
    power_w: float | None = None
    energy_j: float | None = None
    clock_mhz: float | None = None
    memory_clock_mhz: float | None = None
    temperature_c: float | None = None
    memory_used_gib: float | None = None
    utilisation: float | None = None
    throttle: str | None = None
    power_limit_w: float | None = None


class Reader(Protocol):
    """A way of reading. Making one raises NotObserved where it cannot work here."""

    name: str
    devices: list[Device]

    def read(self) -> list[Reading]:
        """The readings since the last call: one a device for a reader that is asked."""

    def close(self) -> None:
        """Let go of the library or the process."""


def number(value: Any, bits: tuple[int, ...] = (16, 32, 64)) -> float | None:
    """A number that a driver gave; None for N/A, NaN and the all-ones words that mean "unsupported"."""
    if isinstance(value, str):
        value = value.strip().strip("[]")
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value) or any(value == 2**width - 1 for width in bits):
        return None
    return float(value)


def scaled(value: float | None, factor: float) -> float | None:
    """`value * factor`, or None."""
    return None if value is None else value * factor


def reasons(throttle: str) -> frozenset[str]:
    """The reasons in a reading's text."""
    return frozenset(throttle.split("|")) if throttle else frozenset()
