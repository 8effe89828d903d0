"""A server's log as lines: without colours, time stamps and process ids, and without its orderly end."""

from __future__ import annotations

import re

from ablation.evidence.stamps import split_lines

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# `(Worker_TP3_EP3 pid=891) INFO 11-23 02:58:42 [core.py:133] `, or of AITER `[aiter] [pid=254 pname=P] `.
_PROCESS = re.compile(r"^\((?:[^()]*\s)?pid=\d+\)\s*")
_LEVEL = re.compile(
    r"^(INFO|WARNING|ERROR|DEBUG|CRITICAL) [\d-]+ [\d:]+ (?:\[[^\]]*\]|\w+\.py:\d+\])\s*"
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
    bare = _PROCESS.sub("", _ANSI.sub("", line).strip())
    return _AITER.sub("[aiter] ", _LEVEL.sub("", bare)).rstrip()


def level(line: str) -> str:
    """`INFO`, `WARNING` ... of vLLM's logger; an empty string for what came past it."""
    match = _LEVEL.match(_PROCESS.sub("", _ANSI.sub("", line).strip()))
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
