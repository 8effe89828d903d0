"""Architectures as the support catalogue and drivers call them: `gfx942`, `sm_90`, `x86_64`.

The catalogue compares them letter by letter: a typo would make all that it knows of a GPU not hold, and schedule pairs
that are known to crash.
"""

from __future__ import annotations

import difflib
import re

# Of the gfx9 family all that there are (LLVM, "User Guide for AMDGPU Backend", Processors); later families grow.
GFX9 = (
    *("gfx900", "gfx902", "gfx904", "gfx906", "gfx908", "gfx909", "gfx90a", "gfx90c"),
    *("gfx940", "gfx941", "gfx942", "gfx950"),
)
_LATER_GFX = re.compile(r"gfx1[0-9][0-9a-f]{2}")
_SM = re.compile(r"sm_[0-9]{2,3}")
# What `uname -m` prints on the machines that vLLM has CPU kernels for, or is built on.
CPUS = ("x86_64", "aarch64", "arm64", "ppc64le", "s390x", "riscv64")
_OTHER_WORDS = {"amd64": "x86_64", "x86-64": "x86_64", "x64": "x86_64"}


def check_architecture(name: str, platform: str) -> None:
    """Refuse what no device of the platform (cpu, rocm, cuda) is called. Raises ValueError with the remedy."""
    if _is_right(name, platform):
        return
    others = [other for other in ("rocm", "cuda", "cpu") if _is_right(name, other)]
    if others:
        raise ValueError(
            f"{name!r} is an architecture of platform {others[0]}, and platform is {platform}; correct one of them"
        )
    near = _nearest(name.strip().lower(), platform)
    known = {
        "rocm": "such as gfx942 or gfx950 (`rocminfo | grep gfx`)",
        "cuda": "such as sm_90 (`nvidia-smi --query-gpu=compute_cap --format=csv`: 9.0 is sm_90)",
        "cpu": f"one of {', '.join(CPUS)} (`uname -m`)",
    }[platform]
    hint = f"did you mean {near!r}? " if near else ""
    raise ValueError(
        f"{name!r} is no architecture of platform {platform}; {hint}they are called {known}"
    )


def _is_right(name: str, platform: str) -> bool:
    if platform == "rocm":
        return name in GFX9 or _LATER_GFX.fullmatch(name) is not None
    return name in CPUS if platform == "cpu" else _SM.fullmatch(name) is not None


def _nearest(name: str, platform: str) -> str | None:
    """The name that was meant: without the flags that a compiler adds, with the number in its usual form."""
    if platform == "cuda":
        number = re.fullmatch(r"(?:sm_?|compute_)?([0-9]{1,2})\.?([0-9])[af]?", name)
        return f"sm_{number[1]}{number[2]}" if number else None
    if platform == "cpu":
        return _OTHER_WORDS.get(name) or next(
            iter(difflib.get_close_matches(name, CPUS, n=1)), None
        )
    bare = name.split(":")[0]  # gfx942:sramecc+:xnack-
    if _is_right(bare, platform):
        return bare
    return next(iter(difflib.get_close_matches(bare, GFX9, n=1)), None)
