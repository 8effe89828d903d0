"""The files of drivers as kernels write them, under a folder of the test's own, and a nvidia-smi."""

import sys
from pathlib import Path

from tests.build.sites import write

# As read on an H100 with driver 580, but for the GPU's own number.
NVIDIA_VERSION = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {driver}  Release Build  (nixbld@)  \n"
    "GCC version:  gcc version 15.3.0 (GCC) \n"
)
NVIDIA_INFORMATION = (
    "Model: \t\t {name}\nIRQ:   \t\t 41\nGPU UUID: \t {uuid}\nVideo BIOS: \t 96.00.da.00.0c\n"
    "Bus Type: \t PCIe\nDMA Size: \t 52 bits\nDMA Mask: \t 0xfffffffffffff\nBus Location: \t 0000:00:06.0\n"
    "Device Minor: \t 0\nGPU Firmware: \t 580.159.04\nGPU Excluded:\t No\n"
)
SMI_VERSION = (
    "NVIDIA-SMI version  : {driver}\nNVML version        : 580.159\nDRIVER version      : {driver}\n"
    "CUDA Version        : {cuda}\n"
)
# Before R550 there is no --version; the page begins so.
SMI_PAGE = (
    "+-----------------------------------------------------------------------------------------+\n"
    "| NVIDIA-SMI {driver}             Driver Version: {driver}     CUDA Version: {cuda}     |\n"
)
_SMI = """#!{python}
import sys
table = {table!r}
if sys.argv[1:2] == ["--version"]:
    if {old!r}:
        sys.exit("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.")
    print({version!r}, end="")
elif len(sys.argv) == 1:
    print({page!r}, end="")
else:
    asked = [word for word in sys.argv if word.startswith("--query-gpu=")][0].partition("=")[2].split(",")
    assert sys.argv[-1] == "--format=csv,noheader"
    for row in table:
        print(", ".join(row[name] for name in asked))
"""
# Properties of an MI300X's node (the kernel's kfd_topology.c), out of their order and shortened.
MI300X = {
    "cpu_cores_count": 0,
    "simd_count": 1216,
    "simd_per_cu": 4,
    "gfx_target_version": 90402,
    "vendor_id": 4098,
    "device_id": 29857,
    "drm_render_minor": 128,
    "unique_id": 4376936076086227261,
    "num_xcc": 8,
}
CPU_NODE = {"cpu_cores_count": 96, "simd_count": 0, "gfx_target_version": 0, "device_id": 0}


def nvidia_files(root: Path, names: list[str], driver: str = "580.159.04") -> None:
    """What the kernel module shows of these GPUs."""
    write(root / "proc/driver/nvidia/version", NVIDIA_VERSION.format(driver=driver))
    for i, name in enumerate(names):
        text = NVIDIA_INFORMATION.format(name=name, uuid=f"GPU-{i}ce473f7-beed-6dc0-446d")
        write(root / f"proc/driver/nvidia/gpus/0000:{i:02x}:06.0/information", text)


def nvidia_smi(
    folder: Path,
    names: list[str],
    driver: str = "580.159.04",
    cuda: str = "13.0",
    *,
    old: bool = False,
) -> None:
    """A `nvidia-smi` in a folder, as far as it is asked here."""
    table = [
        {
            "index": str(i),
            "uuid": f"GPU-{i}ce473f7-beed-6dc0-446d",
            "name": name,
            "driver_version": driver,
            "memory.total": "81559 MiB",
        }
        for i, name in enumerate(names)
    ]
    text = _SMI.format(
        python=sys.executable,
        table=table,
        old=old,
        version=SMI_VERSION.format(driver=driver, cuda=cuda),
        page=SMI_PAGE.format(driver=driver, cuda=cuda),
    )
    write(folder / "nvidia-smi", text).chmod(0o755)


def amd_files(
    root: Path, gpus: list[dict[str, int]], driver: str | None = "6.12.12", modes: str = "SPX NPS1"
) -> None:
    """What the kernel's amdgpu shows of these GPUs, beside one node of a CPU."""
    (root / "sys/module/amdgpu").mkdir(parents=True, exist_ok=True)
    if driver is not None:
        write(root / "sys/module/amdgpu/version", f"{driver}\n")
    for node, properties in enumerate([CPU_NODE, *gpus]):
        lines = "".join(f"{name} {value}\n" for name, value in properties.items())
        write(root / f"sys/class/kfd/kfd/topology/nodes/{node}/properties", lines)
        device = root / f"sys/class/drm/renderD{properties.get('drm_render_minor', 0)}/device"
        for kind, mode in zip(("compute", "memory"), modes.split(), strict=True):
            write(device / f"current_{kind}_partition", f"{mode}\n")
