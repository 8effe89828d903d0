"""When kernels were built or compiled while a server ran, by the times of its log's lines.

A line tells of its own moment, and often of more: `finish build [m], cost 41.2s` reaches 41.2 s back from its stamp,
`start build [m]` on to the line that says that the module is there. Words and sources:

    start build [m] under .., finish build [m], cost 41.2s       ROCm/aiter, aiter/jit/core.py; no brackets around the
                                                                 name in csrc/cpp_itfs/utils.py
    waiting for baton release at .., broke stale lock at ..      aiter/jit/utils/file_baton.py
    failed jit build [m], import [m] under ..                    aiter/jit/core.py
    Triton autotuning for function f .. finished after 1.26s     Triton, runtime/autotuner.py; four lines since 3.3
    Autotuning kernel f with config ..                           the same, for each configuration
    [Autotuner]: Autotuning process starts .., .. ends           FlashInfer, flashinfer/autotuner.py
    .. during inference: f                                       vLLM, utils/jit_monitor.py, after each compilation
    Compiling a graph for .. takes 18.92 s                       vLLM, compilation/backends.py
    torch.compile takes .., took .., .. together took 31.25 s    vLLM, compilation/{monitor,decorators}.py
    Built FlyDSL UltraQuant kernel #1 in 2.31s                   vLLM, v1/attention/ops/flydsl_ultraquant_decode.py
    AUTOTUNE benchmarking takes 1.1 seconds and 2.2 seconds ..   PyTorch, _inductor/select_algorithm.py

AITER's logger writes `[aiter] message`, without a time of its own (aiter/__init__.py), unless AITER_LOG_MORE is set.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from ablation.evidence.lines import plain
from ablation.evidence.stamps import Line

_ANY = re.compile(
    r"(?:start|finish) build |waiting for baton|broke stale lock|jit build|build jit|import \[|failed !"
    r"|utotuning|AUTOTUNE|during inference: |torch\.compile |Compiling a graph|finished after|Built FlyDSL"
)
_PID = re.compile(r"\bpid=(\d+)")
# Of plain lines. Without brackets only where the line begins so: others may speak of builds, too.
START = re.compile(
    r"(?:^|\[aiter\] )start build (?P<path>[^\s\[]+)|start build \[(?P<module>[^\]]+)\]"
)
FINISH = re.compile(
    r"(?:(?:^|\[aiter\] )finish build (?P<path>[^\s,\[]+)|finish build \[(?P<module>[^\]]+)\])"
    r"(?:, cost (?P<seconds>[\d.]+) ?s)?"
)
FAILED = re.compile(
    r"\[aiter\] build \[([^\]]+)\] under .* failed|failed (?:build jit|jit build) \[([^\]]+)\]"
)
IMPORT = re.compile(r"import \[([^\]]+)\] under ")
WAIT = re.compile(r"waiting for baton(?: release at (\S+))?")
_STALE = re.compile(r"broke stale lock at (\S+)")
_FLASHINFER = re.compile(r"\[Autotuner\]: Autotuning process (starts|ends)")
TRITON = re.compile(
    r"Triton autotuning for function \w|Autotuning kernel \S+ with config|Autotuning kernel \S+$"
)
TRITON_TIME = re.compile(r"^(?:.*Triton autotuning for function \S+ )?finished after ([\d.]+) ?s")
# Said when it is over; the numbers are its seconds, and their sum counts.
_OVER = (
    re.compile(r" during inference: \S"),
    re.compile(r"Compiling a graph(?: for .*? takes ([\d.]+) ?s)?"),
    re.compile(
        r"torch\.compile (?:takes|took|and initial profiling/warmup run together took) ([\d.]+) ?s"
    ),
    re.compile(r"Built FlyDSL \w+ kernel #\d+ in ([\d.]+) ?s"),
    re.compile(r"AUTOTUNE benchmarking takes ([\d.]+) seconds and ([\d.]+) ?seconds precompiling"),
)
# Variables that keep a server from saying what is looked for here: name -> values, and what then stays unsaid.
_SILENCED = {
    "AITER_LOG_LEVEL": (("WARNING", "ERROR"), "AITER's builds"),
    "VLLM_LOGGING_LEVEL": (("ERROR", "CRITICAL", "FATAL"), "vLLM's compilations"),
}


@dataclass(frozen=True, slots=True)
class Build:
    """One build, compilation or tuning of a kernel, or the wait for one.

    begin_s, end_s   on the clock of the lines; the end is infinite where the log does not tell it
    line             the line that tells of it first
    may_be_late      printed past every logger: it may have stood in a buffer for long before it came
    """

    begin_s: float
    end_s: float
    line: str
    may_be_late: bool = False

    def meets(self, start_s: float, end_s: float, slack_s: float = 0.0) -> bool:
        """True where a part of it lies between two moments; `slack_s` is how late a line may be stamped."""
        return self.begin_s - slack_s <= end_s and self.end_s >= start_s


def builds(lines: Iterable[Line]) -> list[Build]:
    """The builds that a log with times tells of, in the order of their begin. Lines without a time are passed over."""
    found = list(_builds(lines))
    return sorted(found, key=lambda build: (build.begin_s, build.line))


def silenced(env: Mapping[str, str]) -> list[str]:
    """What a server's environment keeps it from saying of its builds: `AITER_LOG_LEVEL=ERROR hides AITER's builds`."""
    return [
        f"{name}={env[name]} hides {what}"
        for name, (values, what) in _SILENCED.items()
        if str(env.get(name, "")).upper() in values
    ]


def _builds(lines: Iterable[Line]) -> Iterator[Build]:
    begun = _Begun()
    tuning: Build | None = None  # of Triton, whose seconds may come two lines later
    for line in lines:
        if line.at_s is None or not _ANY.search(line.text):
            continue
        text, at_s = plain(line.text), line.at_s
        if tuning is not None:
            if (told := TRITON_TIME.match(text)) and not TRITON.search(text):
                yield replace(tuning, begin_s=min(tuning.begin_s, at_s - float(told[1])))
                tuning = None
                continue
            yield tuning
            tuning = None
        if TRITON.search(text):
            told = TRITON_TIME.match(text)
            tuning = Build(at_s - (float(told[1]) if told else 0.0), at_s, text, may_be_late=True)
            continue
        for pattern in _OVER:
            if match := pattern.search(text):
                seconds = sum(float(group) for group in match.groups() if group)
                yield Build(at_s - seconds, at_s, text)
                break
        else:
            yield from begun.take(at_s, text, _pid(line.text))
    if tuning is not None:
        yield tuning
    yield from begun.unfinished()


def _pid(text: str) -> str:
    """The process that AITER or vLLM names in a line; empty where none is named."""
    found = _PID.findall(text)
    return str(found[-1]) if found else ""


class _Begun:
    """What has begun and not yet ended: (module, process) -> the build so far."""

    def __init__(self) -> None:
        self.builds: dict[tuple[str, str], Build] = {}
        self.waits: dict[tuple[str, str], Build] = {}
        self.failed: set[str] = set()

    def take(self, at_s: float, text: str, pid: str) -> Iterator[Build]:
        """What ends with this line, if it is of a builder."""
        if match := _FLASHINFER.search(text):
            if match[1] == "starts":
                self.builds.setdefault(("[Autotuner]", pid), Build(at_s, math.inf, text))
            else:
                yield from self._end("[Autotuner]", pid, at_s, Build(at_s, at_s, text))
        elif match := START.search(text):
            module = module_of(match)
            self.failed.discard(module)
            self.builds.setdefault((module, pid), Build(at_s, math.inf, text))
        elif match := FINISH.search(text):
            module = module_of(match)
            alone = Build(at_s - float(match["seconds"] or 0.0), at_s, text)
            if (
                module in self.failed
            ):  # AITER says that it is finished after it has said that it failed
                self.failed.discard(module)
            else:
                yield from self._end(module, pid, at_s, alone)
            yield from self._end_all(module, at_s, builds=False)
        elif match := FAILED.search(text):
            module = match[1] or match[2]
            if any(key[0] == module for key in self.builds):
                self.failed.add(module)
                yield from self._end(module, pid, at_s, Build(at_s, at_s, text))
        elif match := WAIT.search(text):
            self.waits.setdefault((_locked(match[1] or ""), pid), Build(at_s, math.inf, text))
        elif match := _STALE.search(text):
            yield from self._end_all(_locked(match[1]), at_s, builds=False)
        elif match := IMPORT.search(text):  # it is there, so it is built, even if nothing said so
            yield from self._end_all(match[1], at_s, builds=True)

    def unfinished(self) -> Iterator[Build]:
        """What the log never says the end of."""
        yield from self.builds.values()
        yield from self.waits.values()

    def _end(self, module: str, pid: str, at_s: float, alone: Build) -> Iterator[Build]:
        """The build of this process ends, or that of any where the line names another or none."""
        key = next(
            (k for k in ((module, pid), (module, "")) if k in self.builds),
            next((k for k in self.builds if k[0] == module), None),
        )
        if key is None:
            yield alone
        else:
            begun = self.builds.pop(key)
            yield replace(begun, begin_s=min(begun.begin_s, alone.begin_s), end_s=at_s)

    def _end_all(self, module: str, at_s: float, *, builds: bool) -> Iterator[Build]:
        for begun in (self.builds, self.waits) if builds else (self.waits,):
            for key in [key for key in begun if key[0] == module]:
                yield replace(begun.pop(key), end_s=at_s)


def module_of(match: re.Match[str]) -> str:
    """The module that a START or FINISH names, bare: some lines have its folder."""
    return str(match["module"] or PurePath(match["path"]).name)


def _locked(path: str) -> str:
    """The module that a lock is of: `../lock_m`, `../m.lock` or `../m/lock`."""
    lock = PurePath(path)
    if lock.name == "lock":
        return lock.parent.name
    return lock.name.removeprefix("lock_").removesuffix(".lock")
