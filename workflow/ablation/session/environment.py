"""The environment that a server gets: what the study says, and nothing by accident.

A VLLM_* variable left over in somebody's shell must not reach one arm and not the other, or both, unseen. So
only what a process needs to run at all is handed on, beside the study's own variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Which of the host's GPUs a process sees.
VISIBLE_DEVICES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")

# What finds programs, libraries, homes, caches and devices. Never a VLLM_*, OMP_*, ONEDNN_* or PYTHON* variable.
HANDED_ON = (
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "XDG_CACHE_HOME",
    "HF_HOME",
    "HF_HUB_CACHE",
    "SSL_CERT_FILE",
    "ROCM_PATH",
    "CUDA_HOME",
    *VISIBLE_DEVICES,
)


def server_environment(
    shell: Mapping[str, str], study: Mapping[str, str], pass_env: Sequence[str]
) -> dict[str, str]:
    """The server's environment: a few of the shell's variables, the study's, and the named secrets.

    A name in `pass_env` that the shell lacks is left out.
    """
    environment = {name: shell[name] for name in HANDED_ON if name in shell}
    environment |= study
    environment |= {name: shell[name] for name in pass_env if name in shell}
    return environment


def secrets(shell: Mapping[str, str], pass_env: Sequence[str]) -> list[str]:
    """Values that must not stand in any file, longest first so that no part of one survives."""
    return sorted((shell[n] for n in pass_env if shell.get(n)), key=len, reverse=True)


def scrub(text: str, values: Sequence[str]) -> str:
    """`text` without the secret values."""
    for value in values:
        text = text.replace(value, "***")
    return text
