"""CPU packages and memory by RAPL, through Linux's powercap files. AMD's CPUs are found under the same names.

Source: Linux, Documentation/power/powercap/powercap.rst. The counters are in µJ and wrap at
max_energy_range_uj; since the PLATYPUS fix (CVE-2020-8694) only root may read them.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from ablation.telemetry.reading import CPU, DRAM, Device, NotObserved, Reading

POWERCAP = Path("/sys/class/powercap")
SHORTEST_S = 0.01  # the counters step every millisecond: power over less is noise
# Packages and the memory beside them. Cores lie inside a package, psys around it: they would count twice.
_ZONE = re.compile(r"^intel-rapl:\d+(:\d+)?$")


class RaplReader:
    """Reads each package's and memory's energy; power is the counter's growth since the last reading."""

    def __init__(self, root: Path = POWERCAP) -> None:
        """Raises NotObserved where there are no counters, or only root may read them."""
        zones = sorted(path for path in root.glob("intel-rapl:*") if _ZONE.match(path.name))
        self._files: list[Path] = []
        self.devices: list[Device] = []
        self._wrap: list[float] = []
        for zone in zones:
            name = _word(zone / "name")
            if name.startswith("package-"):
                kind = CPU
            elif name == "dram":
                kind, name = DRAM, f"dram {zone.name}"
            else:
                continue
            self.devices.append(Device(len(self.devices), name, kind))
            self._files.append(zone / "energy_uj")
            self._wrap.append(float(_word(zone / "max_energy_range_uj") or 0))
        if not self.devices:
            raise NotObserved(f"no RAPL counters under {root} (a virtual machine has none)")
        try:
            self._last = [_counter(path) for path in self._files]
        except PermissionError as error:
            raise NotObserved(f"{error.filename}: only root may read it") from error
        except (OSError, ValueError) as error:
            raise NotObserved(f"RAPL counters cannot be read: {error}") from error
        self._at = [time.monotonic_ns()] * len(self._files)
        self._total = [value * 1e-6 for value in self._last]
        self.name = "RAPL (powercap)"

    def read(self) -> list[Reading]:
        """One reading a package or memory; `energy_j` goes on growing where the counter wraps."""
        return [self._one(i) for i in range(len(self._files))]

    def _one(self, i: int) -> Reading:
        value, now = _counter(self._files[i]), time.monotonic_ns()
        grown = value - self._last[i]
        if grown < 0:
            grown += self._wrap[i]
        seconds = (now - self._at[i]) / 1e9
        self._last[i], self._at[i] = value, now
        self._total[i] += grown * 1e-6
        return Reading(
            now,
            self.devices[i],
            power_w=grown * 1e-6 / seconds if seconds >= SHORTEST_S else None,
            energy_j=self._total[i],
        )

    def close(self) -> None:
        """Nothing is held."""


def _word(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _counter(path: Path) -> float:
    return float(int(path.read_text(encoding="ascii")))
