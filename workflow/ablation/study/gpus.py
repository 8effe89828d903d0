"""What a GPU has: memory, bandwidth, dense peaks and power, from `config/gpus.yaml`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from pydantic import Field

from ablation.places import here_or_home
from ablation.study.fields import Strict
from ablation.study.load import read_yaml, validate

TABLE = "config/gpus.yaml"


class Gpu(Strict):
    """One device, as its maker states it."""

    name: str = Field(description="Name, as in `hardware.gpu` of a study.")
    reported: list[str] = Field(
        default=[],
        description="Parts of the name by which drivers report it; upper and lower case are the same.",
    )
    architecture: str = Field(description="`gfx942`, `gfx950`, `sm_90` ...")
    memory_gib: float = Field(gt=0, description="Memory in GiB.")
    bandwidth_tb_s: float = Field(
        gt=0, description="Peak memory bandwidth in TB/s (10^12 bytes a second)."
    )
    bf16_tflops: float = Field(gt=0, description="Dense BF16 peak in TFLOP/s, without sparsity.")
    fp8_tflops: float | None = Field(
        default=None, gt=0, description="Dense FP8 peak; absent where the GPU has no FP8 units."
    )
    power_w: float = Field(gt=0, description="Board power limit in W.")
    source: str = Field(min_length=5, description="Who says so.")


class Gpus(Strict):
    """config/gpus.yaml."""

    gpus: list[Gpu] = Field(min_length=1)


def read_gpus(path: Path | None = None) -> tuple[Gpu, ...]:
    """The table of GPUs: `config/gpus.yaml` of the working folder, or the workflow's. Raises StudyError."""
    return _read(path or here_or_home(TABLE))


def find_gpu(name: str | None, gpus: tuple[Gpu, ...] | None = None) -> Gpu | None:
    """The GPU of a study's `hardware.gpu` or of a driver's report ("NVIDIA H100 80GB HBM3"), or None.

    Compared by words: a name stands for a GPU when it holds all words of the GPU's name, or one of the
    parts by which drivers report it. Of several the one with the most words is taken.
    """
    if not name:
        return None
    found: list[tuple[int, Gpu]] = []
    for gpu in read_gpus() if gpus is None else gpus:
        for pattern in (gpu.name, *gpu.reported):
            if _words(pattern) <= _words(name):
                found.append((len(_words(pattern)), gpu))
    return max(found, key=lambda match: match[0])[1] if found else None


@cache
def _read(path: Path) -> tuple[Gpu, ...]:
    return tuple(validate(Gpus, read_yaml(path), str(path)).gpus)


def _words(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", name.lower()))
