"""The machine that a session ran on, for provenance."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from ablation.build.host import cpu_name, lines_of, nvidia_table
from ablation.session.environment import VISIBLE_DEVICES


@cache
def describe_hardware() -> dict[str, Any]:
    """CPU, memory, GPUs, kernel, and an opaque id that tells two hosts apart without naming them."""
    return {
        "host": _host_id(),
        "cpu": cpu_name() or platform.processor() or "unknown",
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


def _gpus() -> list[str]:
    """One line a GPU from whichever vendor's tool is installed; empty where there is none."""
    rows = [(row["name"], row["driver_version"], row["memory.total"]) for row in nvidia_table()]
    return [", ".join(row) for row in rows] or lines_of(
        "rocm-smi", "--showproductname", "--showdriverversion", "--csv"
    )


def _gpu_ids() -> list[str]:
    """Opaque ids of the GPUs: two machines made from one image differ in these when not in their names."""
    lines = [row["uuid"] for row in nvidia_table()] or lines_of(
        "rocm-smi", "--showuniqueid", "--csv"
    )
    return [
        hashlib.sha256(line.encode()).hexdigest()[:8]
        for line in lines
        if not line.lower().startswith(("device", "warning"))
    ]
