"""Server arguments against the vLLM that will run them: tried on its own parser, before any server starts."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ablation.plan.command import flags
from ablation.plan.plan import Session
from ablation.session.environment import server_environment
from ablation.study.limits import SIZES
from ablation.study.load import StudyError
from ablation.study.spelling import whole_number
from ablation.study.values import ArgValue

PARSER = Path(__file__).with_name("parser.py")
ENTRY = "vllm.entrypoints.openai.api_server"
PATIENCE_S = 600.0  # importing vLLM takes seconds; minutes from a cold network disk
QUIET = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
}


# The words before the arguments of a Python that sees these folders and gets these variables: one in a container has to
# be told of them.
Python = Callable[[Sequence[Path], Mapping[str, str]], list[str]]


def check_arguments(
    written: Mapping[str, Mapping[str, ArgValue]],
    sessions: Sequence[Session],
    python: str | Python,
    vllm: str,
) -> dict[str, Any]:
    """Try every argument of a study, and the whole command of every arm, on the parser of the server's vLLM.

    `written` maps where arguments stand (for the message) to them, `python` is the server's (see Python). One process
    for the whole study. Returns {"checked": number of arguments}, with a "warning" where this vLLM's parser cannot be
    built here and nothing was checked. Raises StudyError naming field, value and the nearest known name of every fault.
    """
    arguments = {
        f"{where}.{name}": (name, value)
        for where, args in written.items()
        for name, value in args.items()
        if value is not None
    }
    question = {
        "arguments": [
            {"where": where, "name": name, "flags": flags({name: value})}
            for where, (name, value) in arguments.items()
        ],
        "commands": _commands(sessions),
    }
    answer = _ask(python, question)
    if not answer["built"]:
        return {
            "checked": 0,
            "warning": (
                f"server.args: the arguments were not checked before the launch: the parser of vLLM {vllm} "
                f"cannot be built here: {answer['reason']}"
            ),
        }
    faults = [_sentence(fault, arguments, vllm) for fault in answer["faults"]]
    faults += _other_sizes(answer["sizes"], sessions, vllm)
    if faults:
        raise StudyError("\n".join(dict.fromkeys(faults)))
    return {"checked": len(arguments)}


def _commands(sessions: Sequence[Session]) -> list[dict[str, Any]]:
    """The words after the server's module, once for each model and arm."""
    found: dict[str, list[str]] = {}
    for session in sessions:
        command = session.launch.command
        if ENTRY in command:
            words = [word.replace("{port}", "8000") for word in command[command.index(ENTRY) + 1 :]]
            found.setdefault(_where(session), words)
    return [{"where": where, "words": words} for where, words in found.items()]


def _other_sizes(
    found: Mapping[str, Mapping[str, int]], sessions: Sequence[Session], vllm: str
) -> list[str]:
    """Commands that vLLM reads as other parallel sizes than the plan counted GPUs by."""
    faults = []
    for session in sessions:
        where = _where(session)
        counted = {name: whole_number(session.launch.args, name) for name in SIZES}
        read = {name: found.get(where, {}).get(name.replace("-", "_")) for name in SIZES}
        other = {n: read[n] for n in SIZES if read[n] is not None and read[n] != counted[n]}
        faults += [
            f"the command of {where}: the plan counts {name} {counted[name]}, vLLM {vllm} reads {value}; "
            f"write it as args.{name}"
            for name, value in other.items()
        ]
    return faults


def _where(session: Session) -> str:
    return f"{session.model}, {session.arm}"


def _ask(python: str | Python, question: dict[str, Any]) -> dict[str, Any]:
    """The answer of session/parser.py, run in the server's Python and environment."""
    with tempfile.TemporaryDirectory(prefix="ablation-") as folder:
        answer = Path(folder) / "answer.json"
        seen = [PARSER.parent, Path(folder)]
        words = [python] if isinstance(python, str) else python(seen, QUIET)
        try:
            done = subprocess.run(
                [*words, str(PARSER), str(answer)],
                input=json.dumps(question),
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
                env=server_environment(os.environ, QUIET, ()),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return {"built": False, "reason": str(error)}
        if not answer.is_file():
            last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            return {"built": False, "reason": last[0][-300:]}
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return found


def _sentence(
    fault: Mapping[str, Any], arguments: Mapping[str, tuple[str, ArgValue]], vllm: str
) -> str:
    near = f"; did you mean {fault['near']!r}?" if fault["near"] else ""
    where = fault["where"]
    if where not in arguments:
        return f"the command of {where}: vLLM {vllm}: {fault['message']}{near}"
    return f"{where}: {arguments[where][1]!r}: vLLM {vllm}: {fault['message']}{near}"
