"""Another GPU, another driver, another CPU: each is noticed, and what cannot be looked at is not seen."""

import os

import pytest

from ablation.build import Build, Host, NotSeen, differences, host_of, quick_host, relation
from ablation.build.host import amd_gpus, cpu_name
from tests.build.drivers import MI300X, amd_files, nvidia_files, nvidia_smi
from tests.build.sites import write

H100, H200 = "NVIDIA H100 80GB HBM3", "NVIDIA H200"


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A folder for tools that is all of PATH."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def told(one: Host, other: Host) -> list[str]:
    server = NotSeen("not asked")
    return [
        text
        for text in differences(Build(server, one, {}), Build(server, other, {}))
        if "not asked" not in text
    ]


def test_of_nvidia_by_its_tool_and_by_files_the_same(tools, tmp_path):
    nvidia_files(tmp_path, [H100, H100])
    by_files = host_of("cuda", 2, {}, tmp_path)
    assert (by_files.driver, by_files.gpus) == ("580.159.04", (H100, H100))
    assert isinstance(by_files.runtime, NotSeen)
    nvidia_smi(tools, [H100, H100])
    by_tool = host_of("cuda", 2, {}, tmp_path)
    assert by_tool == Host("cuda", "580.159.04", "CUDA 13.0", (H100, H100), None)
    assert host_of("cuda", 2, {}, tmp_path / "nowhere") == by_tool


@pytest.mark.parametrize("old", [False, True])
def test_cuda_of_the_driver_is_on_an_older_tools_page(tools, tmp_path, old):
    nvidia_smi(tools, [H100], "535.183.01", "12.2", old=old)
    assert host_of("cuda", 1, {}, tmp_path).runtime == "CUDA 12.2"


def test_the_gpus_are_those_that_the_server_is_given(tools, tmp_path):
    nvidia_smi(tools, [H100, H100, H200])
    assert host_of("cuda", 1, {"CUDA_VISIBLE_DEVICES": "2,0"}, tmp_path).gpus == (H200,)
    assert host_of("cuda", 2, {}, tmp_path).gpus == (H100, H100)
    few = host_of("cuda", 2, {"CUDA_VISIBLE_DEVICES": "2"}, tmp_path).gpus
    assert isinstance(few, NotSeen)
    assert "takes 2 GPUs" in few.why


def test_another_gpu_and_another_driver(tools, tmp_path):
    nvidia_smi(tools, [H100])
    before = host_of("cuda", 1, {}, tmp_path)
    nvidia_smi(tools, [H200], "590.44.01", "13.1")
    assert told(before, host_of("cuda", 1, {}, tmp_path)) == [
        "driver 580.159.04 -> 590.44.01",
        "CUDA of the driver CUDA 13.0 -> CUDA 13.1",
        f"GPU {H100} -> {H200}",
    ]


def test_a_tool_that_fails_is_not_a_host_without_a_gpu(tools, tmp_path):
    write(tools / "nvidia-smi", "#!/bin/sh\necho Failed to initialize NVML\nexit 18\n").chmod(0o755)
    found = host_of("cuda", 1, {}, tmp_path)
    assert all(isinstance(part, NotSeen) for part in (found.driver, found.runtime, found.gpus))
    again = host_of("cuda", 1, {}, tmp_path)
    assert (
        relation(Build(NotSeen(""), found, {}), Build(NotSeen(""), again, {})) == "cannot be told"
    )
    assert len(told(found, again)) == 3


def test_of_amd_by_the_kernels_topology(tools, tmp_path):
    second = MI300X | {"drm_render_minor": 136, "unique_id": 0xB35C5AE7FB53DF90}
    amd_files(tmp_path, [MI300X, second])
    model = "gfx942, device 0x74a1, 304 CUs, 8 XCCs, SPX/NPS1"
    assert host_of("rocm", 2, {}, tmp_path) == Host("rocm", "6.12.12", None, (model, model), None)
    found = amd_gpus(tmp_path)
    assert not isinstance(found, NotSeen)
    assert [gpu.uuid for gpu in found] == ["GPU-3cbe002bd3b6313d", "GPU-b35c5ae7fb53df90"]
    picked = {"ROCR_VISIBLE_DEVICES": "GPU-b35c5ae7fb53df90"}
    assert host_of("rocm", 1, picked, tmp_path).gpus == (model,)


