"""A server's log as lines: without colours, time stamps and process ids, and without its orderly end."""

from __future__ import annotations

import re

from ablation.evidence.stamps import split_lines

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# What a container's or a service's own log puts before each line: `vllm-1  | ` (docker compose),
# `Aug 19 18:34:27 host vllm[8727]: ` (journald), `2025-05-16T13:12:16.645427617Z ` (kubectl --timestamps).
_OUTER = re.compile(
    r"^(?:[\w.-]+ +\| |[A-Z][a-z]{2} +\d+ [\d:]{8} \S+ [^\s\[]+\[\d+\]: |\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-][\d:]+) )"
)
# `(Worker_TP3_EP3 pid=891) INFO 11-23 02:58:42 [core.py:133] `, also several of them (the worker's within the
# engine's), `(VllmWorker rank=3 pid=50935)` (vLLM 0.9), `(RayWorkerWrapper pid=10858, ip=10.0.0.1)`,
# `[rank0]: ` (PyTorch), or of AITER `[aiter] [pid=254 pname=P] `.
_PROCESS = re.compile(r"^(?:(?:\((?:[^()]*\s)?pid=\d+[^()]*\)|\[rank\d+\]:(?!\[)) ?)+")
_LEVEL = re.compile(
    r"^(INFO|WARNING|ERROR|DEBUG|CRITICAL) [\d-]+ [\d:]+ (?:\[[^\]]*\]|\w+\.py:\d+\]) ?"
)
# Levels as other loggers write them: `INFO:     Started` (uvicorn), `2026-08-14 03:01:21,304 - INFO - a.py`
# (FlashInfer), `[TileLang:tilelang.jit.kernel:INFO]`, `QUARK-INFO: `.
_OTHER_LEVEL = re.compile(
    r"^(?:QUARK-|[^A-Za-z]*|.{0,30}\[[\w.:]*:)(INFO|WARNING|DEBUG)(?:\]|:| -)"
)
_AITER = re.compile(r"^\[aiter\] \[pid=\d+ pname=[^\]]*\] ")
# The server was told to end: what follows (an engine "found dead" among it) is no failure.
_END = re.compile(
    r"\[shutdown\] API server: shutdown triggered|Shutting down FastAPI HTTP server"
    r"|^INFO:\s+Shutting down\s*$|trigger received signal=SIG(?:TERM|INT)"
    r"|Received signal SIG(?:TERM|INT)|SIGTERM received|KeyboardInterrupt: terminated",
    re.M,
)


def plain(line: str) -> str:
    """A line without colours, process, level, time and place."""
    return _AITER.sub("[aiter] ", split(line)[2].strip())


def split(line: str) -> tuple[str, str, str]:
    """A line's parts: process (`(Worker_TP3 pid=891)`), level with place (`ERROR [core.py:842]`), and text.

    The text keeps its indentation, which tells a traceback's lines of source from its exception. Process, and
    level with place, are empty strings where the line has none; the time is dropped.
    """
    bare = _OUTER.sub("", _ANSI.sub("", line).rstrip())
    process = _PROCESS.match(bare)
    bare = bare[process.end() :] if process else bare
    place = _LEVEL.match(bare.lstrip())
    if place:
        bare = bare.lstrip()[place.end() :]
    who = process.group().strip() if process else ""
    return who, f"{place.group(1)} {place.group().split()[-1]}" if place else "", bare


def level(line: str) -> str:
    """`INFO`, `WARNING` ... of vLLM's logger or another's; an empty string for what came past them."""
    _, place, text = split(line)
    if place:
        return place.split()[0]
    match = _OTHER_LEVEL.match(text.strip())
    return match.group(1) if match else ""


def once(log: str) -> str:
    """Each line once, at its first place: a verbose library says the same thousands of times."""
    return "\n".join(dict.fromkeys(split_lines(log))) + "\n"


def matching(log: str, pattern: re.Pattern[str]) -> list[str]:
    """Distinct plain lines that match, in order, cut to a readable width."""
    found = (plain(line)[:400] for line in split_lines(log) if pattern.search(line))
    return list(dict.fromkeys(found))


def lived(log: str) -> str:
    """The log until the server was told to end; all of it where it never was."""
    match = _END.search(log)
    return log[: match.start()] if match else log


def tail(log: str, most: int = 12) -> str:
    """The last lines that are not blank, cut to a readable width."""
    return "\n".join([line[:300] for line in split_lines(log) if line.strip()][-most:])
