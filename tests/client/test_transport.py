"""The transport against servers that do what they are told, byte by byte."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from ablation.client import sockets
from ablation.client.transport import Client, Recording, RecordingTransport, body_of


@pytest.fixture(params=["kernel", "asyncio"], autouse=True)
def stamps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything here holds with the kernel's stamps and, where there are none, with asyncio's reads."""
    if request.param == "asyncio":
        monkeypatch.setattr(sockets, "SUPPORTED", False)


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    return head + await reader.readexactly(length)


class Server:
    """Talks to each connection as told, and keeps the requests it saw."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.seen: list[bytes] = []
        self.connections = 0

    async def __aenter__(self) -> Server:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.seen.append(await read_request(reader))
                await self.talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def answer(*pieces: bytes, close: bool = False, pause_s: float = 0.02) -> Talk:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        if close:
            raise ConnectionError

    return talk


def post(client: httpx.AsyncClient, url: str) -> httpx.Request:
    return RecordingTransport.prepare(client.build_request("POST", url, content=b'{"a": 1}'))


def run(talk: Talk, use: Callable[[Server, RecordingTransport, httpx.AsyncClient], Any]) -> Any:
    async def main() -> Any:
        async with Server(talk) as server:
            transport = RecordingTransport(server.url)
            async with httpx.AsyncClient(transport=transport, timeout=None) as client:
                return await use(server, transport, client)

    return asyncio.run(main())


def fails(talk: Talk) -> tuple[Exception, Recording, Server]:
    async def use(server: Server, _: RecordingTransport, client: httpx.AsyncClient) -> Any:
        request = post(client, server.url)
        with pytest.raises(httpx.TransportError) as caught:
            await client.send(request, stream=True)
        await asyncio.sleep(0.05)
        return caught.value, request.extensions["recording"], server

    result: tuple[Exception, Recording, Server] = run(talk, use)
    return result


def test_every_read_is_stamped_and_kept() -> None:
    pieces = (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"3\r\nabc\r\n",
        b"4\r\nde",
        b"fg\r\n0\r\n\r\n",
    )

    async def use(server: Server, transport: RecordingTransport, client: httpx.AsyncClient) -> None:
        before = time.monotonic_ns()
        response = await client.send(post(client, server.url), stream=True)
        recording = response.extensions["recording"]
        assert recording.complete
        assert recording.reads() == list(pieces)
        stamps = list(recording.stamps)
        assert before <= recording.sent_ns <= stamps[0]
        assert stamps == sorted(stamps)
        assert stamps[-1] <= time.monotonic_ns()
        assert await response.aread() == b"abcdefg"
        assert server.seen[0].startswith(b"POST / HTTP/1.1\r\n")
        assert server.seen[0].endswith(b'\r\n\r\n{"a": 1}')

    run(answer(*pieces), use)


EVENT = b"9\r\ndata: a\n\n\r\n"


@pytest.mark.parametrize(
    "end",
    [(b"0\r\n\r\n",), (b"0\r\n", b"\r\n"), (b"0\r\n\r", b"\n"), (b"0\r\nx: y\r\n\r\n",)],
)
def test_the_end_is_found_behind_events_that_the_parser_waits_for(end: tuple[bytes, ...]) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    pieces = (head, EVENT, EVENT + EVENT[:4], EVENT[4:], *end)

    async def use(server: Server, transport: RecordingTransport, client: httpx.AsyncClient) -> None:
        for _ in range(2):
            response = await client.send(post(client, server.url), stream=True)
            assert response.extensions["recording"].reads() == list(pieces)
            assert await response.aread() == b"data: a\n\n" * 3
        assert transport.opened == 1

    run(answer(*pieces), use)


def test_no_cookie_is_carried_on() -> None:
    setting = b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\nhi"

    async def use(server: Server, transport: RecordingTransport, _: httpx.AsyncClient) -> None:
        async with Client(transport=transport) as client:
            for _ in range(2):
                response = await client.post(server.url, json={})
                assert response.headers["set-cookie"] == "a=b"
        assert b"cookie" not in server.seen[1].lower()

    run(answer(setting), use)


def test_a_length_is_believed_whatever_the_body_ends_in() -> None:
    pieces = (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", b"a\n\n\r\n")

    async def use(server: Server, _: RecordingTransport, client: httpx.AsyncClient) -> None:
        response = await client.send(post(client, server.url), stream=True)
        assert await response.aread() == b"a\n\n\r\n"

    run(answer(*pieces), use)


def test_connections_are_opened_beforehand_and_kept() -> None:
    async def use(server: Server, transport: RecordingTransport, client: httpx.AsyncClient) -> None:
        await transport.open(3)
        for _ in range(5):
            await client.send(post(client, server.url), stream=True)
        assert (transport.opened, transport.reopened, server.connections) == (3, 0, 3)
        await transport.renew(2)
        assert transport.opened == 5

    run(answer(OK), use)


def test_used_as_an_ordinary_transport() -> None:
    async def use(server: Server, _: RecordingTransport, client: httpx.AsyncClient) -> None:
        response = await client.post(server.url, json={})
        assert (response.status_code, response.text) == (200, "hi")

    run(answer(OK), use)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nconnection: close\r\n\r\n"]
)
def test_a_body_without_length_lasts_until_the_close(head: bytes) -> None:
    async def use(server: Server, _: RecordingTransport, client: httpx.AsyncClient) -> None:
        response = await client.send(post(client, server.url), stream=True)
        assert await response.aread() == b"all of it"

    run(answer(head, b"all of ", b"it", close=True), use)


def test_a_connection_closed_after_its_response_is_opened_again_and_counted() -> None:
    closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi"

    async def use(server: Server, transport: RecordingTransport, client: httpx.AsyncClient) -> None:
        await transport.open(1)
        for _ in range(3):
            await client.send(post(client, server.url), stream=True)
        assert (transport.opened, transport.reopened) == (3, 2)

    run(answer(closing), use)


def test_an_informational_response_is_not_the_response() -> None:
    async def use(server: Server, _: RecordingTransport, client: httpx.AsyncClient) -> None:
        response = await client.send(post(client, server.url), stream=True)
        assert response.status_code == 200
        assert await response.aread() == b"hi"

    run(answer(b"HTTP/1.1 100 Continue\r\n\r\n", OK), use)


@pytest.mark.parametrize("part", [b"", OK[:10], OK[:-1]])
def test_a_close_under_a_request_is_a_failure_and_no_retry(part: bytes) -> None:
    error, recording, server = fails(answer(part, close=True))
    assert isinstance(error, httpx.ReadError)
    assert "closed by the server" in str(error)
    assert (bytes(recording.data), recording.complete) == (part, False)
    assert len(server.seen) == server.connections == 1


def test_a_reset_is_a_failure() -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        raise ConnectionError

    error, _, server = fails(talk)
    assert isinstance(error, httpx.ReadError)
    assert server.connections == 1


def test_bytes_that_are_no_http_are_a_failure() -> None:
    error, recording, _ = fails(answer(b"\x00\x01\x02 nonsense\r\n\r\n"))
    assert isinstance(error, httpx.RemoteProtocolError)
    assert recording.data.startswith(b"\x00")


def test_nobody_listens() -> None:
    async def main() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
            with pytest.raises(httpx.ConnectError, match=r"127\.0\.0\.1"):
                await RecordingTransport(url).open(1)

    asyncio.run(main())


def test_a_cancelled_request_gives_its_connection_up() -> None:
    async def use(server: Server, transport: RecordingTransport, client: httpx.AsyncClient) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.send(post(client, server.url), stream=True)
        await asyncio.sleep(0.05)
        server.talk = answer(OK)
        response = await client.send(post(client, server.url), stream=True)
        assert await response.aread() == b"hi"
        assert server.connections == 2

    run(answer(OK[:-1], pause_s=10), use)


def test_unasked_bytes_spend_an_idle_connection() -> None:
    async def use(server: Server, transport: RecordingTransport, client: httpx.AsyncClient) -> None:
        await client.send(post(client, server.url), stream=True)
        await asyncio.sleep(0.1)  # the second response comes without a request
        await client.send(post(client, server.url), stream=True)
        assert server.connections == 2

    run(answer(OK, OK, pause_s=0.05), use)


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://x", "http://"])
def test_an_address_must_be_one(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        RecordingTransport(url)


def test_the_body_of_cut_bytes_is_what_there_is() -> None:
    raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n9\r\nde"
    assert body_of(raw) == b"abcde"
    assert body_of(b"\x00") == b""
