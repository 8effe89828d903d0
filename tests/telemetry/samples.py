"""telemetry.parquet of known truth."""

from collections.abc import Sequence
from pathlib import Path

from ablation.telemetry.file import FILE, TelemetryFile
from ablation.telemetry.reading import Device, Reading


def write_samples(
    folder: Path,
    zero_ns: int,
    at_s: Sequence[float],
    *,
    gpus: int = 1,
    power_w: float = 300.0,
    counter: bool = False,
    throttle: str | None = "",
    until_s: float = float("inf"),
) -> None:
    """Each GPU at constant power and 1980 MHz; `throttle` holds before `until_s`, none after."""
    file = TelemetryFile(folder / FILE, {"reader": "a fake", "period_s": 0.5, "tried": []})
    for t in at_s:
        file.add(
            Reading(
                zero_ns + round(t * 1e9),
                Device(i, "NVIDIA H100 80GB HBM3"),
                power_w=power_w,
                energy_j=5e6 + power_w * t if counter else None,
                clock_mhz=1980.0 - 10 * i,
                memory_used_gib=70.0,
                temperature_c=61.0,
                utilisation=0.9,
                throttle=throttle if throttle is None or t < until_s else "",
                power_limit_w=700.0,
            )
            for i in range(gpus)
        )
    file.write()
