"""A transport for httpx that records when each read arrived, and the bytes of it.

Plain HTTP/1.1 with keep-alive over sockets of our own (see sockets), whose reads carry the kernel's time of arrival.
Over TLS, and where there is no Linux, over an `asyncio.Protocol` that looks at the clock at each read. What happens for
each read is kept to the least: a stamp and a look for the end of the message. Nothing is decoded. httpx is the
interface, and its cost is paid once a request, never per event.

    transport = RecordingTransport("http://127.0.0.1:8000")
    await transport.open(500)
    async with Client(transport=transport) as client:
        request = transport.prepare(client.build_request("POST", url, content=body))
        recording = request.extensions["recording"]
        await client.send(request, stream=True)      # returns when the response is whole
        recording.stamps                             # CLOCK_MONOTONIC ns of each read's arrival

Never a silent retry: a connection that fails under a request fails that request. One that the
server closes between requests is opened again for the next request, and counted (`reopened`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any, cast

import httptools
import httpx

from ablation.client import sockets

# The end of an event that is a chunk of its own. A chunked message ends in two line ends (CR LF CR LF),
# so a read that ends like this cannot be its last, and the parser may wait: it sees it with the next.
EVENT_END = b"\n\n\r\n"


@dataclass(slots=True)
class Recording:
    """What one exchange put on the wire and when (ns of CLOCK_MONOTONIC, 0: it did not happen)."""

    sent_ns: int = 0
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    stamps: Sequence[int] = field(default_factory=list)  # one per read
    ends: Sequence[int] = ()  # offset in data after each read
    data: bytes = b""  # the bytes as read, HTTP framing included
    complete: bool = False

    def keep(self, inbox: sockets.Inbox) -> None:
        """Take what was read."""
        self.stamps, self.ends = inbox.stamps, inbox.ends
        self.data = bytes(inbox.view[: inbox.end])
        inbox.clear()

    def reads(self) -> list[bytes]:
        """The bytes of each read, in order."""
        starts = [0, *self.ends[:-1]]
        return [self.data[a:b] for a, b in zip(starts, self.ends, strict=True)]


class Connection(asyncio.Protocol):
    """One connection: at most one exchange at a time."""

    def __init__(self, pool: RecordingTransport) -> None:
        self._pool = pool
        self.inbox = sockets.Inbox()
        self._recording: Recording | None = None
        self._parsed = 0  # bytes that the parser has seen
        self._done: asyncio.Future[None] | None = None
        self._keep_alive = True
        self._until_close = False
        self.transport: asyncio.Transport | sockets.StampedTransport | None = None
        self._parser: Any = None

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport. A high-water mark of 0 makes uvloop write at once, not at the end of
        its loop iteration, so that the stamp of a send is that of the system call."""
        self.transport = plain = cast(
            asyncio.Transport, transport
        )  # uvloop's is none by inheritance
        plain.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        """Stamp and keep what asyncio has read."""
        self.inbox.add(data, monotonic_ns())
        if not data.endswith(self.inbox.quiet):
            self.look()

    def look(self) -> None:
        """Look for the end of the message in what the parser has not seen."""
        if self._recording is None:  # nobody asked for these bytes: the connection is spent
            self.abort()
            return
        start, self._parsed = self._parsed, self.inbox.end
        try:
            self._parser.feed_data(self.inbox.view[start : self._parsed])
        except Exception as error:
            self._fail(httpx.RemoteProtocolError(f"not HTTP/1.1: {error}"))
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange: as it should where the body lasts until the close, else as a failure."""
        self.transport = None
        self._pool.forget(self)
        recording = self._recording
        if recording is None:
            return
        if exc is None and self._until_close:
            self._finish()
            return
        where = f"after {reads} reads" if (reads := len(self.inbox.ends)) else "before any byte"
        why = f" ({exc})" if exc else ""
        self._fail(httpx.ReadError(f"connection closed by the server {where}{why}"))

    # httptools' side

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header of the response."""
        assert self._recording is not None
        self._recording.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Note status, and whether the body has an end of its own."""
        assert self._recording is not None
        self._recording.status = self._parser.get_status_code()
        names = {name.lower() for name, _ in self._recording.headers}
        chunked = b"transfer-encoding" in names
        self.inbox.quiet = (EVENT_END,) if chunked else ()
        self._until_close = not chunked and b"content-length" not in names

    def on_message_complete(self) -> None:
        """The response is whole."""
        if self._recording is None or not self._recording.status >= 200:
            return  # 100 Continue and the like
        self._keep_alive = self._parser.should_keep_alive()
        self._finish()

    # ours

    async def exchange(self, wire: bytes, recording: Recording) -> None:
        """Write a request and return when its response is whole; raises httpx's errors."""
        assert self.transport is not None
        assert self._recording is None
        self._recording = recording
        self._done = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._until_close, self._parsed = False, 0
        self.inbox.clear()
        recording.sent_ns = monotonic_ns()
        self.transport.write(wire)
        try:
            await self._done
        except BaseException:  # bytes may still be in flight: the connection is spent
            self.abort()
            raise
        finally:
            recording.keep(self.inbox)
        if not self._keep_alive:
            self.abort()

    @property
    def usable(self) -> bool:
        """Whether another request may be sent on it."""
        return self.transport is not None and self._keep_alive and not self.transport.is_closing()

    def abort(self) -> None:
        """Close at once."""
        self._recording = None
        if self.transport is not None:
            self.transport.abort()

    def _finish(self) -> None:
        assert self._recording is not None
        self._recording.complete = True
        self._recording = None
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _fail(self, error: httpx.TransportError) -> None:
        self._recording = None
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)


