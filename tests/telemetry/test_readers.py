"""Readers against drivers of known truth."""

import math
import os
import sys
import time

import pytest

from ablation.telemetry.amd import AmdReader
from ablation.telemetry.nvidia_smi import FIELDS, NvidiaSmiReader, parse, reading
from ablation.telemetry.nvml import REASONS, NvmlReader, reasons_of
from ablation.telemetry.rapl import RaplReader
from ablation.telemetry.reading import (
    CAPPED,
    THROTTLING,
    Device,
    NotObserved,
    number,
    reasons,
)
from tests.telemetry.fakes import SMI_LINE, AmdSmi, Nvml, nvidia_smi, powercap


@pytest.mark.parametrize(
    "value", ["N/A", "[N/A]", "", None, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF, math.nan, True, []]
)
def test_what_means_unsupported_is_no_number(value):
    assert number(value) is None


@pytest.mark.parametrize(("value", "expected"), [(0, 0.0), ("61", 61.0), (" 300.5 ", 300.5)])
def test_numbers_are_numbers(value, expected):
    assert number(value) == expected


def test_nvml_in_its_units():
    nvml = Nvml()
    reader = NvmlReader(nvml, "a fake", {}, 2)
    one, two = reader.read()
    assert [one.device.index, two.device.index] == [0, 1]
    assert one.device.name == "NVIDIA H100 80GB HBM3"
    assert (one.power_w, one.energy_j, one.power_limit_w) == (300.0, 1000.0, 700.0)
    assert (one.clock_mhz, one.memory_clock_mhz, one.temperature_c) == (1980, 2619, 61)
    assert (one.memory_used_gib, one.utilisation, one.throttle) == (8.0, 0.97, "sw_power_cap")
    reader.close()
    assert nvml.open == 0


def test_the_bits_are_those_of_nvml_h():
    # nvmlClocksEventReason*: the numbers of nvml.h, written out a second time.
    named = {
        "gpu_idle": 1,
        "applications_clocks": 2,
        "sw_power_cap": 4,
        "hw_slowdown": 8,
        "sync_boost": 16,
        "sw_thermal": 32,
        "hw_thermal": 64,
        "hw_power_brake": 128,
        "display_clocks": 256,
    }
    assert {name: bit for bit, name in REASONS.items()} == named
    assert reasons_of(0) == ""
    assert reasons_of(0x48) == "hw_slowdown|hw_thermal"
    assert reasons_of(0x204) == "sw_power_cap|0x200"
    assert reasons("") == frozenset()
    assert reasons(reasons_of(0xE8)) == THROTTLING & set(REASONS.values())
    assert not reasons(reasons_of(0x117)) & THROTTLING
    assert reasons(reasons_of(0x4)) <= CAPPED


def test_a_module_agrees_with_the_table_of_bits():
    """The constants of the copy of nvidia-ml-py that vLLM carries, where it is installed."""
    from ablation.telemetry.probe import Request, _modules, load

    python = os.path.join(os.path.dirname(__file__), "../../.venv-vllm/bin/python")
    if not os.path.exists(python):
        pytest.skip("no .venv-vllm")
    (found,) = _modules(Request("cuda", 1, 0.5, python=python), ("vllm",), [])
    label, path = found
    assert label == "the server's vllm.third_party.pynvml"
    module = load(path)
    assert "torch" not in sys.modules
    for bit, name in REASONS.items():
        words = {
            "hw_thermal": "HwThermalSlowdown",
            "sw_thermal": "SwThermalSlowdown",
            "hw_power_brake": "HwPowerBrakeSlowdown",
            "applications_clocks": "ApplicationsClocksSetting",
            "display_clocks": "DisplayClockSetting",
            "sync_boost": "SyncBoost",
            "sw_power_cap": "SwPowerCap",
            "hw_slowdown": "HwSlowdown",
            "gpu_idle": "GpuIdle",
        }[name]
        assert getattr(module, f"nvmlClocksEventReason{words}") == bit
    with pytest.raises(NotObserved, match="NVML does not start"):
        NvmlReader(module, label, {}, 1)


