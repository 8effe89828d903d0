"""What can go wrong with one request, as a tree. Nothing is retried.

    RequestFailed
    ├── ConnectionFailed
    │   ├── Refused            refused           no connection could be opened
    │   └── Reset              reset             the connection closed before the response was whole
    ├── TimedOut               timeout           no whole response within the request's time
    ├── ServerRefusal
    │   ├── HttpStatus         http_status       a status other than 200
    │   └── ErrorEvent         error_event       200, then an error reported inside the stream
    ├── MalformedEvent         malformed_event   bytes that are not HTTP, SSE, UTF-8, JSON or a completion
    ├── WrongLength
    │   ├── ShortOutput        short_output      fewer output tokens than were asked for
    │   └── LongOutput         long_output       more output tokens than were asked for
    └── ServerDeath            server_death      the server's process ended under the request

The client sees connection failures, time-outs, statuses and the server's death; the rest is found
when the raw record is decoded. A record holds the name in the middle column (`error_class`).
"""

from __future__ import annotations

from typing import ClassVar

import httpx

TEXT_LIMIT = 500


class RequestFailed(Exception):
    """A request that brought no whole, exact answer."""

    error_class: ClassVar[str] = ""

    @property
    def text(self) -> str:
        """What happened, in at most 500 characters."""
        return str(self)[:TEXT_LIMIT]


class ConnectionFailed(RequestFailed):
    """The connection, not the server's answer, is what failed."""


class Refused(ConnectionFailed):
    """No connection could be opened."""

    error_class = "refused"


class Reset(ConnectionFailed):
    """The connection closed before the response was whole."""

    error_class = "reset"


class TimedOut(RequestFailed):
    """No whole response within the request's time."""

    error_class = "timeout"


class ServerRefusal(RequestFailed):
    """The server answered, and its answer is a refusal."""


class HttpStatus(ServerRefusal):
    """A status other than 200."""

    error_class = "http_status"


class ErrorEvent(ServerRefusal):
    """Status 200, then an error reported inside the stream."""

    error_class = "error_event"


class MalformedEvent(RequestFailed):
    """Bytes that are not HTTP, not SSE, not UTF-8, not JSON or not a completion."""

    error_class = "malformed_event"


class WrongLength(RequestFailed):
    """Not the number of output tokens that was asked for."""


class ShortOutput(WrongLength):
    """Fewer output tokens than were asked for."""

    error_class = "short_output"


class LongOutput(WrongLength):
    """More output tokens than were asked for."""

    error_class = "long_output"


class ServerDeath(RequestFailed):
    """The server's process ended under the request."""

    error_class = "server_death"


def _leaves(kind: type[RequestFailed]) -> list[type[RequestFailed]]:
    below = [leaf for child in kind.__subclasses__() for leaf in _leaves(child)]
    return below or [kind]


LEAVES: dict[str, type[RequestFailed]] = {leaf.error_class: leaf for leaf in _leaves(RequestFailed)}
WRONG_LENGTH = frozenset({"short_output", "long_output"})


def from_transport(error: BaseException) -> RequestFailed:
    """The failure behind an exception that a request raised through httpx.

    Raises the given error again when it is none of the transport's: a mistake of ours is no
    property of the server.
    """
    text = str(error) or type(error).__name__
    match error:
        case RequestFailed():
            return error
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return Refused(text)
        case TimeoutError() | httpx.TimeoutException():
            return TimedOut(text)
        case httpx.RemoteProtocolError():
            return MalformedEvent(text)
        case httpx.NetworkError():
            return Reset(text)
    raise error


def of_status(status: int, body: bytes) -> HttpStatus | None:
    """The failure that an HTTP status means (None for 200), with the start of the body as text."""
    if status == 200:
        return None
    return HttpStatus(f"HTTP {status}: {body.decode('utf-8', 'replace').strip()}"[:TEXT_LIMIT])


def of_length(expected: int | None, got: int) -> WrongLength | None:
    """The failure that a number of output tokens means; None where it is right or was left open."""
    if expected is None or got == expected:
        return None
    kind = ShortOutput if got < expected else LongOutput
    return kind(f"{got} output tokens where {expected} were asked for")


def blame_server_death(error_class: str | None, ended_ns: int | None, death_ns: int | None) -> bool:
    """Whether a connection failure was the server's death.

    death_ns is when the process was seen to be dead (CLOCK_MONOTONIC); its sockets close first, and
    it is looked at a few times a second, so a failure of the connection within the two seconds
    before counts.
    """
    if death_ns is None or error_class not in ("refused", "reset"):
        return False
    return ended_ns is None or ended_ns >= death_ns - 2_000_000_000