class NoCookies(httpx.Cookies):
    """Cookies that take none."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Leave them in the response."""


class Client(httpx.AsyncClient):
    """An `httpx.AsyncClient` whose requests do not depend on each other's responses.

    No cookies, no redirects, no authentication flow, no event hooks: a benchmark has no use for them,
    and looking for them is most of what httpx costs for a request. What a server needs to know of the
    client (a key, say) stands in the client's headers.
    """

    _none = NoCookies()

    @property
    def cookies(self) -> httpx.Cookies:
        """None, ever."""
        return self._none

    @cookies.setter
    def cookies(self, cookies: Any) -> None:
        raise TypeError("this client carries no cookies")

    async def send(
        self, request: httpx.Request, *, stream: bool = False, **_: Any
    ) -> httpx.Response:
        """Send a request as it is; what is answered, a redirect too, is the response. With `stream`, the
        body is left for the caller to read. Raises httpx's transport errors, RuntimeError once closed."""
        if self.is_closed:
            raise RuntimeError("Cannot send a request, as the client has been closed.")
        response = await self._transport.handle_async_request(request)
        response.request = request
        if not stream:
            await response.aread()
        return response


class RecordedBody(httpx.AsyncByteStream):
    """The body of a recorded response, without its framing, for those who read it through httpx."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body in one piece."""
        yield body_of(self._recording.data)


class _Body:
    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)


def body_of(raw: bytes) -> bytes:
    """The body inside raw HTTP/1.1 response bytes; what there is of it where they are cut or
    broken."""
    body = _Body()
    with contextlib.suppress(httptools.HttpParserError):
        httptools.HttpResponseParser(body).feed_data(raw)
    return b"".join(body.parts)


class RecordingTransport(httpx.AsyncBaseTransport):
    """Connections to one origin, opened beforehand, each carrying one request at a time.

    url       http(s)://host[:port]; the path is ignored
    opened    connections opened, ever
    reopened  of them those that a request had to wait for, because the server had closed the one that
              was opened for it, or a failure had
    """

    def __init__(self, url: str, *, connect_timeout_s: float = 30.0) -> None:
        parsed = httpx.URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError(f"{url!r} is no http(s)://host:port address")
        self._host = parsed.host
        self._port = parsed.port or (443 if parsed.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parsed.scheme == "https" else None
        self._connect_timeout_s = connect_timeout_s
        self._poller: sockets.Poller | None = None
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self.opened = 0
        self.reopened = 0

    async def open(self, connections: int) -> None:
        """Open connections until so many are idle. Raises httpx.ConnectError."""
        missing = connections - len(self._idle)
        # Few at a time: a listen queue is often 128 long and drops what is beyond.
        for start in range(0, missing, 64):
            made = await asyncio.gather(*(self._connect() for _ in range(min(64, missing - start))))
            self._idle.extend(made)

    async def renew(self, connections: int) -> None:
        """Close every idle connection and open fresh ones, so that none is about to be closed for
        having been idle too long."""
        for connection in list(self._idle):
            self._all.discard(connection)
            connection.abort()
        self._idle.clear()
        await self.open(connections)

    @staticmethod
    def prepare(request: httpx.Request, content: bytes | None = None) -> httpx.Request:
        """Build the bytes of a request ahead of time, and give it its Recording.

        content  the body, where httpx is not to hold a second copy of it (the request then has to
                 name its length itself)
        """
        request.extensions = {
            **request.extensions,
            "wire": _wire(request, request.read() if content is None else content),
            "recording": Recording(),
        }
        return request

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return when its response is whole. Raises httpx's transport errors."""
        wire = request.extensions.pop("wire", None) or _wire(request, await request.aread())
        recording = request.extensions.get("recording") or Recording()
        connection = await self._take()
        await connection.exchange(wire, recording)
        if self._poller is not None:
            self._poller.took(recording.stamps[-1] - recording.sent_ns, len(recording.stamps))
        if connection.usable:
            self._idle.append(connection)
        return httpx.Response(
            recording.status,
            headers=recording.headers,
            stream=RecordedBody(recording),
            extensions={"recording": recording},
        )

    async def aclose(self) -> None:
        """Close every connection."""
        connections, self._all = list(self._all), set()
        self._idle.clear()
        for connection in connections:
            connection.abort()
        if self._poller is not None:
            self._poller.close()
            self._poller = None

    @property
    def unstamped_reads(self) -> int | None:
        """Reads whose stamp is not the kernel's; None where none is (TLS, another system than Linux)."""
        return self._poller.unstamped if self._poller is not None else None

    def forget(self, connection: Connection) -> None:
        """A connection is gone (called by the connection)."""
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        self.reopened += 1
        return await self._connect()

    async def _connect(self) -> Connection:
        connection = Connection(self)
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._join(connection)
        except TimeoutError:
            raise httpx.ConnectTimeout(
                f"no connection to {self._host}:{self._port} in {self._connect_timeout_s:g} s"
            ) from None
        except OSError as error:
            raise httpx.ConnectError(f"{self._host}:{self._port}: {error}") from error
        self.opened += 1
        self._all.add(connection)
        return connection

    async def _join(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        if self._tls is not None or not sockets.SUPPORTED:
            await loop.create_connection(lambda: connection, self._host, self._port, ssl=self._tls)
            return
        connected = await sockets.connect(self._host, self._port)
        self._poller = self._poller or sockets.Poller(loop)
        connection.transport = self._poller.add(connected, connection)


def _wire(request: httpx.Request, content: bytes) -> bytes:
    head = [request.method.encode() + b" " + request.url.raw_path + b" HTTP/1.1"]
    head += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join(head) + b"\r\n\r\n" + content
