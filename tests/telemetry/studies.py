"""A synthetic study's runs with energy and bounds of known truth."""

from typing import Any

from pandas import DataFrame

from ablation.statistics.metrics import ENERGY, PRIMARY
from tests.synthetic import make_runs, make_sessions

POWER_W = 600.0
TEXT = "read by NVML (the server's pynvml) every 0.5 s"
ROOF = "NVIDIA H100 SXM, 3.35 TB/s (a data sheet)"


def observed_runs(plan: dict[str, Any], **more: Any) -> DataFrame:
    """600 W at every level and arm, and bounds of 1.5 and 4 times the baseline's throughput."""
    runs = make_runs(plan, **more)
    return runs.assign(
        **{
            "power_mean_w": POWER_W,
            "power_max_w": POWER_W + 50,
            "energy_j": POWER_W * 5,
            ENERGY: POWER_W / runs[PRIMARY],
            "clock_mean_mhz": 1950.0,
            "clock_min_mhz": 1755.0,
            "temperature_max_c": 66.0,
            "memory_peak_gib": 71.5,
            "utilisation_mean": 0.9,
            "throttled_fraction": 0.0,
            "power_capped_fraction": 0.4,
            "energy_source": "counter",
            "telemetry_text": TEXT,
            "roofline_memory_tok_s": 60.0 * runs["concurrency"],
            "roofline_compute_tok_s": 160.0 * runs["concurrency"],
            "roofline_fraction": runs[PRIMARY] / (60.0 * runs["concurrency"]),
            "roofline_text": ROOF,
        }
    )


def unobserved_runs(plan: dict[str, Any]) -> DataFrame:
    """As the aggregate has them where nothing could be read."""
    runs = observed_runs(plan)
    added = [name for name in runs if name not in make_runs(plan)]
    words = {
        "energy_source": None,
        "telemetry_text": "not observed: RAPL: only root may read it",
        "roofline_text": "not computed: the launch saw no GPU",
    }
    return runs.assign(**(dict.fromkeys(added, float("nan")) | words))


def observed_sessions(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Sessions whose launches were sampled."""
    sessions = make_sessions(plan)
    for session in sessions:
        for launch in session["launches"]:
            launch["telemetry"] = {
                "reader": "NVML (the server's pynvml)",
                "text": TEXT,
                "idle_power_w": 70.0,
                "energy_j": 36_000.0,
                "cpu_share": 0.004,
            }
    return sessions
