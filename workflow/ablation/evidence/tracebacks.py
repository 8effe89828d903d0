"""Exceptions in a server's log: who raised them, where, and what they were the consequence of.

vLLM puts process, level, time and place before each line of a traceback, and the lines of several workers come
interleaved; a process that dies past the logger prints its traceback without them. Forms of tracebacks: Python's
traceback module (chains and exception groups).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ablation.evidence.lines import level, split
from ablation.evidence.stamps import split_lines

Role = Literal["worker", "engine", "server", ""]

_START = "Traceback (most recent call last):"
_FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+)(?:, in (.+))?$')
# `torch.AcceleratorError: CUDA error`, `AssertionError`, `ninja.BuildFailed: x`; an address is none.
_EXCEPTION = re.compile(r"^((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:\[[\w.]+\]|\([\w.]+\))?)(?:: ?(.*))?$")
_NAMED = re.compile(
    r"(?:Error|Exception|Exit|Interrupt|Group|Warning|Timeout|Expired|Failed"
    r"|OutOfResources|Unsupported|NotFound|\))$"
)
_CAUSE = "The above exception was the direct cause of the following exception"
_CONTEXT = "During handling of the above exception, another exception occurred"
_GROUP = re.compile(r"^\s*(?:\+-\+?-+ (?:\d+ )?-*|\+-+)\s*$")
_GROUP_MARK = re.compile(r"^\s*(?:\| |\|$|\+ (?=Exception Group))")
_ROLES: tuple[tuple[Role, re.Pattern[str]], ...] = (
    ("worker", re.compile(r"[Ww]orker|^\[rank\d+\]")),
    ("engine", re.compile(r"EngineCore|DPCoordinator")),
    ("server", re.compile(r"ApiServer|APIServer")),
)
# What vLLM says above the traceback of the exception that ends a process.
_HEADS = re.compile(
    r"WorkerProc (?:hit an exception|failed)|EngineCore (?:failed to start"
    r"|encountered a fatal|hit an exception)"
    r"|^Process \w+|Error executing method|Exception in worker"
)
# Exceptions that only pass on what another process or thread raised. A group of them is what it unwraps to.
_WORKER_FAILED = re.compile(
    r"Worker failed with error '(.*?)'?(?:,\s+please check the stack trace above|$)"
    r"|Call to \w+ method failed: (.*)",
    re.S,
)
_PASSED_ON = re.compile(
    r"[Ee]ngine core (?:initialization failed|proc \w+ died)|EngineDeadError"
    r"|EngineCore encountered an issue"
    r"|WorkerProc initialization failed|Worker proc \S+ died|Executor failed"
    r"|Engine process failed to start"
    r"|Worker failed with error|Call to \w+ method failed|^cancelled$"
    r"|see the engine's own traceback"
    r"|API server (?:process )?failed|Data parallel .* died|ServerDisconnected"
    r"|parent process exited",
)
_PASSING_TYPES = re.compile(
    r"(?:^|\.)(?:(?:Base)?ExceptionGroup|KeyboardInterrupt|CancelledError|EngineDeadError"
    r"|EngineGenerateError|ProcessRaisedException|RayTaskError\(.*\)|ActorDiedError)$"
)
# What a process says because another one of its group is gone.
_AFTER = re.compile(
    r"Connection (?:was )?(?:reset|closed|aborted)(?: by (?:remote )?peer)?|Broken pipe"
    r"|recvValue failed"
    r"|NCCL communicator was aborted|remote process exited|Failed to recv, got 0 bytes"
    r"|failed to wait on semaphore|TCPStore.*(?:closed|broken)",
    re.I,
)


@dataclass(frozen=True)
class Frame:
    """One frame of a traceback: file, line, function, and the line of source if the "
    "traceback has it."""

    path: str
    line: str
    function: str
    source: str = ""

    @property
    def text(self) -> str:
        """`vllm/layers/fused_moe.py:1400 in ck_moe_stage2: return f(x)`, from the package on."""
        path = re.sub(r"^.*/(?:site|dist)-packages/", "", self.path)
        where = f"{path}:{self.line}" + (f" in {self.function}" if self.function else "")
        return where + (f": {self.source}" if self.source else "")


@dataclass
class Raised:
    """An exception: its type (with its module where printed), its message's lines, and its frames, the last innermost.

    `before` holds the exceptions that it is the consequence of, the nearest first. `fatal` is true where vLLM
    announced it as what ended the process. `start` and `end` are its first and last line in the log, from 0.
    """

    type: str
    lines: list[str]
    frames: list[Frame]
    process: str
    role: Role
    level: str
    fatal: bool
    start: int
    end: int
    before: list[Raised] = field(default_factory=list)

    @property
    def message(self) -> str:
        """All lines of the message."""
        return "\n".join(self.lines).strip()

    @property
    def headline(self) -> str:
        """Type and message in one line; with the frame where the message is empty and "
        "tells nothing."""
        said = [line.strip() for line in self.lines if line.strip()]
        text = said[0] if said else ""
        if len(said) > 1 and text.endswith((":", "raised:")):
            text = f"{text} {said[1]}"
        if not text and self.frames:
            return f"{self.type} at {self.frames[-1].text}"
        return ": ".join(part for part in (self.type, text) if part)

    @property
    def passed_on(self) -> bool:
        """True where it only repeats what was raised elsewhere."""
        if self.type == "SystemExit":
            return not re.search(r"[A-Za-z]", self.message)
        return bool(_PASSING_TYPES.search(self.type) or _PASSED_ON.search(self.message))

    @property
    def aftermath(self) -> bool:
        """True where it says that another process is gone."""
        return bool(_AFTER.search(f"{self.type}: {self.message}"))

    @property
    def places(self) -> str:
        """Paths and functions of its frames, one a line, the outermost first."""
        return "\n".join(f"{frame.path} {frame.function} {frame.source}" for frame in self.frames)

    def chain(self) -> Iterator[Raised]:
        """The exception itself, then what it is the consequence of, nearest first."""
        yield self
        yield from self.before

    def unwrapped(self) -> Raised:
        """As itself, or with the message of the worker that it quotes."""
        match = _WORKER_FAILED.search(self.message)
        inner = next((part for part in match.groups() if part), "") if match else ""
        if not inner:
            return self
        return Raised(
            "", inner.split("\n"), self.frames, self.process, self.role, self.level, self.fatal,
            self.start, self.end, self.before,
        )  # fmt: skip


