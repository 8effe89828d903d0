"""The times in front of the lines of server.log: read, and taken away, in this one place.

    2026-11-23T02:58:42.123456Z 7138.204518 | (EngineCore pid=82) INFO 11-23 03:58:42 [core.py:133] ...

The guard writes them (session/guard.py): the wall clock in UTC, and CLOCK_MONOTONIC in seconds, at the moment when it
read the line's first bytes. Logs kept before it did so carry none. All other readers of a log get it without them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

# At the start of a line, as `split_lines` tells lines apart.
STAMP = re.compile(
    r"(?<![^\r\n])\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (?P<monotonic_s>\d+\.\d{6}) \| "
)
_ENDS = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log without its stamp. `at_s` is its CLOCK_MONOTONIC in seconds, None in a log without stamps."""

    text: str
    at_s: float | None


def split_lines(log: str) -> list[str]:
    r"""The lines of a text. Only "\n", "\r\n" and "\r" end one; `str.splitlines` cuts at U+2028, \x0b and more."""
    found = _ENDS.split(log)
    if not found[-1]:
        found.pop()
    return found


def is_stamped(log: str) -> bool:
    """True for a log that the guard wrote with its stamps, which then stand in front of every line."""
    return STAMP.match(log) is not None


def stamped_lines(log: str) -> list[Line]:
    """The lines of a log with their times. A line that lost its stamp has the time of the one before."""
    if not is_stamped(log):
        return [Line(text, None) for text in split_lines(log)]
    found, at_s = [], 0.0
    for text in split_lines(log):
        if match := STAMP.match(text):
            at_s, text = float(match["monotonic_s"]), text[match.end() :]
        found.append(Line(text, at_s))
    return found


def unstamped(log: str) -> str:
    """The server's own output: a log without stamps. One that carries none comes back as it is."""
    return STAMP.sub("", log) if is_stamped(log) else log


def read_log(path: Path) -> str | None:
    """A server's log with its stamps; None where there is none. What is not UTF-8 is replaced."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
