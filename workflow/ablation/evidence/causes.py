"""Did a server fail, where, and why: from its log and the record of its end.

What ended it is looked for in this order: the first exception of a worker or the engine that vLLM announced as the
end of the process (without those that only pass on another's, or say that another is gone), the words of native
code outside of any traceback, the last exception of the API server, and the process's silence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ablation.evidence.classes import BY_SIGNAL, CLASSES, SILENT, UNKNOWN, FailureClass
from ablation.evidence.classes.host import ENDS
from ablation.evidence.lines import level, lived, plain
from ablation.evidence.remedies import (
    Crash,
    component,
    crash,
    cure,
    frames,
    package,
    suspect,
    variable_of,
)
from ablation.evidence.stages import WORDS, Stage, reached
from ablation.evidence.stamps import split_lines
from ablation.evidence.tracebacks import Raised, tracebacks

_READY = re.compile(r"Application startup complete")
# These end a server whenever they come.
_FATAL = re.compile(
    r"EngineDeadError|encountered a fatal error|EngineCore.* died|died unexpectedly"
    r"|Fatal Python error"
    r"|Segfault encountered|Segmentation fault|Memory access fault by GPU"
    r"|HSA_STATUS_ERROR|Bus error|HW Exception by GPU"
    r"|terminate called after|Illegal instruction"
    r"|watchdog thread terminated with exception|core dumped|^Killed$"
    r"|LLVM ERROR|\*\*\* SIG(?:SEGV|ABRT|BUS|ILL)|^Failed: (?:Cuda|HIP) error"
)
# These do so before it is ready.
_FATAL_AT_START = re.compile(
    r"EngineCore failed to start|[Ee]ngine core initialization failed|WorkerProc failed to start"
    r"|WorkerProc initialization failed|(?:\.py|vllm|serve): error: "
    r"|Address already in use|No module named '?vllm'?$"
)
# A process that says this raises nothing afterwards: what others raise later is the consequence.
_KILLS = re.compile(
    r"Segfault encountered|Segmentation fault|Memory access fault by GPU"
    r"|HSA_STATUS_ERROR|Bus error|HW Exception by GPU"
    r"|Illegal instruction|LLVM ERROR|\*\*\* SIG|exit code: -\d+|^Killed$"
    r"|^Failed: (?:Cuda|HIP) error"
)
# The last line of a traceback that nobody caught.
_UNCAUGHT = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?\w*(?:Error|Exception)(?:: |$)")
_ERROR = re.compile(r"\b\w*(?:Error|Exception)\b(?!s)")
_CAUGHT = ("INFO", "WARNING", "DEBUG")
# Lines of source in a traceback: they name what a server might say, not what it said.
_SOURCE = re.compile(r'^(?:raise |File "|return |assert |\w+\.\w+\()')
# What a server that waits repeats: it is no sign of progress.
_REPEATED = re.compile(
    r"No available shared memory broadcast block|Waiting for \d+ (?:local|core engine)"
)
_WAITS = re.compile(rf"{_REPEATED.pattern}|waiting for baton")
_MISSING = re.compile(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file")
_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+")
# Lines outside of tracebacks that are tried on each class, and the length of a line that still tells something.
_MOST_LINES, _MOST_LETTERS = 2_000, 4_000
# Exceptions that tell what was met and not what was wrong; lines of these classes before them say why.
_VAGUE = {
    "collective", "runtime-call", "worker-timeout", "aiter-refused", "kernel-refused",
    "engine-died", "no-device",
    "illegal-access", "gpu-fault",
}  # fmt: skip
_WHY = {
    "no-device",
    "hardware", "fabric-manager", "driver-version", "gpu-ipc", "scratch-reclaim",
    "shared-memory", "out-of-memory",
    "host-limits", "gpu-fault", "aiter-build", "aiter-no-kernel", "kernel-unsupported",
}  # fmt: skip
# What lines before an exception without a class of its own may tell: its process had not ended by them.
_NOT_ENDS = (
    {kind.id for kind in CLASSES}
    - {kind.id for kind in ENDS}
    - {"broken-install", "bad-configuration"}
)
_IN_AITER = {
    "aiter-no-kernel", "moe-shape", "aiter-refused", "kernel-unsupported",
    "number-format", "capture-unsupported",
    "aiter-build", "kernel-build", "kernel-compile", "illegal-access", "workspace-locked",
}  # fmt: skip


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


@dataclass(frozen=True)
class _Found:
    """A class with the line by which it was found; the exception, or the number of "
    "the line, that it came from."""

    kind: FailureClass
    line: str
    raised: Raised | None = None
    number: int | None = None


