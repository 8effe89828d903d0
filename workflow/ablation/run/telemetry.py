"""What the devices drew and how they ran during a run's window, from the launch's telemetry.

    energy_j                    all devices of the server, over the window (see telemetry/energy.py)
    energy_source               "counter" or "power" (the trapezoid rule), or both where devices differ
    energy_per_output_token_j   energy_j over the output tokens that arrived in the window
    power_mean_w                energy_j over the window; power_max_w the highest sum of the devices' samples
    clock_mean_mhz, _min_mhz    over all samples of all devices in the window
    throttled_fraction          samples with a reason of THROTTLING, of those that told their reasons
    power_capped_fraction       samples at the power limit, likewise
    throttle_hole               where the samples that told their reasons leave a hole in the window; empty: nowhere
    memory_peak_gib             the sum of each device's highest
    telemetry_text              a sentence: what it was read by, or why it was not observed

Prefill and idle moments of the window are in the energy: it is what the answer's tokens cost, prompts included.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ablation.telemetry.energy import Series, energy, hole, inside, series, summed, throttles
from ablation.telemetry.file import FILE, read_telemetry
from ablation.telemetry.reading import CAPPED, THROTTLING, NotObserved, reasons

NUMBERS = (
    "energy_j",
    "energy_per_output_token_j",
    "power_mean_w",
    "power_max_w",
    "clock_mean_mhz",
    "clock_min_mhz",
    "temperature_max_c",
    "memory_peak_gib",
    "utilisation_mean",
    "throttled_fraction",
    "power_capped_fraction",
    "telemetry_samples",
)


def run_telemetry(
    folder: Path, launch: dict[str, Any], summary: dict[str, Any], run_json: dict[str, Any]
) -> dict[str, Any]:
    """What the summary of a run holds of telemetry; numbers are None where they were not observed.

    folder   the launch's, in the store
    launch   its evidence: says why nothing was sampled
    summary  of `metrics.summarise`: the window, in seconds since the first send
    """
    found: dict[str, Any] = dict.fromkeys(NUMBERS)
    found |= {"energy_source": None, "throttle_reasons": [], "throttle_hole": ""}
    found["telemetry_text"] = ""
    if summary["window_s"] is None:
        return found | {"telemetry_text": "not observed: there is no window"}
    try:
        table, about = read_telemetry(folder / FILE)
    except NotObserved as why:
        text = (launch.get("telemetry") or {}).get("text") or f"not observed: {why}"
        return found | {"telemetry_text": text}
    start, end = summary["window_start_s"], summary["window_end_s"]
    every = series(table, int(run_json["first_send_ns"]))
    found |= _states(every, start, end)
    found["throttle_hole"] = _throttle_hole(every, start, end, about["period_s"])
    found["telemetry_text"] = f"read by {about['reader']} every {about['period_s']:g} s"
    try:
        parts = [energy(one, start, end, about["period_s"]) for one in every]
    except NotObserved as why:
        found["telemetry_text"] += f"; energy not observed: {why}"
        return found
    joules = sum(part.joules for part in parts)
    tokens = (summary["output_throughput_tok_s"] or 0.0) * summary["window_s"]
    return found | {
        "energy_j": joules,
        "energy_source": " and ".join(sorted({part.source for part in parts})),
        "energy_per_output_token_j": joules / tokens if tokens > 0 else None,
        "power_mean_w": joules / summary["window_s"],
    }


def _states(every: list[Series], start: float, end: float) -> dict[str, Any]:
    """Clocks, temperature, memory and throttling: what samples inside the window say."""
    words = [reasons(text) for text in throttles(every, start, end)]
    clock = inside(every, "clock_mhz", start, end)
    memory = [inside([one], "memory_used_gib", start, end) for one in every]
    samples = sum(int(((one.at_s >= start) & (one.at_s <= end)).sum()) for one in every)
    return {
        "telemetry_samples": samples,
        "power_max_w": _of(np.max, summed(every, "power_w", start, end)),
        "clock_mean_mhz": _of(np.mean, clock),
        "clock_min_mhz": _of(np.min, clock),
        "temperature_max_c": _of(np.max, inside(every, "temperature_c", start, end)),
        "utilisation_mean": _of(np.mean, inside(every, "utilisation", start, end)),
        "memory_peak_gib": (
            float(sum(np.max(values) for values in memory))
            if all(len(values) for values in memory)
            else None
        ),
        "throttled_fraction": _share(words, THROTTLING),
        "power_capped_fraction": _share(words, CAPPED),
        "throttle_reasons": sorted(set().union(*words)) if words else [],
    }


def _throttle_hole(every: list[Series], start: float, end: float, period_s: float) -> str:
    """Where a device that tells its reasons was not looked at: what it did there is not known."""
    for one in every:
        told = np.array([text is not None for text in one.throttle], dtype=bool)
        if told.any() and (missing := hole(one.at_s[told], start, end, period_s)):
            return f"{one.name}: {missing}"
    return ""


def _of(function: Any, values: Any) -> float | None:
    return float(function(values)) if len(values) else None


def _share(words: list[frozenset[str]], looked_for: frozenset[str]) -> float | None:
    return sum(bool(word & looked_for) for word in words) / len(words) if words else None
