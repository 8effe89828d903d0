"""What vLLM a Python has, found without importing it (an import takes seconds and may touch the GPU)."""

from __future__ import annotations

import difflib
import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from ablation.places import model_path
from ablation.study.load import StudyError

# Runs in the server's Python. find_spec of a top-level package does not execute it.
_FIND = """
import importlib.util, json, pathlib, sys
spec = importlib.util.find_spec("vllm")
folder = pathlib.Path(spec.origin).parent if spec and spec.origin else None
read = lambda name: (folder / name).read_text() if folder and (folder / name).exists() else ""
print(json.dumps({"python": sys.version.split()[0], "folder": str(folder or ""),
                  "version": read("_version.py"), "envs": read("envs.py")}))
"""


@dataclass(frozen=True)
class Installation:
    """vLLM as installed: its version and the VLLM_* variables that it knows."""

    python_version: str
    vllm: str
    variables: frozenset[str]


def find_installation(python: str | Sequence[str]) -> Installation:
    """Look for vLLM in a Python, or in that of an image (the words before its arguments).

    Raises StudyError with the remedy where there is none.
    """
    words = [python] if isinstance(python, str) else list(python)
    python = " ".join(words)
    try:
        done = subprocess.run(
            [*words, "-c", _FIND], capture_output=True, text=True, timeout=300, check=False
        )
    except OSError as error:
        raise StudyError(
            f"server.python: {python}: {error.strerror}; run `make setup`, or name a Python that has vLLM"
        ) from error
    if done.returncode != 0:
        raise StudyError(f"server.python: {python}: cannot run: {done.stderr.strip()[-300:]}")
    try:
        # The last line: a script around Python may have greeted before.
        found = json.loads(done.stdout.strip().rpartition("\n")[2])
    except ValueError as error:
        raise StudyError(
            f"server.python: {python}: asked for its vLLM, it wrote {done.stdout.strip()[-200:]!r}; name a Python, "
            "or a script that runs one with the arguments that it is given"
        ) from error
    version = re.search(
        r"^(?:__version__|version)\b.*?=\s*['\"]([^'\"]+)['\"]", found["version"], re.M
    )
    if not found["folder"] or version is None:
        raise StudyError(
            f"server.python: {python} has no vLLM; run `make setup`, or name a Python that has it"
        )
    variables = frozenset(re.findall(r"[\"'](VLLM_[A-Z0-9_]+)[\"']", found["envs"]))
    return Installation(found["python"], version.group(1), variables)


def check_version(installed: str, wanted: str, where: str) -> None:
    """Refuse another version than the study's: its measurements would be filed under the wrong name.

    A local label counts only where the study states one: 0.32.0 accepts 0.32.0+cpu. Raises StudyError.
    """
    try:
        have, want = Version(installed), Version(wanted)
    except InvalidVersion as error:
        raise StudyError(f"server.vllm: {error}") from error
    same = have == want if want.local else have.public == want.public
    if not same:
        raise StudyError(
            f"server.vllm: the study is for vLLM {wanted}, {where} has {installed}; "
            f"install that version, or set server.vllm to {installed} (all runs are then measured again)"
        )


def check_variables(environments: Mapping[str, Iterable[str]], installation: Installation) -> None:
    """Refuse VLLM_* variables that this vLLM does not know: it would only warn, and the treatment not happen.

    `environments` maps where they stand (for the message) to names. Raises StudyError naming all of them.
    """
    faults = []
    for where, names in environments.items():
        for name in names:
            if name.startswith("VLLM_") and name not in installation.variables:
                near = difflib.get_close_matches(name, installation.variables, n=1, cutoff=0.7)
                hint = f"; did you mean {near[0]}?" if near else ""
                faults.append(
                    f"{where}: {name}: vLLM {installation.vllm} does not know this variable{hint}"
                )
    if faults:
        raise StudyError("\n".join(sorted(set(faults))))


def check_model(location: str, generated: bool, where: str) -> None:
    """Refuse a model folder that is not there. A hub name (`owner/name`) cannot be checked from here."""
    folder = model_path(location)
    if folder is None or generated or (folder.suffix == ".gguf" and folder.is_file()):
        return
    if not (folder / "config.json").is_file():
        raise StudyError(
            f"{where}: {location}: no config.json there; give the folder of a model, or a hub name"
        )
