"""What is noted of a machine, with its vendor's tool in place."""

import os

from ablation.session import hardware
from tests.build.drivers import nvidia_smi
from tests.build.sites import write

# The table's head and a row, as rocm-smi of ROCm 6 and 7 prints them.
ROCM_SMI = """#!/bin/sh
case "$*" in
*uniqueid*) printf 'device,Unique ID\\ncard0,0x3cbe002bd3b6313d\\ncard1,0xb35c5ae7fb53df90\\n' ;;
*) cat <<'END'
device,Card Series,Card Model,Card Vendor,Card SKU,Subsystem ID,Device Rev,Node ID,GUID,GFX Version
card0,AMD Radeon AI PRO R9700,0x7551,Advanced Micro Devices Inc. [AMD/ATI],APM107573,0x5413,0xc0,1,27203,gfx1201
END
esac
"""


def described(monkeypatch, folder):
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return hardware.describe_hardware.__wrapped__()


def test_two_gpus_of_one_name_are_told_apart_without_their_numbers(monkeypatch, tmp_path):
    nvidia_smi(tmp_path, ["NVIDIA H100 80GB HBM3"] * 2)
    found = described(monkeypatch, tmp_path)
    assert found["gpus"] == ["NVIDIA H100 80GB HBM3, 580.159.04, 81559 MiB"] * 2
    assert len(set(found["gpu_ids"])) == 2
    assert "ce473f7" not in str(found)


def test_of_amd_the_lines_of_its_tool(monkeypatch, tmp_path):
    write(tmp_path / "rocm-smi", ROCM_SMI).chmod(0o755)
    found = described(monkeypatch, tmp_path)
    assert found["gpus"][1].startswith("card0,AMD Radeon AI PRO R9700,0x7551,")
    assert len(set(found["gpu_ids"])) == 2


def test_a_tool_that_fails_is_no_gpu(monkeypatch, tmp_path):
    write(tmp_path / "nvidia-smi", "#!/bin/sh\nexit 9\n").chmod(0o755)
    found = described(monkeypatch, tmp_path)
    assert found["gpus"] == found["gpu_ids"] == []
    assert found["cpus"] == os.cpu_count()
