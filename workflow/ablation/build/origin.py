"""Where installed code comes from: its own word, its version, the checkout that it stands in; libraries beside it.

Standard library of Python 3.8 and later, nothing of this workflow: build/fingerprint.py takes it along into the
server's Python.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from ablation.build.files import content, digest_of, pack, text_of

# vllm/_version.py (setuptools-scm) and torch/version.py say these; flash-infer and quark use others of them.
COMMIT = re.compile(
    r"^_*(?:commit_id|git_version|git_commit|git_hash|git_sha|commit)_*\b[^=\n]*="
    r"[^'\"\n]*['\"]g?([0-9a-f]{7,40})",
    re.M,
)
VERSION = re.compile(r"^(?:__version__|version)\b[^=\n]*=[^'\"\n]*['\"]([^'\"\n]+)", re.M)
BUILT_FOR = re.compile(r"^(hip|cuda|xpu)\b[^=\n]*=\s*['\"]([^'\"\n]+)", re.M)
VERSION_FILES = ("_version.py", "version.py", "_build_meta.py", "commit_id.py", "__init__.py")
COMPILERS = {"hip": "HIP", "cuda": "CUDA", "xpu": "XPU"}
# What serves a model on ROCm: the run time, its compiler, GEMM, convolution and collective libraries.
ROCM_LIBRARIES = [
    "amdhip64",
    "hsa-runtime64",
    "amd_comgr",
    "hipblaslt",
    "rocblas",
    "MIOpen",
    "rccl",
]
TREE_LEVELS = 2  # a module lies at most so deep in its checkout: triton/python/triton


def own_words(root: str | None) -> tuple[str | None, str | None, str | None]:
    """(commit, what it was built for, version) by the files in which a package says them."""
    commit = version = built = None
    for name in VERSION_FILES if root is not None and os.path.isdir(root) else ():
        text = text_of(os.path.join(root or "", name))[:20_000]
        commit = commit or next(iter(COMMIT.findall(text)), None)
        version = version or next(iter(VERSION.findall(text)), None)
        if name == "version.py":
            built = ", ".join(f"{COMPILERS[kind]} {of}" for kind, of in BUILT_FOR.findall(text))
    return commit, built or None, version


def in_version(version: str | None) -> str | None:
    """The commit in a version such as 0.14.1rc2.dev7+g1a2b3c4d5, 3.5.1+gitbfeb0668 or 2.1.1+c9f8b34."""
    local = (version or "").partition("+")[2]
    found = re.search(r"(?:^|\.)(?:g|git)?([0-9a-f]{7,40})(?:\.|$)", local)
    # Digits alone are a date.
    return found.group(1) if found and re.search("[a-f]", found.group(1)) else None


def checkout(root: str | None) -> str | None:
    """The commit that the source tree around a module stands at, without calling git; None where there is no tree."""
    folder = root or ""
    for _ in range(TREE_LEVELS if root else 0):
        folder = os.path.dirname(folder)
        if os.path.basename(folder) in ("site-packages", "dist-packages"):
            return None  # a virtual environment inside of somebody's checkout
        git = os.path.join(folder, ".git")
        if os.path.isfile(git):  # a worktree or a submodule: "gitdir: ..."
            git = os.path.join(folder, text_of(git).partition(":")[2].strip())
        head = text_of(os.path.join(git, "HEAD")).strip()
        if head:
            return _commit(head) or _branch(git, head.partition(":")[2].strip())
    return None


def _commit(text: str) -> str | None:
    return text if re.fullmatch("[0-9a-f]{40}", text) else None


def _branch(git: str, name: str) -> str | None:
    """The commit of a branch, loose or packed; a worktree's branches lie in the repository that it belongs to."""
    common = os.path.join(git, text_of(os.path.join(git, "commondir")).strip() or ".")
    for place in (git, common):
        if loose := _commit(text_of(os.path.join(place, name)).strip()):
            return loose
    packed = text_of(os.path.join(common, "packed-refs"))
    found = re.search(rf"^([0-9a-f]{{40}}) {re.escape(name)}$", packed, re.M)
    return found.group(1) if found else None


def libraries(torch: str | None) -> list[dict[str, Any]]:
    """ROCm and the CUDA toolkit where this process would find them; oneDNN by its header in torch's folder."""
    found = []
    rocm = os.environ.get("ROCM_PATH") or "/opt/rocm"
    if version := text_of(os.path.join(rocm, ".info", "version")).strip():
        files = {}
        for name in ROCM_LIBRARIES:
            file = os.path.realpath(os.path.join(rocm, "lib", f"lib{name}.so"))
            if os.path.isfile(file):
                # The file's name holds its version: libhipblaslt.so.1.0.70100.
                files[os.path.basename(file)] = content(file, os.stat(file).st_size)
        found.append(entry("ROCm", version, files))
    cuda = os.environ.get("CUDA_HOME") or "/usr/local/cuda"
    try:
        toolkit = json.loads(text_of(os.path.join(cuda, "version.json")))
        found.append(entry("CUDA toolkit", str(toolkit["cuda"]["version"]), {}))
    except (ValueError, KeyError, TypeError):
        pass
    if torch is not None:
        include = os.path.join(torch, "include", "oneapi", "dnnl")
        numbers = re.findall(
            r"#define DNNL_VERSION_(?:MAJOR|MINOR|PATCH)\s+(\d+)",
            text_of(os.path.join(include, "dnnl_version.h")),
        )
        if len(numbers) == 3:
            found.append(entry("oneDNN in torch", ".".join(numbers), {}))
    return found


def entry(name: str, version: str | None, files: dict[str, str], **more: Any) -> dict[str, Any]:
    """What the fingerprint says of one package or library."""
    return {
        "name": name,
        "distribution": None,
        "version": version,
        "commit": None,
        "built_for": None,
        "source": False,
        "files": len(files),
        "digest": digest_of(files),
        "changed": [],
        "tree": pack(files) if files else None,
        **more,
    }
