"""Drivers of known truth: an NVML module, an amdsmi module, powercap files, a nvidia-smi."""

import stat
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__({3: "Not Supported", 999: "Unknown Error"}.get(value, str(value)))
        self.value = value


class Nvml:
    """GPUs that each draw `power_w`; what `unsupported` names raises as NVML does."""

    NVMLError = NVMLError
    NVML_ERROR_NOT_SUPPORTED = 3
    NVML_ERROR_NO_PERMISSION = 4
    NVML_ERROR_FUNCTION_NOT_FOUND = 13
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    def __init__(
        self, gpus: int = 2, *, unsupported: tuple[str, ...] = (), mask: int = 0x4
    ) -> None:
        self.gpus, self.unsupported, self.mask = gpus, unsupported, mask
        self.asked: list[str] = []
        self.energy_mj = 1_000_000
        self.open = 0

    def nvmlInit(self):
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetCount(self):
        return self.gpus

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetUUID(self, handle):
        return f"GPU-{handle}abc-0000".encode()

    def nvmlDeviceGetName(self, handle):
        return "NVIDIA H100 80GB HBM3"

    def _answer(self, what, value):
        self.asked.append(what)
        if what in self.unsupported:
            raise NVMLError(self.NVML_ERROR_NOT_SUPPORTED)
        return value

    def nvmlDeviceGetPowerUsage(self, handle):
        return self._answer("power", 300_000)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        return self._answer("energy", self.energy_mj)

    def nvmlDeviceGetClockInfo(self, handle, kind):
        return self._answer("clock", {1: 1980, 2: 2619}[kind])

    def nvmlDeviceGetTemperature(self, handle, sensor):
        return self._answer("temperature", 61)

    def nvmlDeviceGetMemoryInfo(self, handle):
        return self._answer("memory", SimpleNamespace(used=8 * 2**30))

    def nvmlDeviceGetUtilizationRates(self, handle):
        return self._answer("utilisation", SimpleNamespace(gpu=97, memory=40))

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle):
        return self._answer("throttle", self.mask)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle):
        return self._answer("limit", 700_000)


class AmdSmi:
    """MI300X as amdsmi describes them; `metrics` is laid over what amdsmi_get_gpu_metrics_info answers."""

    METRICS: ClassVar = {
        "current_socket_power": 612,
        "average_socket_power": 0xFFFF,
        "current_gfxclks": [2100, 2100, 2098, 2102, 0xFFFF, "N/A", 2100, 2100],
        "current_gfxclk": 2100,
        "current_uclk": 1300,
        "temperature_hotspot": 71,
        "temperature_edge": 0xFFFF,
        "average_gfx_activity": 98,
        "indep_throttle_status": 0xFFFFFFFFFFFFFFFF,
        "prochot_residency_acc": 0,
        "ppt_residency_acc": 10,
        "socket_thm_residency_acc": 5,
        "vr_thm_residency_acc": 0xFFFFFFFFFFFFFFFF,
        "hbm_thm_residency_acc": "N/A",
    }

    def __init__(self, gpus: int = 2, hip_ids: list[int] | None = None, **metrics: object) -> None:
        self.gpus, self.hip_ids = gpus, hip_ids
        self.metrics = self.METRICS | metrics
        self.power = {"socket_power": 0xFFFFFFFF, "power_limit": 750_000_000}
        self.ticks = 1_000_000

    def amdsmi_init(self):
        pass

    def amdsmi_shut_down(self):
        pass

    def amdsmi_get_processor_handles(self):
        return list(range(self.gpus))

    def amdsmi_get_gpu_device_uuid(self, handle):
        return f"{handle}aff74a1-0000-1000-80c4-000000000000"

    def amdsmi_get_gpu_enumeration_info(self, handle):
        if self.hip_ids is None:
            raise RuntimeError("not in this version")
        return {"hip_id": self.hip_ids[handle]}

    def amdsmi_get_gpu_asic_info(self, handle):
        return {"market_name": f"AMD Instinct MI300X {handle}"}

    def amdsmi_get_energy_count(self, handle):
        return {"energy_accumulator": self.ticks, "counter_resolution": 15.259, "timestamp": 1}

    def amdsmi_get_gpu_metrics_info(self, handle):
        return dict(self.metrics)

    def amdsmi_get_power_info(self, handle):
        return dict(self.power)

    def amdsmi_get_gpu_vram_usage(self, handle):
        return {"vram_used": 2048, "vram_total": 196592}


def powercap(root: Path) -> dict[str, Path]:
    """The files of a two-package machine with memory counters, cores and psys; name -> energy_uj."""
    zones = {
        "intel-rapl:0": "package-0",
        "intel-rapl:0:0": "core",
        "intel-rapl:0:1": "dram",
        "intel-rapl:1": "package-1",
        "intel-rapl:2": "psys",
        "intel-rapl-mmio:0": "package-0",
    }
    found = {}
    for zone, name in zones.items():
        folder = root / zone
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text("1000000000\n")
        (folder / "energy_uj").write_text("999000000\n")
        found[zone] = folder / "energy_uj"
    return found


# As `nvidia-smi --query-gpu=... --format=csv,noheader,nounits` of driver 580 prints it on an H100.
SMI_LINE = (
    "{stamp}, {index}, GPU-{index}abc, NVIDIA H100 80GB HBM3, 300.00, 1980, 2619, 61, 70123, 97, "
    "0x0000000000000004, 700.00"
)
_SMI = """#!{python}
import sys, time
from datetime import datetime
fields = [a for a in sys.argv if a.startswith("--query-gpu=")][0].split("=", 1)[1].split(",")
old = {old!r}
if old and "clocks_event_reasons.active" in fields:
    print('Field "clocks_event_reasons.active" is not a valid field to query.')
    sys.exit(2)
loop = [a for a in sys.argv if a.startswith("--loop-ms=")]
while True:
    for index in range({gpus}):
        stamp = datetime.now().strftime("%Y/%m/%d %H:%M:%S.%f")[:-3]
        print({line!r}.format(stamp=stamp, index=index), flush=not loop)
    if not loop:
        break
    time.sleep(int(loop[0].split("=")[1]) / 1000)
"""


def nvidia_smi(folder: Path, python: str, gpus: int = 1, *, old: bool = False) -> None:
    """A `nvidia-smi` in a folder: constant 300 W, and it flushes only what goes to a terminal."""
    folder.mkdir(parents=True, exist_ok=True)
    tool = folder / "nvidia-smi"
    tool.write_text(_SMI.format(python=python, gpus=gpus, line=SMI_LINE, old=old))
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
