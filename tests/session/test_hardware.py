"""What is noted of a machine, with its vendor's tool in place."""

import os

from ablation.session import hardware

NVIDIA_SMI = """#!/bin/sh
case $1 in
*uuid*) echo GPU-6f1a; echo GPU-77b2 ;;
*) echo "NVIDIA H100 80GB HBM3, 580.159.04, 81559 MiB"; echo "NVIDIA H100 80GB HBM3, 580.159.04, 81559 MiB" ;;
esac
"""


def described(monkeypatch, tmp_path, tool: str, text: str):
    path = tmp_path / tool
    path.write_text(text)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return hardware.describe_hardware.__wrapped__()


def test_two_gpus_of_one_name_are_told_apart_without_their_numbers(monkeypatch, tmp_path):
    found = described(monkeypatch, tmp_path, "nvidia-smi", NVIDIA_SMI)
    assert found["gpus"] == ["NVIDIA H100 80GB HBM3, 580.159.04, 81559 MiB"] * 2
    assert len(set(found["gpu_ids"])) == 2
    assert "6f1a" not in str(found)


def test_a_tool_that_fails_is_no_gpu(monkeypatch, tmp_path):
    found = described(monkeypatch, tmp_path, "nvidia-smi", "#!/bin/sh\nexit 9\n")
    assert found["gpus"] == found["gpu_ids"] == []
    assert found["cpus"] == os.cpu_count()
