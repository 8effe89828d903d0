"""Sockets with the kernel's stamps: what is late, much, broken or stepped on the way."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from ablation.client import sockets

pytestmark = pytest.mark.skipif(not sockets.SUPPORTED, reason="needs epoll")


class Receiver:
    """Keeps what comes, and how it ended."""

    def __init__(self) -> None:
        self.inbox = sockets.Inbox()
        self.looks = 0
        self.lost: list[Exception | None] = []

    def look(self) -> None:
        self.looks += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)

    @property
    def data(self) -> bytes:
        return bytes(self.inbox.view[: self.inbox.end])


class Pair:
    """A receiver on a poller, and the other end of its connection, which blocks."""

    made: ClassVar[list[Pair]] = []

    def __init__(self, poller: sockets.Poller) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            near = socket.create_connection(server.getsockname())
            self.far = server.accept()[0]
        self.receiver = Receiver()
        self.transport = poller.add(near, self.receiver)
        self.made.append(self)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.001)


def run(use: Callable[[sockets.Poller], Any]) -> None:
    async def main() -> None:
        poller = sockets.Poller(asyncio.get_running_loop())
        try:
            await use(poller)
        finally:
            poller.close()
            while Pair.made:
                Pair.made.pop().far.close()

    asyncio.run(main())


def test_a_late_read_has_the_stamp_of_its_arrival() -> None:
    async def use(poller: sockets.Poller) -> None:
        warm, late = Pair(poller), Pair(poller)
        unstamped = -1
        while unstamped != poller.unstamped:  # the kernel begins to stamp soon after it is asked to
            unstamped, size = poller.unstamped, len(warm.receiver.data)
            warm.far.send(b"x")
            await until(lambda size=size: len(warm.receiver.data) > size)
        before = time.monotonic_ns()
        late.far.send(b"now")
        time.sleep(0.2)  # the loop is busy with something else
        read = time.monotonic_ns()
        await until(lambda: late.receiver.data == b"now")
        (stamp,) = late.receiver.inbox.stamps
        assert before - sockets.TIGHT_NS <= stamp < read
        assert poller.unstamped == unstamped

    run(use)


def test_batches_lose_nothing() -> None:
    def send_all(pairs: list[Pair]) -> None:
        for number in range(50):
            for pair in pairs:
                pair.far.send(b"%02d" % number)
            time.sleep(0.0005)

    async def use(poller: sockets.Poller) -> None:
        pairs = [Pair(poller) for _ in range(40)]
        for _ in range(50):
            poller.took(5_000_000_000, reads=100)
        assert poller.patient
        await asyncio.to_thread(send_all, pairs)
        expected = b"".join(b"%02d" % number for number in range(50))
        await until(lambda: all(pair.receiver.data == expected for pair in pairs))
        for pair in pairs:
            stamps, ends = list(pair.receiver.inbox.stamps), list(pair.receiver.inbox.ends)
            assert stamps == sorted(stamps)
            assert ends == sorted(set(ends))
            assert (ends[-1], len(ends)) == (100, len(stamps))

    run(use)


@pytest.mark.parametrize("paused", [False, True])
def test_what_comes_while_a_batch_gathers_is_read_with_it(
    paused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered: list[float] = []

    async def use(poller: sockets.Poller) -> None:
        pairs = [Pair(poller) for _ in range(40)]

        def gather(seconds: float) -> None:
            gathered.append(seconds)
            for pair in pairs[1:] if len(gathered) == 1 else ():
                pair.far.send(b"x")

        monkeypatch.setattr(sockets, "sleep", gather)
        poller._batch_ns = 10**10  # longer than any stall of this machine
        poller._hurried = sockets.HURRIED_READS
        poller._drained_ns = 0 if paused else time.monotonic_ns()
        pairs[0].far.send(b"x")
        await until(lambda: pairs[0].receiver.data == b"x")
        if paused:  # after a pause a single read is not waited with
            assert gathered == []
            return
        await until(lambda: all(pair.receiver.data == b"x" for pair in pairs))
        assert gathered[0] == 10.0

    run(use)


@pytest.mark.parametrize(
    ("exchange_s", "reads"), [(0.4, 2), (4.0, 1000)], ids=["short exchanges", "close events"]
)
def test_no_batches_where_they_would_distort(exchange_s: float, reads: int) -> None:
    async def use(poller: sockets.Poller) -> None:
        for _ in range(50):
            poller.took(int(exchange_s * 1e9), reads)
        assert not poller.patient

    run(use)


@pytest.mark.parametrize(("exchange_s", "longest_ms"), [(1.0, 2), (30.0, 4)])
def test_a_batch_is_a_500th_of_an_exchange_and_a_fifth_of_a_gap(
    exchange_s: float, longest_ms: int
) -> None:
    async def use(poller: sockets.Poller) -> None:
        for _ in range(200):
            poller.took(int(exchange_s * 1e9), 10)
        assert poller.patient
        assert poller._batch_ns == pytest.approx(longest_ms * 1e6, rel=0.001)
        for _ in range(200):
            poller.took(int(exchange_s * 1e9), int(exchange_s / 0.006))
        assert poller._batch_ns == pytest.approx(1.2e6, rel=0.01)

    run(use)


def test_a_step_of_the_clock_is_not_taken_for_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(poller: sockets.Poller) -> None:
        pair = Pair(poller)
        offset = sockets.realtime_offset_ns(0)
        monkeypatch.setattr(sockets, "realtime_offset_ns", lambda _: offset + 3_600_000_000_000)
        before = time.monotonic_ns()
        pair.far.send(b"x")
        await until(lambda: pair.receiver.data == b"x")
        assert before <= pair.receiver.inbox.stamps[0] <= time.monotonic_ns()
        assert poller.unstamped == 1
        assert not poller.patient

    run(use)


def test_more_than_a_socket_takes_is_sent_as_it_can_be() -> None:
    async def use(poller: sockets.Poller) -> None:
        pair = Pair(poller)
        body = bytes(range(256)) * (1 << 16)  # 16 MiB
        pair.transport.write(body[: 1 << 23])
        pair.transport.write(body[1 << 23 :])
        assert pair.transport.fileno() in poller._writing
        got = await asyncio.to_thread(take, pair.far, len(body))
        assert got == body
        await until(lambda: not poller._writing)
        pair.far.send(b"thanks")
        await until(lambda: pair.receiver.data == b"thanks")

    def take(far: socket.socket, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            parts += far.recv(1 << 20)
        return bytes(parts)

    run(use)


def test_ends() -> None:
    async def use(poller: sockets.Poller) -> None:
        closed, reset, aborted = Pair(poller), Pair(poller), Pair(poller)
        closed.far.send(b"last words")
        closed.far.close()
        reset.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        reset.far.close()
        aborted.transport.abort()
        aborted.transport.abort()
        assert aborted.receiver.lost == []  # not before its caller has returned
        await until(lambda: all(pair.receiver.lost for pair in (closed, reset, aborted)))
        assert closed.receiver.data == b"last words"
        assert closed.receiver.lost == aborted.receiver.lost == [None]
        assert isinstance(reset.receiver.lost[0], ConnectionResetError)
        assert aborted.far.recv(10) == b""
        assert not any(poller._inboxes)

    run(use)


def test_a_connection_closed_by_what_it_got_is_not_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "READS_AT_ONCE", 1)

    async def use(poller: sockets.Poller) -> None:
        pairs = [Pair(poller) for _ in range(6)]
        for pair in pairs[::2]:  # and there is more to read: the end
            monkeypatch.setattr(pair.receiver, "look", pair.transport.abort)
        for pair in pairs:
            pair.far.send(b"x")
            pair.far.close()
        while poller._drain():  # nothing here waits for the loop
            pass
        assert [pair.receiver.data for pair in pairs] == [b"x"] * 6
        await until(lambda: all(pair.receiver.lost == [None] for pair in pairs))

    run(use)


@pytest.mark.parametrize("reads_at_once", [1, sockets.READS_AT_ONCE])
def test_the_inbox_grows_and_what_was_taken_stays(
    reads_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "READS_AT_ONCE", reads_at_once)

    async def use(poller: sockets.Poller) -> None:
        pair = Pair(poller)
        body = bytes(range(251)) * 4000  # a million bytes
        sending = asyncio.create_task(asyncio.to_thread(pair.far.sendall, body))
        await until(lambda: len(pair.receiver.data) == len(body))
        await sending
        stamps, ends = pair.receiver.inbox.stamps, pair.receiver.inbox.ends
        assert pair.receiver.data == body
        pair.receiver.inbox.clear()
        assert (pair.receiver.data, len(pair.receiver.inbox.stamps)) == (b"", 0)
        assert (len(stamps), ends[-1]) == (len(ends), len(body))

    run(use)


def test_the_second_address_of_a_host_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # bound, but does not listen
            addresses = [
                (socket.AF_INET, socket.SOCK_STREAM, 0, "", there.getsockname())
                for there in (nobody, server)
            ]

            async def both(*_: object, **__: object) -> list[Any]:
                return addresses

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
            connected = await sockets.connect("two", 80)
            assert connected.getpeername() == server.getsockname()
            connected.close()
            addresses.pop()
            with pytest.raises(ConnectionRefusedError):
                await sockets.connect("one", 80)

    asyncio.run(main())
