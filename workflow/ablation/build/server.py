"""What serves: the packages of the server's Python or image, of the reference server, of an endpoint."""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ablation
from ablation.build import files, fingerprint, origin
from ablation.build.packages import as_question
from ablation.build.parts import NotSeen, Package, Server, package_from

PATIENCE_S = 300.0  # a Python on a cold network disk; seconds where its files were read before
# Stands for this workflow's package in the server's Python, which has no such package: the three modules, in the order
# in which they need each other, and no file of theirs.
_BOOT = """
import json, sys, types
asked = json.loads(sys.argv[1])
for name, source in asked["modules"]:
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    exec(compile(source, name, "exec"), module.__dict__)
sys.modules["ablation.build.fingerprint"].main(asked["question"])
"""
# Lines of a .pth file that run code and bring no packages.
_HARMLESS = ("distutils-precedence.pth", "_virtualenv.pth")


def server_of(
    python: Sequence[str],
    environment: Mapping[str, str],
    *,
    here: str = "",
    image: str | None = None,
) -> Server | NotSeen:
    """Packages of a Python, by its own account; takes as long as reading vLLM's and AITER's sources.

    `python` are the words before its arguments: a path, or those that call the Python of an image whose digest is
    `image` (`python_in` of session/container.py). `environment` is the server's, of a container that of its program.
    `here` is the folder that a process is started in: `-m` looks there first. It never raises for what it finds.
    """
    answer = _ask(python, environment, here, "full")
    if isinstance(answer, NotSeen):
        return answer
    try:
        packages = tuple(_package(row) for row in answer["packages"])
        return Server(str(answer["python"]), packages, image)
    except (KeyError, TypeError, ValueError) as problem:
        return NotSeen(f"{' '.join(python)}: answered what cannot be read: {problem}")


def quick_server(
    python: Sequence[str], environment: Mapping[str, str], *, here: str = ""
) -> str | None:
    """16 digits that are other ones whenever `server_of` may be, from names, sizes and times of files.

    A virtual environment is looked at by its path, any other Python is started. None where it cannot be told; then, and
    with other digits than before, `server_of` says whether anything changed.
    """
    path = search_path(python[0], environment, here) if len(python) == 1 else None
    if path is not None:
        importlib.invalidate_caches()
        return fingerprint.quick(
            as_question(), path, lambda name: importlib.machinery.PathFinder.find_spec(name, path)
        )
    answer = _ask(python, environment, here, "quick")
    return None if isinstance(answer, NotSeen) else answer.get("quick")


def reference_server() -> Server:
    """The simulated server: its own code is its build."""
    room = Path(ablation.__file__).parent / "reference"
    row = {"name": "ablation.reference", "module": "reference", "depth": "content"}
    found = fingerprint.package(row, [], str(room))
    return Server(
        platform.python_version(), (_package({**found, "version": ablation.__version__}),)
    )


def endpoint_server(version: str) -> Server:
    """What an endpoint says of itself at /version; `version` is empty where it says nothing."""
    why = NotSeen("the endpoint was launched by someone else and shows no more than its version")
    if not version:
        return Server(why, NotSeen("the endpoint does not say its version"))
    return Server(why, (Package("vllm", None, version, None, None, False, 0, why),))


def search_path(python: str, environment: Mapping[str, str], here: str = "") -> list[str] | None:
    """Where a virtual environment's Python looks for packages, without starting it; None where that cannot be told.

    It can be told of no other Python, nor where a .pth file runs code: an editable install of today.
    """
    program = shutil.which(python, path=environment.get("PATH"))
    if program is None:
        return None
    prefix = Path(program).absolute().parent.parent
    try:
        settings = (prefix / "pyvenv.cfg").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    if "include-system-site-packages = true" in settings.lower():
        return None
    # Of lib and lib64, which are one folder under two names, the name that Python has on its path.
    sites = sorted(prefix.glob("lib*/python3*/site-packages"))
    if len({site.resolve() for site in sites}) != 1:
        return None
    site = str(sites[0])
    found = [part for part in environment.get("PYTHONPATH", "").split(":") if part]
    found = [*([here] if here else []), *found, site]
    for file in sorted(Path(site).glob("*.pth")):
        if file.name in _HARMLESS:
            continue
        for line in files.text_of(str(file)).splitlines():
            if line.startswith(("import ", "import\t")):
                return None
            if line.strip() and not line.startswith("#"):
                found.append(str(Path(site, line.strip())))
    return found


def _ask(
    python: Sequence[str], environment: Mapping[str, str], here: str, level: str
) -> dict[str, Any] | NotSeen:
    """The answer of build/fingerprint.py, run by a Python."""
    said = " ".join(python)
    asked = {
        "modules": [("ablation", ""), ("ablation.build", ""), *_sources()],
        "question": {"level": level, "here": here, "packages": as_question()},
    }
    try:
        done = subprocess.run(
            # Not by standard input, which scripts and containers do not always hand on.
            [*python, "-c", _BOOT, json.dumps(asked)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
            env=dict(environment),
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return NotSeen(f"{said}: cannot be run: {problem}")
    # A script around Python may have greeted before, and said goodbye after.
    for line in reversed(done.stdout.splitlines()):
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        if isinstance(answer, dict) and answer.get("schema") == fingerprint.SCHEMA:
            return answer
    last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["it said nothing"]
    return NotSeen(
        f"{said}: asked for its packages, it ended with {done.returncode}: {last[0][-300:]}"
    )


def _sources() -> list[tuple[str, str]]:
    return [
        (module.__name__, Path(module.__file__ or "").read_text(encoding="utf-8"))
        for module in (files, origin, fingerprint)
    ]


def _package(row: Mapping[str, Any]) -> Package:
    """A package as the fingerprint says it: one that could not be read has no digest."""
    row = dict(row)
    problem = row.pop("unreadable", None)
    if problem is not None:
        row["digest"] = {"not_seen": problem}
    return package_from(row)
