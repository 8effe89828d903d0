"""A run's energy, power, clocks and throttling, from samples of known truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablation.run.metrics import summarise
from ablation.run.telemetry import NUMBERS, run_telemetry
from tests.run_rows import closed_loop, run_json, table
from tests.telemetry.samples import write_samples

ZERO = 5_000_000_000  # of run_json
AT = np.arange(-2, 15, 0.5).tolist()


def summary(**more: Any) -> dict[str, Any]:
    return {
        "window_start_s": 1.0,
        "window_end_s": 11.0,
        "window_s": 10.0,
        "output_throughput_tok_s": 150.0,
    } | more


def found(folder: Path, **more: Any) -> dict[str, Any]:
    result = run_telemetry(folder, {}, summary(**more), run_json(1))
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    return result


@pytest.mark.parametrize(("counter", "source"), [(False, "power"), (True, "counter")])
def test_300_watts_for_ten_seconds_and_1500_tokens(tmp_path, counter, source):
    write_samples(tmp_path, ZERO, AT, counter=counter)
    run = found(tmp_path)
    assert run["energy_j"] == pytest.approx(3000.0)
    assert run["energy_per_output_token_j"] == pytest.approx(2.0)
    assert (run["power_mean_w"], run["power_max_w"]) == (pytest.approx(300.0), 300.0)
    assert run["energy_source"] == source
    assert run["telemetry_samples"] == 21
    assert run["telemetry_text"] == "read by a fake every 0.5 s"


def test_two_gpus_are_summed_but_for_their_clocks(tmp_path):
    write_samples(tmp_path, ZERO, AT, gpus=2)
    run = found(tmp_path)
    assert run["energy_per_output_token_j"] == pytest.approx(4.0)
    assert (run["power_max_w"], run["memory_peak_gib"]) == (600.0, 140.0)
    assert (run["clock_mean_mhz"], run["clock_min_mhz"]) == (1975.0, 1970.0)
    assert (run["temperature_max_c"], run["utilisation_mean"]) == (61.0, pytest.approx(0.9))


def test_throttled_and_capped_samples_are_told_apart(tmp_path):
    write_samples(tmp_path, ZERO, AT, throttle="sw_power_cap|hw_thermal", until_s=3.5)
    run = found(tmp_path)
    assert run["throttled_fraction"] == run["power_capped_fraction"] == pytest.approx(5 / 21)
    assert run["throttle_reasons"] == ["hw_thermal", "sw_power_cap"]
    write_samples(tmp_path, ZERO, AT, throttle="sw_power_cap")
    run = found(tmp_path)
    assert (run["throttled_fraction"], run["power_capped_fraction"]) == (0.0, 1.0)
    write_samples(tmp_path, ZERO, AT, throttle=None)
    assert found(tmp_path)["throttled_fraction"] is None


def test_samples_that_end_in_the_window_give_no_energy(tmp_path):
    write_samples(tmp_path, ZERO, [t for t in AT if t < 4])
    run = found(tmp_path)
    assert run["energy_j"] is None
    assert run["clock_mean_mhz"] == 1980.0
    assert "energy not observed: NVIDIA H100 80GB HBM3: the samples leave" in run["telemetry_text"]


def test_a_sampler_that_died_in_the_window_did_not_see_the_rest_of_it(tmp_path):
    write_samples(tmp_path, ZERO, [t for t in AT if t < 4], throttle="")
    run = found(tmp_path)
    assert run["throttled_fraction"] == 0.0
    assert run["throttle_hole"].startswith("NVIDIA H100 80GB HBM3: the samples leave 7.5 s")
    write_samples(tmp_path, ZERO, AT, throttle="")
    assert found(tmp_path)["throttle_hole"] == ""
    write_samples(tmp_path, ZERO, [t for t in AT if t < 4], throttle=None)
    assert found(tmp_path)["throttle_hole"] == ""  # nothing was told at all: that is said elsewhere


def test_what_was_not_observed_is_null_and_says_why(tmp_path):
    nothing = dict.fromkeys(NUMBERS)
    bare = found(tmp_path)
    assert {name: bare[name] for name in NUMBERS} == nothing
    assert bare["telemetry_text"] == "not observed: the launch has no telemetry"
    launch = {"telemetry": {"text": "not observed: RAPL: only root may read it"}}
    told = run_telemetry(tmp_path, launch, summary(), run_json(1))
    assert told["telemetry_text"] == launch["telemetry"]["text"]
    no_window = summary(window_s=None, window_start_s=None, window_end_s=None)
    text = run_telemetry(tmp_path, {}, no_window, run_json(1))["telemetry_text"]
    assert text == "not observed: there is no window"


def test_the_names_of_the_summary_are_as_metrics_gives_them(tmp_path):
    run, rows = run_json(10), table(closed_loop(10, 100))
    whole = summarise(rows, run)
    write_samples(tmp_path, ZERO, AT)
    told = run_telemetry(tmp_path, {}, whole, run)
    assert told["power_mean_w"] == pytest.approx(300.0)
    tokens = whole["output_throughput_tok_s"] * whole["window_s"]
    assert told["energy_per_output_token_j"] == pytest.approx(told["energy_j"] / tokens)
