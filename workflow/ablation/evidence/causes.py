"""Did a server fail, where, and why: from its log and the record of its end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ablation.evidence.classes import BY_SIGNAL, CLASSES, SILENT, UNKNOWN, FailureClass
from ablation.evidence.lines import level, lived, plain
from ablation.evidence.stages import WORDS, Stage, reached
from ablation.evidence.stamps import split_lines

_READY = re.compile(r"Application startup complete")
# These end a server whenever they come.
_FATAL = re.compile(
    r"EngineDeadError|encountered a fatal error|EngineCore.* died|died unexpectedly|Fatal Python error"
    r"|Segfault encountered|Segmentation fault|Memory access fault by GPU|HSA_STATUS_ERROR|Bus error"
    r"|terminate called after|Illegal instruction|watchdog thread terminated with exception|core dumped|^Killed$"
)
# These do so before it is ready.
_FATAL_AT_START = re.compile(
    r"EngineCore failed to start|[Ee]ngine core initialization failed|WorkerProc failed to start"
    r"|WorkerProc initialization failed|(?:\.py|vllm|serve): error: |Address already in use|No module named '?vllm"
)
# The last line of a traceback that nobody caught.
_UNCAUGHT = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?\w*(?:Error|Exception)(?:: |$)")
_ERROR = re.compile(r"\b\w*(?:Error|Exception)\b(?!s)")
_CAUGHT = ("INFO", "WARNING", "DEBUG")
# Lines of source in a traceback: they name what a server might say, not what it said.
_SOURCE = re.compile(r'^(?:raise |File "|return |assert |\w+\.\w+\()')


@dataclass(frozen=True)
class Failure:
    """Why a server failed: its class, the line that says so, and the stage that it had come to."""

    id: str
    words: str
    remedy: str
    line: str
    stage: Stage

    @property
    def text(self) -> str:
        """`cause, at graph capture; remedy`."""
        return f"{self.words} ({WORDS[self.stage]}); {self.remedy}"

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def failed(log: str) -> bool:
    """True where a log alone shows that the server failed; what follows the order to end does not count."""
    text = lived(log)
    ready = _READY.search(text)
    if ready:
        return any(_FATAL.search(plain(line)) for line in _errors(text[ready.end() :]))
    lines = split_lines(text)
    if any(_FATAL.search(plain(s)) or _FATAL_AT_START.search(plain(s)) for s in _errors(text)):
        return True
    # A traceback that the log ends with; one that vLLM goes on after is an optional part that is missing.
    last = max((i for i, line in enumerate(lines) if level(line) in _CAUGHT), default=-1)
    return any(_UNCAUGHT.match(plain(line)) for line in lines[last + 1 :])


def classify(
    log: str, *, ended: Mapping[str, Any] | None = None, known: bool = False, loaded: bool = False
) -> Failure | None:
    """The failure that a log shows; None for a healthy one.

    ended     how the server ended (exit.json): `{"how": "ended by itself", "code": ..., "signal": ...}`
    known     the server is known to have failed (it was never ready, say), whatever its log shows
    loaded    requests had been sent to it
    """
    by_itself = ended is not None and ended.get("how") == "ended by itself"
    if not (known or by_itself or failed(log)):
        return None
    text = lived(log)
    stage = reached(text, loaded=loaded)
    ready = _READY.search(text)
    found = _first(CLASSES, _errors(text[ready.end() :] if ready else text))
    if found is None and ended is not None and ended.get("signal") in BY_SIGNAL:
        kind = BY_SIGNAL[ended["signal"]]
        found = next(c for c in CLASSES if c.id == kind), f"ended by {ended['signal']}"
    if found is None:
        found = _first(SILENT, split_lines(text)[-3:])
    if found is None:
        found = UNKNOWN, _last_error(text)
    kind_, line = found
    return Failure(kind_.id, kind_.words, kind_.remedy, line[:300], stage)


def cause(log: str) -> str:
    """Why a server that is known to have failed did, in words with the detail; its last error where unknown."""
    failure = classify(log, known=True)
    assert failure is not None
    if failure.id == UNKNOWN.id:
        return failure.line or failure.words
    pattern = next(c.pattern for c in (*CLASSES, *SILENT) if c.id == failure.id)
    match = pattern.search(failure.line)
    detail = next((group for group in match.groups() if group), "") if match else ""
    return f"{failure.words}{f': {detail.strip()}' if detail else ''} ({failure.remedy})"


def _errors(text: str) -> list[str]:
    """Lines that may tell of a failure: not those that vLLM only informs or warns with."""
    return [
        line
        for line in split_lines(text)
        if line.strip() and level(line) not in _CAUGHT and not _SOURCE.match(plain(line))
    ]


def _first(classes: Iterable[FailureClass], lines: list[str]) -> tuple[FailureClass, str] | None:
    """The first class of which a line speaks, with that line."""
    bare = [plain(line) for line in lines]
    for kind in classes:
        for line in bare:
            if kind.pattern.search(line):
                return kind, line
    return None


def _last_error(text: str) -> str:
    errors = [plain(line) for line in _errors(text) if _ERROR.search(line)]
    return errors[-1][-300:] if errors else ""