def test_gpus_are_counted_as_hip_counts_them(tools, tmp_path):
    """Node 10 comes after node 9."""
    gpus = [MI300X | {"unique_id": i, "drm_render_minor": 128 + i} for i in range(12)]
    amd_files(tmp_path, gpus)
    found = amd_gpus(tmp_path)
    assert not isinstance(found, NotSeen)
    assert [gpu.uuid for gpu in found] == [f"GPU-{i:016x}" for i in range(12)]


def test_another_amd_gpu_another_mode_another_driver(tools, tmp_path):
    amd_files(tmp_path / "a", [MI300X])
    amd_files(tmp_path / "b", [MI300X | {"device_id": 0x74A5}], "6.14.14", "CPX NPS4")
    one, other = (host_of("rocm", 1, {}, tmp_path / name) for name in "ab")
    assert told(one, other) == [
        "driver 6.12.12 -> 6.14.14",
        "GPU gfx942, device 0x74a1, 304 CUs, 8 XCCs, SPX/NPS1 -> "
        "gfx942, device 0x74a5, 304 CUs, 8 XCCs, CPX/NPS4",
    ]


def test_the_kernels_own_driver_has_the_kernels_version(tools, tmp_path):
    amd_files(tmp_path, [MI300X], driver=None)
    assert host_of("rocm", 1, {}, tmp_path).driver == f"of kernel {os.uname().release}"


def test_a_host_without_a_gpu(tools, tmp_path):
    found = host_of("rocm", 1, {}, tmp_path)
    assert isinstance(found.gpus, NotSeen)
    assert isinstance(found.driver, NotSeen)


def test_the_cpu_counts_where_the_server_computes_on_it(tmp_path):
    write(
        tmp_path / "proc/cpuinfo",
        "processor\t: 0\nmodel name\t: AMD EPYC 9654 96-Core Processor\n\n",
    )
    found = host_of("cpu", 0, {}, tmp_path)
    assert found == Host(
        "cpu", None, None, (), f"AMD EPYC 9654 96-Core Processor x {os.cpu_count()}"
    )
    write(
        tmp_path / "proc/cpuinfo",
        "processor\t: 0\nmodel name\t: INTEL(R) XEON(R) PLATINUM 8568Y+\n",
    )
    assert relation(*(Build(NotSeen(""), host, {}) for host in (found, found))) == "cannot be told"
    (sentence,) = told(found, host_of("cpu", 0, {}, tmp_path))
    assert sentence.startswith("CPU AMD EPYC 9654")


def test_a_cpu_without_a_name(tmp_path):
    # Of an Arm Neoverse V2 the kernel prints numbers.
    lines = "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd4f\nCPU revision\t: 0\n"
    write(tmp_path / "proc/cpuinfo", lines)
    assert cpu_name(tmp_path) == "Arm 0x41 0xd4f 0"
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\n")
    assert isinstance(host_of("cpu", 0, {}, tmp_path).cpu, NotSeen)


@pytest.mark.parametrize("platform", ["cuda", "rocm"])
def test_quick_needs_no_tool(tools, tmp_path, platform):
    assert quick_host(platform, tmp_path) is None
    if platform == "cuda":
        nvidia_files(tmp_path, [H100])
        before = quick_host(platform, tmp_path)
        nvidia_files(tmp_path, [H100], "590.44.01")
    else:
        amd_files(tmp_path, [MI300X])
        before = quick_host(platform, tmp_path)
        amd_files(tmp_path, [MI300X], "6.14.14")
    assert before is not None
    assert quick_host(platform, tmp_path) not in (before, None)
