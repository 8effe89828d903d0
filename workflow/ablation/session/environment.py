"""The environment that a server gets: what the study says, and nothing by accident.

A VLLM_* variable left over in somebody's shell must not reach one arm and not the other, or both, unseen. So
only what a process needs to run at all is handed on, beside the study's own variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ablation.study.secrets import hides, texts_of

HIDDEN = "***"

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


def secrets(
    shell: Mapping[str, str], handed_on: Iterable[str], keys: Iterable[str] = ()
) -> list[str]:
    """Texts that must not stand in any file, longest first so that no part of one survives.

    Of the variables `handed_on` those whose values can be secrets (ablation.study.secrets); `keys` are secrets whatever
    they are called.
    """
    hidden = [shell[name] for name in handed_on if hides(name, shell.get(name, ""))]
    hidden += [shell[name] for name in keys if hides(name, shell.get(name, ""), declared=True)]
    texts = {part for value in hidden for part in texts_of(value)}
    return sorted(texts, key=lambda text: (-len(text), text))


def scrub(text: str, values: Sequence[str]) -> str:
    """`text` without the secret values."""
    for value in values:
        text = text.replace(value, HIDDEN)
    return text


def scrubbed(record: Any, values: Sequence[str]) -> Any:
    """A record as it goes into JSON, with the secret values taken out of every text in it."""
    if isinstance(record, str):
        return scrub(record, values)
    if isinstance(record, Mapping):
        return {name: scrubbed(value, values) for name, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [scrubbed(value, values) for value in record]
    return record


def scrub_error(error: BaseException | None, values: Sequence[str]) -> None:
    """Take the secret values out of an error and out of those behind it: its message goes to terminal and log."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.args = tuple(scrub(a, values) if isinstance(a, str) else a for a in error.args)
        error = error.__cause__ or error.__context__