def failed(log: str) -> bool:
    """True where a log alone shows that the server failed; what follows the order to "
    "end does not count."""
    text = lived(log)
    ready = _READY.search(text)
    if ready:
        return any(_FATAL.search(plain(line)) for line in _errors(text[ready.end() :]))
    lines = split_lines(text)
    if any(_FATAL.search(plain(s)) or _FATAL_AT_START.search(plain(s)) for s in _errors(text)):
        return True
    # A traceback that the log ends with; one that vLLM goes on after is an optional part that is missing.
    last = max((i for i, line in enumerate(lines) if level(line) in _CAUGHT), default=-1)
    return any(_UNCAUGHT.match(plain(line).lstrip(" |")) for line in lines[last + 1 :])


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
    own = text[ready.end() :] if ready else text
    lines = [line[:_MOST_LETTERS] for line in split_lines(own)]
    found = _found(lines, stage, ended)
    where = _crash(found, lines)
    line = " ".join(found.line.split())[:300] + (f" in {where.frame[:120]}" if where else "")
    remedy = f"it crashed in {where.owner}: {where.remedy}" if where else _remedy(found, lines)
    return Failure(found.kind.id, found.kind.words, remedy, line, stage)


def cause(log: str) -> str:
    """Why a server that is known to have failed did, in words with the detail; its "
    "last error where unknown."""
    failure = classify(log, known=True)
    assert failure is not None
    if failure.id == UNKNOWN.id:
        return failure.line or failure.words
    kinds = [c for c in (*CLASSES, *SILENT) if (c.id, c.words) == (failure.id, failure.words)]
    match = next((m for m in (c.pattern.search(failure.line) for c in kinds) if m), None)
    detail = next((group for group in match.groups() if group), "") if match else ""
    return f"{failure.words}{f': {detail.strip()}' if detail else ''} ({failure.remedy})"


def _found(lines: list[str], stage: str, ended: Mapping[str, Any] | None) -> _Found:
    """What ended the server. `lines`: its log since it was ready, or all of it."""
    raised, used = tracebacks("\n".join(lines))
    own, others, late = _roots(raised, lines)
    outside = _outside(lines, used)
    near = {number: frames(lines, number) for number, line in outside if "LLVM ERROR" in line}
    killed = next((number for number, line in outside if _KILLS.search(line)), None)
    if own and killed is not None and killed < own.start:
        late, own = [own, *late], None
    found = _of_exception(own, stage)
    if own is None:
        found = _of_lines(outside, stage, near)
    elif found is None or found.kind.id in _VAGUE:
        before = [(number, line) for number, line in outside if number < own.end]
        why = _of_further_lines(own, stage) if found else None
        found = why or _of_lines(before, stage, near, _WHY if found else _NOT_ENDS) or found
    if found is None or found.kind.id == "engine-died":
        for other in (*others, *late):
            found = _of_exception(other, stage) or found
            if found and found.kind.id != "engine-died":
                break
    # That an engine died is only told when nothing was raised that says why.
    if found and not (found.kind.id == "engine-died" and own):
        return found
    if ended is not None and ended.get("signal") in BY_SIGNAL and not own:
        kind = next(c for c in CLASSES if c.id == BY_SIGNAL[ended["signal"]])
        return _Found(kind, f"ended by {ended['signal']}")
    silent = None if own or others else _of_silence(lines)
    if silent:
        return silent
    for one in (own, *others, *late):
        if one:
            return _Found(UNKNOWN, one.headline, one)
    errors = [line for _, line in outside if _ERROR.search(line)]
    return _Found(UNKNOWN, errors[-1][-300:] if errors else "")


def _outside(lines: list[str], used: set[int]) -> list[tuple[int, str]]:
    """Numbers and texts of lines outside of any traceback that may tell of a failure.

    Of lines that differ in numbers only, as a verbose library writes them by the hundred thousand, the first and
    the last; of many, the last.
    """
    first: dict[str, tuple[int, str]] = {}
    last: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        if number in used or not _tells(line):
            continue
        said = plain(line)
        shape = _NUMBERS.sub("0", said[:200])
        first.setdefault(shape, (number, said))
        last[shape] = (number, said)
    return sorted({*first.values(), *last.values()})[-_MOST_LINES:]


def _roots(
    raised: list[Raised], lines: list[str]
) -> tuple[Raised | None, list[Raised], list[Raised]]:
    """What ended a worker or the engine; the API server's and unnamed ones, the last first; and consequences.

    An exception that vLLM logged below an error, or that it went on after in the same process, was caught.
    """
    errors = [one for one in raised if one.level not in _CAUGHT]
    plainly = [one for one in errors if not one.passed_on]
    first = [one for one in plainly if not one.aftermath]
    inner = [one for one in first if one.role in ("worker", "engine")]
    announced = [one for one in inner if one.fatal]
    last = max((i for i, line in enumerate(lines) if level(line) in _CAUGHT), default=-1)
    quoted = [one.unwrapped() for one in errors if one.passed_on]
    quoted = [one for one in quoted if not one.passed_on]
    own = next(iter([*announced, *quoted, *inner]), None)
    others = [one for one in reversed(first) if one.role == "server" or one.end > last]
    return own, others, [one for one in plainly if one.aftermath]


