"""The machine that a session ran on, for provenance."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from ablation.session.environment import VISIBLE_DEVICES


@cache
def describe_hardware() -> dict[str, Any]:
    """CPU, memory, GPUs, kernel, and an opaque id that tells two hosts apart without naming them."""
    return {
        "host": _host_id(),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "gpus": _gpus(),
        "gpu_ids": _gpu_ids(),
    }


def visible_devices(shell: Mapping[str, str]) -> dict[str, str]:
    """The shell's variables that choose among the host's GPUs, and are handed to the server."""
    return {name: shell[name] for name in VISIBLE_DEVICES if name in shell}


def _host_id() -> str:
    machine = Path("/etc/machine-id")
    text = machine.read_text(encoding="ascii").strip() if machine.is_file() else ""
    return hashlib.sha256(f"{text}/{platform.node()}".encode()).hexdigest()[:8]


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _gpus() -> list[str]:
    """One line a GPU from whichever vendor's tool is installed; empty where there is none."""
    return _first_answer(
        ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"],
        ["rocm-smi", "--showproductname", "--showdriverversion", "--csv"],
    )


def _gpu_ids() -> list[str]:
    """Opaque ids of the GPUs: two machines made from one image differ in these when not in their names."""
    lines = _first_answer(
        ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"],
        ["rocm-smi", "--showuniqueid", "--csv"],
    )
    return [
        hashlib.sha256(line.encode()).hexdigest()[:8]
        for line in lines
        if not line.lower().startswith(("device", "warning"))
    ]


def _first_answer(*tools: list[str]) -> list[str]:
    """Lines of the first tool that is installed and answers; none where there is none."""
    for tool in tools:
        if shutil.which(tool[0]):
            try:
                done = subprocess.run(tool, capture_output=True, text=True, timeout=30, check=False)
            except (OSError, subprocess.TimeoutExpired):
                continue
            lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
            if done.returncode == 0 and lines:
                return lines
    return []
