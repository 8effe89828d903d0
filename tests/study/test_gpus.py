"""The table of GPUs."""

from pathlib import Path

import pytest

from ablation.study.gpus import find_gpu, read_gpus
from ablation.study.load import StudyError


def test_every_gpu_is_found_by_its_own_name():
    assert [find_gpu(gpu.name) for gpu in read_gpus()] == list(read_gpus())


@pytest.mark.parametrize(
    ("reported", "name"),
    [
        ("AMD Instinct MI325X", "AMD Instinct MI325X"),
        ("AMD Instinct MI300X OAM", "AMD Instinct MI300X"),
        ("mi355x", "AMD Instinct MI355X"),
        ("NVIDIA H100 80GB HBM3", "NVIDIA H100 SXM"),
        ("NVIDIA H100 PCIe", "NVIDIA H100 PCIe"),
        ("NVIDIA H200", "NVIDIA H200 SXM"),
        ("NVIDIA A100-SXM4-80GB", "NVIDIA A100 SXM 80 GB"),
    ],
)
def test_names_as_drivers_report_them(reported, name):
    gpu = find_gpu(reported)
    assert gpu is not None
    assert gpu.name == name


@pytest.mark.parametrize("name", [None, "", "AMD Radeon RX 7900 XTX", "NVIDIA A100-SXM4-40GB"])
def test_a_gpu_that_is_not_in_the_table(name):
    assert find_gpu(name) is None


def test_peaks_are_plausible():
    for gpu in read_gpus():
        assert gpu.fp8_tflops is None or 1.9 < gpu.fp8_tflops / gpu.bf16_tflops < 2.1
        # operations a byte at the ridge of the roofline, BF16
        assert 100 < gpu.bf16_tflops / gpu.bandwidth_tb_s < 500


def test_a_typo_in_the_table(tmp_path: Path):
    table = tmp_path / "gpus.yaml"
    table.write_text("gpus:\n  - {name: X, architecture: gfx942, memory_gb: 192}\n")
    with pytest.raises(StudyError, match=r"gpus\.yaml: gpus\[0\]\.memory_gb: unknown field"):
        read_gpus(table)