def _of_exception(raised: Raised | None, stage: str) -> _Found | None:
    """The class of an exception, or of what it is the consequence of, nearest first."""
    for one in raised.chain() if raised else ():
        heads = [(kind, kind.heads(one, stage)) for kind in CLASSES]
        # What a message says first decides, but for pydantic's, whose first line only counts the errors.
        said = [(kind, line) for kind, line in heads if line and kind.id != "bad-configuration"]
        said += [(kind, line) for kind in CLASSES if (line := kind.continues(one, stage))]
        said += [(kind, line) for kind, line in heads if line]
        if said:
            return _Found(*said[0], one)
    return None


def _of_further_lines(raised: Raised, stage: str) -> _Found | None:
    """The class that says why, of which an exception's further lines speak (NCCL's "Last error:")."""
    said = [(kind, kind.continues(raised, stage)) for kind in CLASSES if kind.id in _WHY]
    return next((_Found(kind, line, raised) for kind, line in said if line), None)


def _of_lines(
    lines: list[tuple[int, str]], stage: str, near: dict[int, str], only: set[str] | None = None
) -> _Found | None:
    """The first class (of those `only`, if they are given) of which a line outside of any traceback speaks.

    `near`: the frames that follow a line of a compiler that aborted.
    """
    for kind in CLASSES:
        for number, line in lines:
            if (only is None or kind.id in only) and kind.says(line, stage, near.get(number, "")):
                return _Found(kind, line, number=number)
    return None


def _of_silence(lines: list[str]) -> _Found | None:
    """What a server did when it fell silent: the last sign of a build that never "
    "ended, or that nothing moved."""
    said = [(n, plain(line)) for n, line in enumerate(lines) if line.strip()]
    moved = [(n, line) for n, line in said if not _WAITS.search(line)]
    waits = [(n, line) for n, line in said if _WAITS.search(line)]
    *builds, hang = SILENT
    since = moved[-10][0] if len(moved) >= 10 else 0
    late = [(n, line) for n, line in waits if n > since and not _REPEATED.search(line)]
    for number, line in [*reversed(late), *reversed(moved[-3:])]:
        for build in builds:
            if build.pattern.search(line):
                return _Found(build, line, number=number)
    if len(waits) > 1:
        last = moved[-1] if moved and moved[-1][0] < waits[-1][0] else waits[-1]
        return _Found(
            hang, f"{waits[-1][1][:120]} (x {len(waits)}, since: {last[1][:150]})", number=last[0]
        )
    return None


def _remedy(found: _Found, lines: list[str]) -> str:
    """What to do: the log's own cure first, then AITER's variable, then the class's."""
    kind, raised, number = found.kind, found.raised, found.number
    parts = []
    if raised and (said := cure(raised)):
        parts.append(f'the log says: "{said}"')
    variable = component(raised) if raised and kind.id in _IN_AITER else ""
    if variable and variable not in kind.remedy:
        parts.append(f"{variable} turns off the kernel of the frame")
    if raised and kind.id == "broken-install" and (library := _MISSING.search(found.line)):
        parts.append(
            f"{library.group(1)} is not found: a build for the CUDA or ROCm that is here, or LD_LIBRARY_PATH"
        )
    elif raised and kind.id == "broken-install" and (name := package(raised)) and name != "vllm":
        return "; ".join(
            [*parts, f"install the {name} that fits this PyTorch and vLLM; {kind.remedy}"]
        )
    if number is not None and kind.id == "gpu-fault" and (kernel := suspect(lines, number)):
        off = variable_of(kernel)
        parts.append(f"the last kernel named before it is {kernel}{f' ({off})' if off else ''}")
    return "; ".join([*parts, kind.remedy])


def _crash(found: _Found, lines: list[str]) -> Crash | None:
    """The frame in which a process crashed that ended by a signal."""
    if found.number is None or found.kind.id not in ("segfault", "illegal-instruction"):
        return None
    return crash(lines, found.number)


def _errors(text: str) -> list[str]:
    """Lines that may tell of a failure: not those that vLLM only informs or warns with."""
    return [line for line in split_lines(text) if _tells(line)]


def _tells(line: str) -> bool:
    return bool(line.strip() and level(line) not in _CAUGHT and not _SOURCE.match(plain(line)))
