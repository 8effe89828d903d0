"""What a server runs on: the driver of its GPUs and what that serves, their models, or the CPU.

Drivers are asked through what they always have: files under /proc and /sys, and NVIDIA's own tool. Facts:
- /proc/driver/nvidia/version and /proc/driver/nvidia/gpus/*/information, /sys/module/nvidia/version, and what
  `nvidia-smi --version` and `--query-gpu` print, as read on an H100 with driver 580.
- The kernel's amdgpu writes a folder for each GPU (and CPU) under /sys/class/kfd/kfd/topology/nodes, in the order in
  which HIP counts them; `gfx_target_version 90402` is gfx942 (drivers/gpu/drm/amd/amdkfd/kfd_topology.c).
- Partition modes: /sys/class/drm/renderD*/device/current_compute_partition (SPX, CPX) and current_memory_partition.
Nothing here was run on AMD hardware.
"""

from __future__ import annotations

import csv
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

from ablation.build.files import text_of
from ablation.build.parts import Host, NotSeen
from ablation.telemetry.devices import used
from ablation.telemetry.reading import NotObserved

ROOT = Path("/")
PATIENCE_S = 30.0
QUERY = ("index", "uuid", "name", "driver_version", "memory.total")
# As it stands after "Kernel Module" in /proc/driver/nvidia/version.
_NVIDIA_DRIVER = re.compile(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)\s")


@dataclass(frozen=True)
class Gpu:
    """A GPU of this host: its own number, its model with the mode it is in, memory as its tool writes it."""

    uuid: str
    model: str
    memory: str = ""


def host_of(
    host_platform: str, gpus: int, environment: Mapping[str, str], root: Path = ROOT
) -> Host:
    """The host as a server with this environment sees it, that uses `gpus` GPUs of platform cuda, rocm or cpu.

    `environment` is the server's: its *_VISIBLE_DEVICES choose (telemetry/devices.py). `root` is where /proc and /sys
    are looked for.
    """
    if host_platform == "cpu":
        return Host("cpu", None, None, (), cpu_model(root))
    found = nvidia_gpus(root) if host_platform == "cuda" else amd_gpus(root)
    models: tuple[str, ...] | NotSeen
    if isinstance(found, NotSeen):
        models = found
    else:
        try:
            chosen = used(host_platform, environment, [gpu.uuid for gpu in found], gpus)
            models = tuple(found[i].model for i in chosen)
        except NotObserved as why:
            models = NotSeen(str(why))
    if host_platform == "cuda":
        return Host("cuda", nvidia_driver(root), cuda_of_driver(), models, None)
    return Host("rocm", amd_driver(root), None, models, None)


def quick_host(host_platform: str, root: Path = ROOT) -> str | None:
    """What is to be read of drivers and GPUs without starting a tool, as text; None where that is nothing.

    Other text than before means that `host_of` has to be asked again.
    """
    if host_platform == "cpu":
        return cpu_name(root)
    cuda = host_platform == "cuda"
    gpus = _nvidia_files(root) if cuda else amd_gpus(root)
    driver = _nvidia_module(root) if cuda else amd_driver(root)
    if driver is None or isinstance(driver, NotSeen) or isinstance(gpus, NotSeen):
        return None
    return ", ".join([driver, *(f"{gpu.uuid} {gpu.model}" for gpu in gpus)])


def nvidia_gpus(root: Path = ROOT) -> list[Gpu] | NotSeen:
    """NVIDIA's GPUs in the order of their tool; by the driver's own files where the tool does not answer."""
    rows = nvidia_table()
    if rows:
        return [Gpu(row["uuid"], row["name"], row["memory.total"]) for row in rows]
    return _nvidia_files(root) or NotSeen(
        "no GPU of NVIDIA is to be seen: nvidia-smi names none, nor does /proc"
    )


def _nvidia_files(root: Path) -> list[Gpu]:
    found = []
    for file in sorted(root.glob("proc/driver/nvidia/gpus/*/information")):
        lines = dict(re.findall(r"^([^:\n]+):[ \t]*(.*?)[ \t]*$", text_of(str(file)), re.M))
        if lines.get("Model"):
            found.append(Gpu(lines.get("GPU UUID", ""), lines["Model"]))
    return found


