"""AMD GPUs by `amdsmi`, AMD's Python interface that comes with ROCm.

Facts from AMD's documentation and sources of amdsmi 6.1 to 7.1; nothing here was run on AMD hardware:
- "N/A" and words of all ones (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF) mean unsupported.
- `amdsmi_get_energy_count` gives an accumulator and its resolution in µJ (15.259 on MI200 and MI300).
- MI300 has one gfx clock for each XCD.
- `amdsmi_get_violation_status` waits 100 ms for each GPU, inside the library; the residency accumulators
  that it takes the difference of stand in `amdsmi_get_gpu_metrics_info`, and are compared here from one
  sample to the next.
- Older GPUs have the bits of `indep_throttle_status` in their place; their groups are those of Linux,
  drivers/gpu/drm/amd/pm/swsmu/inc/amdgpu_smu.h (SMU_THROTTLER_*): power, current, temperature.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ablation.telemetry.devices import used
from ablation.telemetry.reading import Device, NotObserved, Reading, number, scaled

ACCUMULATORS = {
    "prochot_residency_acc": "prochot",
    "ppt_residency_acc": "power_cap",
    "socket_thm_residency_acc": "thermal",
    "vr_thm_residency_acc": "vr_thermal",
    "hbm_thm_residency_acc": "hbm_thermal",
}
BIT_GROUPS = (
    (0x0000_0000_0000_FFFF, "power_cap"),
    (0x0000_0000_FFFF_0000, "current_limit"),
    (0x0000_3FFF_0000_0000, "thermal"),
    (0x0000_C000_0000_0000, "prochot"),
)
MICROWATT_FROM = 100_000  # no GPU has a limit of 100 kW: the number is in µW


class AmdReader:
    """Reads GPUs through amdsmi."""

    def __init__(self, smi: Any, label: str, environment: Mapping[str, str], count: int) -> None:
        """`smi` is the module, `label` says which one. Raises NotObserved."""
        self._smi = smi
        try:
            smi.amdsmi_init()
        except Exception as error:
            raise NotObserved(f"amdsmi does not start: {error}") from error
        try:
            handles = self._in_hip_order(list(smi.amdsmi_get_processor_handles()))
            uuids = [str(smi.amdsmi_get_gpu_device_uuid(handle)) for handle in handles]
            chosen = used("rocm", environment, uuids, count)
        except Exception as error:
            self.close()
            raise NotObserved(f"amdsmi lists no usable GPU: {error}") from error
        self._handles = [handles[i] for i in chosen]
        self.devices = [Device(i, self._market_name(handles[i])) for i in chosen]
        self._residency: list[dict[str, float]] = [{} for _ in chosen]
        self.name = f"amdsmi ({label})"
        if all(
            r.power_w is None and r.energy_j is None and r.clock_mhz is None for r in self.read()
        ):
            self.close()
            raise NotObserved("amdsmi tells neither power nor energy nor clocks of these GPUs")

    def _in_hip_order(self, handles: list[Any]) -> list[Any]:
        """The order in which HIP counts the GPUs, where this amdsmi knows it; its own order otherwise."""
        try:
            ids = [
                number(self._smi.amdsmi_get_gpu_enumeration_info(handle)["hip_id"])
                for handle in handles
            ]
        except Exception:  # new in ROCm 6.4
            return handles
        known = [i for i in ids if i is not None]
        if len(set(known)) < len(handles):
            return handles
        return [
            handle for _, handle in sorted(zip(known, handles, strict=True), key=lambda x: x[0])
        ]

    def _market_name(self, handle: Any) -> str:
        asked = self._ask(lambda: self._smi.amdsmi_get_gpu_asic_info(handle))
        return str(asked.get("market_name", "AMD GPU"))

    def read(self) -> list[Reading]:
        """One reading a GPU."""
        return [self._one(i) for i in range(len(self._handles))]

    def _one(self, i: int) -> Reading:
        smi, handle = self._smi, self._handles[i]
        now = time.monotonic_ns()
        energy = self._ask(lambda: smi.amdsmi_get_energy_count(handle))
        metrics = self._ask(lambda: smi.amdsmi_get_gpu_metrics_info(handle))
        power = self._ask(lambda: smi.amdsmi_get_power_info(handle))
        memory = self._ask(lambda: smi.amdsmi_get_gpu_vram_usage(handle))
        ticks = _first((energy, "energy_accumulator"), (energy, "power"), bits=(64,))
        step_uj = number(energy.get("counter_resolution"))
        limit = number(power.get("power_limit"))
        return Reading(
            now,
            self.devices[i],
            power_w=_first(
                (metrics, "current_socket_power"),
                (power, "current_socket_power"),
                (power, "socket_power"),
                (metrics, "average_socket_power"),
                (power, "average_socket_power"),
            ),
            energy_j=None if ticks is None or step_uj is None else ticks * step_uj * 1e-6,
            clock_mhz=_mean(metrics.get("current_gfxclks"))
            or _first((metrics, "current_gfxclk"), (metrics, "average_gfxclk_frequency")),
            memory_clock_mhz=_first((metrics, "current_uclk"), (metrics, "average_uclk_frequency")),
            temperature_c=_first((metrics, "temperature_hotspot"), (metrics, "temperature_edge")),
            memory_used_gib=scaled(number(memory.get("vram_used")), 1 / 1024),
            utilisation=scaled(number(metrics.get("average_gfx_activity")), 0.01),
            throttle=self._throttle(i, metrics),
            power_limit_w=scaled(limit, 1e-6 if limit and limit > MICROWATT_FROM else 1.0),
        )

    def _throttle(self, i: int, metrics: Mapping[str, Any]) -> str | None:
        """Names of what held the GPU back since the last reading; None at the first, or where it does not tell."""
        found = {name: number(metrics.get(name), bits=(64,)) for name in ACCUMULATORS}
        now = {name: value for name, value in found.items() if value is not None}
        if now:
            before, self._residency[i] = self._residency[i], now
            if not before:
                return None
            grown = [name for name in now if now[name] > before.get(name, now[name])]
            return "|".join(ACCUMULATORS[name] for name in grown)
        status = number(metrics.get("indep_throttle_status"), bits=(64,))
        if status is None:
            return None
        return "|".join(name for bits, name in BIT_GROUPS if int(status) & bits)

    def _ask(self, ask: Callable[[], Any]) -> Mapping[str, Any]:
        """What a function of amdsmi answers, nothing where this GPU or this version does not know it."""
        try:
            answer = ask()
        except Exception:  # its exceptions have had several names; what is not told is null
            return {}
        return answer if isinstance(answer, dict) else {}

    def close(self) -> None:
        """Shut amdsmi down."""
        try:
            self._smi.amdsmi_shut_down()
        except Exception:  # the driver is gone: nothing is left to let go of
            return


def _first(
    *places: tuple[Mapping[str, Any], str], bits: tuple[int, ...] = (16, 32, 64)
) -> float | None:
    """The first number among these places."""
    for answer, name in places:
        value = number(answer.get(name), bits)
        if value is not None:
            return value
    return None


def _mean(values: Any) -> float | None:
    """Mean of the numbers in a list; None without any."""
    if not isinstance(values, list | tuple):
        return None
    known = [value for value in map(number, values) if value]
    return sum(known) / len(known) if known else None
