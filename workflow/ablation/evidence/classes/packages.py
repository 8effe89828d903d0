"""Packages that are missing, or that do not fit each other: whose, by path and name."""

from __future__ import annotations

from ablation.evidence.classes.family import FailureClass
from ablation.evidence.classes.family import failure_class as _class

PACKAGES: tuple[FailureClass, ...] = (
    _class(
        "aiter-module",
        r"No module named '?(aiter[\w.]*)|No package metadata was found for (?:amd-)?aiter",
        "AITER is not installed, or its built modules do not fit",
        "install the AITER that fits this ROCm and PyTorch, or empty AITER_JIT_DIR so that the "
        "modules are built again",
    ),
    _class(
        "aiter-module",
        r"undefined symbol|cannot import name|cannot open shared object file"
        r"|version `\S+' not found|ImportError",
        "AITER is not installed, or its built modules do not fit",
        "install the AITER that fits this ROCm and PyTorch, or empty AITER_JIT_DIR so that the "
        "modules are built again; vLLM itself is well",
        where=(
            r"/(?:aiter|aiter_meta|\.aiter)/\S*\.so|\bmodule_\w+\.so|from 'aiter"
            r"|No module named '?aiter"
        ),
    ),
    _class(
        "no-vllm",
        r"No module named '?vllm'?$|No package metadata was found for vllm",
        "this Python has no vLLM",
        "server.python must name a Python that has it",
    ),
    _class(
        "broken-install",
        r"operator torchvision::nms does not exist|cannot open shared object file"
        r"|undefined symbol|version `\S+' not found"
        r"|ModuleNotFoundError: (No module named \S+)|ImportError: (cannot import .*)"
        r"|ImportError|DLL load failed|PackageNotFoundError"
        r"|incompatible with (?:the )?(?:installed|PyTorch)",
        "a package that vLLM needs is missing or does not fit",
        "install vLLM again, in an environment of its own",
    ),
)