def test_what_nvml_does_not_support_is_null_and_asked_once():
    nvml = Nvml(1, unsupported=("energy", "throttle"))
    reader = NvmlReader(nvml, "a fake", {}, 1)
    for _ in range(3):
        (one,) = reader.read()
    assert (one.energy_j, one.throttle, one.power_w) == (None, None, 300.0)
    assert nvml.asked.count("energy") == 1
    assert nvml.asked.count("power") == 4


def test_a_passing_error_of_nvml_is_asked_again():
    nvml = Nvml(1)
    reader = NvmlReader(nvml, "a fake", {}, 1)
    answer = nvml.nvmlDeviceGetPowerUsage

    def lost(handle):
        raise nvml.NVMLError(999)

    nvml.nvmlDeviceGetPowerUsage = lost
    assert reader.read()[0].power_w is None
    nvml.nvmlDeviceGetPowerUsage = answer
    assert reader.read()[0].power_w == 300.0


def test_an_older_module_knows_the_reasons_by_their_older_name():
    class Older(Nvml):
        nvmlDeviceGetCurrentClocksEventReasons = None

        def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):
            return 0x40

    assert NvmlReader(Older(1), "a fake", {}, 1).read()[0].throttle == "hw_thermal"


def test_nvml_that_tells_nothing_is_not_observed():
    nvml = Nvml(1, unsupported=("power", "energy", "clock"))
    with pytest.raises(NotObserved, match="neither power nor energy nor clocks"):
        NvmlReader(nvml, "a fake", {}, 1)
    assert nvml.open == 0


def test_amdsmi_in_its_units():
    smi = AmdSmi()
    reader = AmdReader(smi, "a fake", {}, 2)
    one, _ = reader.read()
    assert (one.power_w, one.power_limit_w) == (612.0, 750.0)
    assert one.energy_j == pytest.approx(15.259)
    assert one.clock_mhz == pytest.approx(2100.0)
    assert (one.memory_clock_mhz, one.temperature_c, one.utilisation) == (1300, 71, 0.98)
    assert one.memory_used_gib == 2.0


def test_amd_violations_are_what_grew_since_the_last_sample():
    smi = AmdSmi(1)
    reader = AmdReader(smi, "a fake", {}, 1)  # its first reading is the probe's
    assert reader.read()[0].throttle == ""
    smi.metrics |= {"ppt_residency_acc": 11}
    assert reader.read()[0].throttle == "power_cap"
    smi.metrics |= {"socket_thm_residency_acc": 6, "prochot_residency_acc": 3}
    found = reader.read()[0].throttle
    assert found == "prochot|thermal"
    assert reasons(found) <= THROTTLING
    assert reader.read()[0].throttle == ""


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0, ""),
        (1 << 1, "power_cap"),
        (1 << 36, "thermal"),
        (1 << 17 | 1 << 46, "current_limit|prochot"),
    ],
)
def test_older_amd_gpus_have_a_status_word(status, expected):
    accumulators = {name: "N/A" for name in AmdSmi.METRICS if name.endswith("_acc")}
    smi = AmdSmi(1, indep_throttle_status=status, **accumulators)
    assert AmdReader(smi, "a fake", {}, 1).read()[0].throttle == expected


def test_amd_gpus_are_counted_as_hip_counts_them():
    reader = AmdReader(AmdSmi(3, hip_ids=[2, 0, 1]), "a fake", {"HIP_VISIBLE_DEVICES": "0"}, 1)
    assert [device.name for device in reader.devices] == ["AMD Instinct MI300X 1"]


def test_amdsmi_that_tells_nothing_is_not_observed():
    nothing = dict.fromkeys(AmdSmi.METRICS, "N/A")
    smi = AmdSmi(1, **nothing)
    smi.amdsmi_get_energy_count = lambda handle: {"energy_accumulator": 0xFFFFFFFFFFFFFFFF}
    with pytest.raises(NotObserved, match="neither power nor energy nor clocks"):
        AmdReader(smi, "a fake", {}, 1)


