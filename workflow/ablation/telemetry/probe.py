"""Which way of reading works here: all are tried in order, and each that does not work says why."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from ablation.telemetry.amd import AmdReader
from ablation.telemetry.nvidia_smi import NvidiaSmiReader
from ablation.telemetry.nvml import NvmlReader
from ablation.telemetry.rapl import RaplReader
from ablation.telemetry.reading import NotObserved, Reader

# ROCm puts amdsmi where no Python looks for it.
ROCM_AMDSMI = Path("/opt/rocm/share/amd_smi/amdsmi/__init__.py")
# Runs in the server's Python: where are these, without importing them?
_FIND = """
import importlib.util, json, sys
found = {}
for name in sys.argv[1:]:
    spec = importlib.util.find_spec(name)
    found[name] = spec.origin if spec and spec.origin else None
print(json.dumps(found))
"""
_PATIENCE_S = 20.0


@dataclass(frozen=True)
class Request:
    """What is to be read, as the session says it.

    platform     cuda, rocm or cpu
    gpus         how many the server uses
    visible      the *_VISIBLE_DEVICES variables of the server's environment
    python       the server's Python, whose packages may have what this one lacks
    pythonpath   that Python's PYTHONPATH
    """

    platform: str
    gpus: int
    period_s: float
    visible: dict[str, str] = field(default_factory=dict)
    python: str | None = None
    pythonpath: str | None = None


@dataclass
class Found:
    """The reader, or None; `tried` has a sentence for each way that does not work here."""

    reader: Reader | None = None
    tried: list[str] = field(default_factory=list)


def probe(request: Request) -> Found:
    """Take the first way that works."""
    found = Found()
    for way, make in _ways(request, found.tried):
        try:
            found.reader = make()
            return found
        except NotObserved as why:
            found.tried.append(f"{way}: {why}")
        except Exception as error:  # a library of another make must never cost a launch
            found.tried.append(f"{way}: {type(error).__name__}: {error}")
    return found


def _ways(request: Request, tried: list[str]) -> Iterator[tuple[str, Callable[[], Reader]]]:
    if request.platform == "cuda" and request.gpus:
        for label, path in _modules(request, ("pynvml", "vllm"), tried):
            yield label, _nvml(request, label, path)
        yield (
            "nvidia-smi",
            lambda: NvidiaSmiReader(request.visible, request.gpus, request.period_s),
        )
    elif request.platform == "rocm" and request.gpus:
        for label, path in _modules(request, ("amdsmi",), tried):
            yield label, _amd(request, label, path)
        if ROCM_AMDSMI.is_file():
            yield "ROCm's amdsmi", _amd(request, "ROCm's amdsmi", ROCM_AMDSMI)
    else:
        yield "RAPL", RaplReader


def _nvml(request: Request, label: str, path: Path) -> Callable[[], Reader]:
    return lambda: NvmlReader(load(path), label, request.visible, request.gpus)


def _amd(request: Request, label: str, path: Path) -> Callable[[], Reader]:
    return lambda: AmdReader(load(path), label, request.visible, request.gpus)


def _modules(
    request: Request, names: tuple[str, ...], tried: list[str]
) -> Iterator[tuple[str, Path]]:
    """(what it is, file) of the modules that may do, this Python's before the server's."""
    seen: set[Path] = set()
    places: list[tuple[str, Callable[[], Mapping[str, str | None]]]] = [
        ("this Python's", lambda: {name: _origin(name) for name in names})
    ]
    if request.python is not None:
        places.append(("the server's", lambda: _origins_of(request, names)))
    for whose, look in places:
        try:
            origins = look()
        except NotObserved as why:
            tried.append(f"{whose} packages: {why}")
            continue
        for name in names:
            origin = origins.get(name)
            path = Path(origin) if origin else None
            if path is not None and name == "vllm":
                # By its file: importing the package vllm would import torch.
                path = path.parent / "third_party" / "pynvml.py"
            label = f"{whose} {'vllm.third_party.pynvml' if name == 'vllm' else name}"
            if path is None or not path.is_file():
                tried.append(f"{label}: not installed")
            elif path not in seen:
                seen.add(path)
                yield label, path


def _origin(name: str) -> str | None:
    spec = importlib.util.find_spec(name)
    return spec.origin if spec else None


def _origins_of(request: Request, names: tuple[str, ...]) -> dict[str, str | None]:
    assert request.python is not None
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    if request.pythonpath is not None:
        env["PYTHONPATH"] = request.pythonpath
    try:
        done = subprocess.run(
            [request.python, "-c", _FIND, *names],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            env=env,
            check=False,
        )
        found: dict[str, str | None] = json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise NotObserved(f"the server's Python does not say: {error}") from error
    return found


def load(path: Path) -> ModuleType:
    """Import a module or package by its file, whatever Python it was installed for (it must be pure Python)."""
    package = path.name == "__init__.py"
    name = path.parent.name if package else path.stem
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)] if package else None
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
