"""NVIDIA GPUs by NVML, through any module with the interface of nvidia-ml-py (`pynvml`).

Facts from the NVML API reference: total energy is in mJ since the driver was loaded; power usage in mW, a mean
over the last second from Ampere on, so that energy is better taken from the counter; limits in mW; memory in bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ablation.telemetry.devices import used
from ablation.telemetry.reading import Device, NotObserved, Reading, number, scaled

# nvmlClocksEventReason* (nvmlClocksThrottleReason* before R535) in nvml.h
REASONS = {
    0x001: "gpu_idle",
    0x002: "applications_clocks",
    0x004: "sw_power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal",
    0x040: "hw_thermal",
    0x080: "hw_power_brake",
    0x100: "display_clocks",
}


def reasons_of(mask: int) -> str:
    """The names of a bitmask's reasons, joined; a bit without a name is shown by its value."""
    names = [name for bit, name in REASONS.items() if mask & bit]
    known = sum(REASONS)
    names += [hex(1 << i) for i in range(64) if mask & ~known & (1 << i)]
    return "|".join(names)


class NvmlReader:
    """Reads GPUs through an NVML module."""

    def __init__(
        self,
        nvml: Any,
        label: str,
        environment: Mapping[str, str],
        count: int,
        *,
        platform: str = "cuda",
    ) -> None:
        """`nvml` is the module, `label` says which one. Raises NotObserved."""
        self._nvml = nvml
        try:
            nvml.nvmlInit()
        except Exception as error:
            raise NotObserved(f"NVML does not start: {error}") from error
        try:
            handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
            uuids = [_text(nvml.nvmlDeviceGetUUID(handle)) for handle in handles]
            chosen = used(platform, environment, uuids, count)
            self.devices = [Device(i, _text(nvml.nvmlDeviceGetName(handles[i]))) for i in chosen]
        except Exception as error:
            self.close()
            raise NotObserved(f"NVML lists no usable GPU: {error}") from error
        self._handles = [handles[i] for i in chosen]
        # What a device does not support is asked once, not at every sample.
        self._unsupported: set[tuple[int, str]] = set()
        self.name = f"NVML ({label})"
        self._require_power()

    def _require_power(self) -> None:
        first = self.read()
        if all(r.power_w is None and r.energy_j is None and r.clock_mhz is None for r in first):
            self.close()
            raise NotObserved("NVML tells neither power nor energy nor clocks of these GPUs")

    def read(self) -> list[Reading]:
        """One reading a GPU. Raises NotObserved where a GPU says nothing at all any more."""
        return [self._one(i) for i in range(len(self._handles))]

    def _one(self, i: int) -> Reading:
        nvml, handle = self._nvml, self._handles[i]
        memory = self._ask(i, "memory", lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used)
        mask = self._ask(i, "throttle", lambda: _clock_reasons(nvml)(handle))
        return Reading(
            time.monotonic_ns(),
            self.devices[i],
            energy_j=scaled(
                self._ask(i, "energy", lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle)),
                1e-3,
            ),
            power_w=scaled(
                self._ask(i, "power", lambda: nvml.nvmlDeviceGetPowerUsage(handle)), 1e-3
            ),
            clock_mhz=self._ask(
                i, "clock", lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)
            ),
            memory_clock_mhz=self._ask(
                i, "memory clock", lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)
            ),
            temperature_c=self._ask(
                i,
                "temperature",
                lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
            ),
            memory_used_gib=scaled(memory, 2**-30),
            utilisation=scaled(
                self._ask(i, "utilisation", lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
                0.01,
            ),
            throttle=None if mask is None else reasons_of(int(mask)),
            power_limit_w=scaled(
                self._ask(i, "limit", lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle)), 1e-3
            ),
        )

    def _ask(self, i: int, what: str, ask: Callable[[], Any]) -> float | None:
        if (i, what) in self._unsupported:
            return None
        try:
            return number(ask(), bits=(64,))
        except AttributeError:  # an older module, or an older driver behind it
            self._unsupported.add((i, what))
        except self._nvml.NVMLError as error:
            lasting = (
                self._nvml.NVML_ERROR_NOT_SUPPORTED,
                self._nvml.NVML_ERROR_FUNCTION_NOT_FOUND,
                self._nvml.NVML_ERROR_NO_PERMISSION,
            )
            if getattr(error, "value", None) in lasting:
                self._unsupported.add((i, what))
        return None

    def close(self) -> None:
        """Shut NVML down."""
        try:
            self._nvml.nvmlShutdown()
        except Exception:  # the driver is gone: nothing is left to let go of
            return


def _clock_reasons(nvml: Any) -> Any:
    """The function of this module that gives the bitmask; the older name where it has no other."""
    new = getattr(nvml, "nvmlDeviceGetCurrentClocksEventReasons", None)
    return new or nvml.nvmlDeviceGetCurrentClocksThrottleReasons


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