def test_rapl_counts_packages_and_memory_once_and_over_the_wrap(tmp_path):
    files = powercap(tmp_path)
    reader = RaplReader(tmp_path)
    assert [(d.kind, d.name) for d in reader.devices] == [
        ("cpu", "package-0"),
        ("dram", "dram intel-rapl:0:1"),
        ("cpu", "package-1"),
    ]
    before = reader.read()[0]
    files["intel-rapl:0"].write_text("2000000\n")  # 1 J to the wrap at 1000 J, and 2 J beyond
    after = reader.read()[0]
    assert after.energy_j - before.energy_j == pytest.approx(3.0)


def test_rapl_power_is_the_growth_since_the_last_sample(tmp_path):
    files = powercap(tmp_path)
    reader = RaplReader(tmp_path)
    begin = reader.read()[0].monotonic_ns
    time.sleep(0.05)
    files["intel-rapl:0"].write_text("1000000000\n")
    one = reader.read()[0]
    assert one.power_w == pytest.approx(1.0 / ((one.monotonic_ns - begin) / 1e9))


def test_rapl_where_there_is_none(tmp_path):
    with pytest.raises(NotObserved, match="no RAPL counters under"):
        RaplReader(tmp_path)


def test_rapl_that_only_root_may_read(tmp_path, monkeypatch):
    powercap(tmp_path)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("ablation.telemetry.rapl._counter", refuse)
    with pytest.raises(NotObserved, match="only root may read it"):
        RaplReader(tmp_path)


def test_a_recorded_line_of_nvidia_smi():
    text = SMI_LINE.format(stamp="2026/11/23 06:48:50.123", index=3)
    cut = text[:40]
    (row,) = parse(f"{text}\n{cut}\n", FIELDS)
    one = reading(row, Device(3, row["name"]), 7)
    assert (one.power_w, one.clock_mhz, one.memory_clock_mhz) == (300.0, 1980, 2619)
    assert one.memory_used_gib == pytest.approx(68.479, abs=1e-3)
    assert (one.utilisation, one.throttle, one.power_limit_w) == (0.97, "sw_power_cap", 700.0)
    assert one.energy_j is None
    unsupported = text.replace("300.00", "[N/A]").replace("0x0000000000000004", "[Not Supported]")
    (row,) = parse(unsupported, FIELDS)
    one = reading(row, Device(3, row["name"]), 7)
    assert (one.power_w, one.throttle) == (None, None)


@pytest.mark.parametrize("old", [False, True])
def test_nvidia_smi_runs_once_and_its_lines_arrive_at_once(tmp_path, monkeypatch, old):
    nvidia_smi(tmp_path, sys.executable, 2, old=old)
    monkeypatch.setenv("PATH", str(tmp_path))
    before = time.monotonic_ns()
    reader = NvidiaSmiReader({"CUDA_VISIBLE_DEVICES": "1"}, 1, 0.1)
    readings = []
    while len(readings) < 3:
        readings += reader.read()
        time.sleep(0.02)
    reader.close()
    assert {r.device.index for r in readings} == {1}
    assert all(r.power_w == 300.0 and r.throttle == "sw_power_cap" for r in readings)
    stamps = [r.monotonic_ns for r in readings]
    assert stamps == sorted(set(stamps))
    assert before - 2_000_000 < stamps[0] < time.monotonic_ns()


def test_nvidia_smi_that_ends_says_so(tmp_path, monkeypatch):
    nvidia_smi(tmp_path, sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    reader = NvidiaSmiReader({}, 1, 0.1)
    reader._process.kill()
    reader._process.wait()
    with pytest.raises(NotObserved, match="nvidia-smi ended with -9"):
        list(iter(reader.read, None))
    reader.close()


def test_no_nvidia_smi(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotObserved, match="no nvidia-smi on PATH"):
        NvidiaSmiReader({}, 1, 0.1)
    broken = tmp_path / "nvidia-smi"
    broken.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed because ...'\nexit 9\n")
    broken.chmod(0o755)
    with pytest.raises(NotObserved, match="ended with 9: NVIDIA-SMI has failed"):
        NvidiaSmiReader({}, 1, 0.1)