def nvidia_table() -> list[dict[str, str]]:
    """What nvidia-smi says of each GPU, by the names of QUERY; empty where there is no tool or it fails."""
    lines = lines_of("nvidia-smi", f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader")
    rows = csv.reader(lines, skipinitialspace=True)
    return [dict(zip(QUERY, row, strict=True)) for row in rows if len(row) == len(QUERY)]


def nvidia_driver(root: Path = ROOT) -> str | NotSeen:
    """The version of NVIDIA's kernel module."""
    if version := _nvidia_module(root):
        return version
    versions = {row["driver_version"] for row in nvidia_table()}
    return versions.pop() if len(versions) == 1 else NotSeen("no driver of NVIDIA is loaded here")


def _nvidia_module(root: Path) -> str | None:
    if said := text_of(str(root / "sys/module/nvidia/version")).strip():
        return said
    found = _NVIDIA_DRIVER.search(text_of(str(root / "proc/driver/nvidia/version")))
    return found.group(1) if found else None


def cuda_of_driver() -> str | NotSeen:
    """The newest CUDA that the driver serves, by nvidia-smi: --version, or the top of its page (before R550)."""
    for words in (("nvidia-smi", "--version"), ("nvidia-smi",)):
        found = re.search(r"CUDA (?:UMD )?Version\s*:\s*(\d[\d.]*)", "\n".join(lines_of(*words)))
        if found:
            return f"CUDA {found.group(1)}"
    return NotSeen("nvidia-smi does not say which CUDA its driver serves")


def amd_gpus(root: Path = ROOT) -> list[Gpu] | NotSeen:
    """AMD's GPUs in the order of HIP, by the kernel's topology."""
    found = []
    nodes = root.glob("sys/class/kfd/kfd/topology/nodes/*")
    for node in sorted((node for node in nodes if node.name.isdigit()), key=lambda n: int(n.name)):
        lines = re.findall(r"^(\w+) (\d+)$", text_of(str(node / "properties")), re.M)
        is_ = {name: int(value) for name, value in lines}
        if is_.get("gfx_target_version"):
            device = root / f"sys/class/drm/renderD{is_.get('drm_render_minor', 0)}/device"
            found.append(Gpu(f"GPU-{is_.get('unique_id', 0):016x}", _amd_model(is_, device)))
    return found or NotSeen("no GPU of AMD is to be seen under /sys/class/kfd")


def _amd_model(is_: Mapping[str, int], device: Path) -> str:
    """gfx942, device 0x74a1, 304 CUs, 8 XCCs, SPX/NPS1: what tells an MI300X from an MI325X, and its modes apart."""
    version = is_["gfx_target_version"]
    major, minor, step = version // 10000, version // 100 % 100, version % 100
    parts = [f"gfx{major}{minor:x}{step:x}", f"device {is_.get('device_id', 0):#06x}"]
    if is_.get("simd_per_cu"):
        parts.append(f"{is_.get('simd_count', 0) // is_['simd_per_cu']} CUs")
    if is_.get("num_xcc"):
        parts.append(f"{is_['num_xcc']} XCCs")
    modes = [
        text_of(str(device / f"current_{kind}_partition")).strip() for kind in ("compute", "memory")
    ]
    if all(modes):
        parts.append("/".join(modes))
    product = text_of(str(device / "product_name")).strip()
    return ", ".join([*([product] if product else []), *parts])


def amd_driver(root: Path = ROOT) -> str | NotSeen:
    """The version of amdgpu; the kernel's own has none but the kernel's."""
    if version := text_of(str(root / "sys/module/amdgpu/version")).strip():
        return version
    if (root / "sys/module/amdgpu").is_dir():
        return f"of kernel {platform.release()}"
    return NotSeen("amdgpu is not loaded here")


def cpu_model(root: Path = ROOT) -> str | NotSeen:
    """The CPU's model and how many the host has: `AMD EPYC 9654 x 192`."""
    name = cpu_name(root)
    return NotSeen("/proc/cpuinfo names no model") if name is None else f"{name} x {cpu_count()}"


def cpu_name(root: Path = ROOT) -> str | None:
    """The model that the kernel names; of Arm, which has no name there, its numbers."""
    lines = dict(
        re.findall(
            r"^([^:\n]+?)[ \t]*:[ \t]*(.*?)[ \t]*$", text_of(str(root / "proc/cpuinfo")), re.M
        )
    )
    if name := lines.get("model name"):
        return str(name)
    numbers = [lines.get(f"CPU {part}") for part in ("implementer", "part", "revision")]
    return " ".join(["Arm", *map(str, numbers)]) if all(numbers) else None


def lines_of(*words: str) -> list[str]:
    """Lines that a tool writes; none where it is not installed, fails or says nothing."""
    if shutil.which(words[0]) is None:
        return []
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    if done.returncode != 0:
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