class _Stream:
    """The lines of one process: its exceptions in the making."""

    def __init__(self, process: str) -> None:
        self.process, self.done, self.head = process, list[Raised](), ""
        self.chain: list[Raised] = []
        self.linked = False
        self.close()

    def close(self) -> None:
        """Forgets what is open: the next line begins something else."""
        self.frames: list[Frame] = []
        self.open, self.place, self.start = False, "", 0
        self.raised: Raised | None = None

    def feed(self, number: int, place: str, text: str) -> bool:
        """True where the line belongs to a traceback."""
        text = _GROUP_MARK.sub("", text.removeprefix("-->"))  # AITER's own arrow
        while _GROUP_MARK.match(text):
            text = _GROUP_MARK.sub("", text)
        bare = text.strip()
        if bare.endswith(_START):
            self._begin(number, place, bare)
            return True
        if bare.startswith((_CAUSE, _CONTEXT)):
            self.linked, self.raised = True, None
            self.open, self.place, self.start = True, place, number
            return True
        if _GROUP.match(text):
            self.raised = None
            return self.open or bool(self.done)
        if self.open:
            if place != self.place and not _FRAME.match(text):
                return False
            return self._within(number, text, bare)
        if self.raised is not None and place == self.place:
            if not place and (not bare or level(text)):
                self.raised = None
                return False
            self.raised.lines.append(text)
            self.raised.end = number
            return True
        self.raised = None
        if bare:
            self.head = bare
            self.chain = [] if not self.linked else self.chain
        return False

    def _begin(self, number: int, place: str, bare: str) -> None:
        # A message that ends in a colon quotes the traceback that follows it.
        quoting = self.raised is not None and self.raised.message.endswith(":")
        if quoting and self.raised is not None:
            self.raised.lines[-1:] = [self.raised.lines[-1] + " (quoted below)"]
            self.done.remove(self.raised)
            self.chain = [self.raised]
        elif not self.linked:
            self.chain = []
        before = bare.removesuffix(_START).strip()
        head = before if before and "Exception Group" not in before else self.head
        self.close()
        self.open, self.place, self.start, self.head = True, place, number, head

    def _within(self, number: int, text: str, bare: str) -> bool:
        if frame := _FRAME.match(text):
            self.frames.append(
                Frame(frame.group(1), frame.group(2), (frame.group(3) or "").strip())
            )
            return True
        match = _EXCEPTION.match(bare)
        # An exception stands at the margin; pasted logs have lost all indentation, so the name decides there.
        if match and not text.startswith("  ") and _NAMED.search(match.group(1)):
            self._end(number, match.group(1), match.group(2) or "")
            return True
        if bare and self.frames and not set(bare) <= set("^~ .<>|") and not self.frames[-1].source:
            last = self.frames[-1]
            self.frames[-1] = Frame(last.path, last.line, last.function, bare)
        return True

    def _end(self, number: int, kind: str, message: str) -> None:
        fatal = bool(_HEADS.search(self.head))
        who = self.process or self.head
        role: Role = next((name for name, words in _ROLES if words.search(who)), "")
        before = list(reversed(self.chain)) if self.linked or self.chain else []
        raised = Raised(
            kind, [message], self.frames, self.process, role, self.place.split(" ")[0], fatal,
            self.start, number, before,
        )  # fmt: skip
        if self.linked:
            self.done = [other for other in self.done if other not in self.chain]
            raised.fatal = fatal or any(other.fatal for other in self.chain)
            raised.start = min([raised.start, *(other.start for other in self.chain)])
        self.done.append(raised)
        self.chain = [*self.chain, raised]
        place = self.place
        self.close()
        self.raised, self.place, self.linked = raised, place, False


def tracebacks(text: str) -> tuple[list[Raised], set[int]]:
    """The exceptions of a log in the order in which they were raised, and the numbers of their lines, from 0.

    Exceptions that others in the log were raised from stand in `before` of those. Lines of several processes may
    come interleaved.
    """
    streams: dict[str, _Stream] = {}
    used: set[int] = set()
    for number, line in enumerate(split_lines(text)):
        process, place, said = split(line)
        stream = streams.setdefault(process, _Stream(process))
        if stream.feed(number, place, said):
            used.add(number)
    raised = [one for stream in streams.values() for one in stream.done]
    return sorted(raised, key=lambda one: (one.end, one.start)), used
