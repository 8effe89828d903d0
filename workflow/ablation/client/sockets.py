"""TCP sockets whose reads come with the time at which the kernel received the bytes (Linux).

The kernel stamps each packet as it arrives (SO_TIMESTAMPNS, socket(7)); a read takes the stamp of its last packet
along. So how late we are to read changes no measurement, and where many streams run at once their
sockets can be read in batches, not at a wake-up each.

    poller = Poller(loop)
    transport = poller.add(connected_socket, receiver)   # the part of asyncio.Transport that a receiver needs
    receiver.inbox                                       # gets each read and its stamp, CLOCK_MONOTONIC ns
    receiver.look()                                      # when a read may matter to it
    receiver.connection_lost(error)                      # at its end

What a batch delays is the next request of a closed loop: by a 500th of what a request takes, at most, or there are
none.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from array import array
from collections.abc import Callable
from time import monotonic_ns, sleep, time_ns
from typing import Protocol

SUPPORTED = hasattr(select, "epoll")

# Each arrival is told once (edge-triggered), so that a socket which has been read is not looked at again.
NEWS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET if SUPPORTED else 0

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python has no name for it
STAMP = struct.Struct("@qq")  # struct timespec of 64 bits: seconds, nanoseconds
ANCILLARY_BYTES = 64
FIRST_ROOM_BYTES = 1 << 16
LEAST_ROOM_BYTES = 1 << 14  # for a read

# Exchanges take at least so many times as long as a batch, and the reads of a stream are so many times as far apart.
EXCHANGE_PER_BATCH, GAP_PER_BATCH = 500, 5
# Shorter batches are not worth their wake-up; of 4 ms they were seen to cost a fifth less than of 1 ms.
SHORTEST_BATCH_NS, LONGEST_BATCH_NS = 1_000_000, 4_000_000
HURRIED_READS = 8  # in a row, each within a quarter of a batch of the last
READS_AT_ONCE = 16  # of one socket, before the others have their turn
# CLOCK_REALTIME, in which the kernel stamps, is only ever set by steps: slewing changes both clocks alike.
STEP_NS = 1_000_000
TIGHT_NS = 10_000


class Inbox:
    """What has come for a receiver: bytes in one piece, where each read ends, and its stamp.

    No object is kept for a read: with 500 streams, memory that is not in the cache is most of what one costs. So
    what a read needs of its connection is here too.

    buffer, view, size  room, which grows and is used again for what comes next
    end                 how much of it is filled
    reads               stamp and end of each, in turn
    quiet               ends of a read after which the receiver need not look
    transport, recv     where it comes from
    """

    __slots__ = ("buffer", "end", "quiet", "reads", "recv", "size", "transport", "view")

    transport: StampedTransport
    recv: Callable[..., tuple[int, list[tuple[int, int, bytes]], int, object]]

    def __init__(self) -> None:
        self._room(FIRST_ROOM_BYTES)
        self.clear()

    def clear(self) -> None:
        """Begin anew; what was handed out stays as it is."""
        self.end = 0
        self.reads = array("q")
        self.quiet: tuple[bytes, ...] = ()

    def add(self, data: bytes, stamp_ns: int) -> None:
        """Take a read that was made elsewhere."""
        while self.size - self.end < len(data):
            self.grow()
        start, self.end = self.end, self.end + len(data)
        self.view[start : self.end] = data
        self.reads.append(stamp_ns)
        self.reads.append(self.end)

    @property
    def stamps(self) -> array[int]:
        """CLOCK_MONOTONIC ns of each read."""
        return self.reads[::2]

    @property
    def ends(self) -> array[int]:
        """Where each read ends in the buffer."""
        return self.reads[1::2]

    def grow(self) -> None:
        """Twice the room."""
        filled = self.view[: self.end]
        self._room(2 * self.size)
        self.view[: self.end] = filled

    def _room(self, size: int) -> None:
        self.size = size
        self.buffer = bytearray(size)
        self.view = memoryview(self.buffer)


class Receiver(Protocol):
    """Who is told."""

    inbox: Inbox

    def look(self) -> None:
        """Something new is in the inbox."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: closed by the other side or by abort() (None), or broken."""


class StampedTransport:
    """One connection's way out, and its end."""

    __slots__ = ("_closing", "_poller", "_socket", "_unsent", "receiver")

    def __init__(self, poller: Poller, connected: socket.socket, receiver: Receiver) -> None:
        self._poller = poller
        self._socket = connected
        self._unsent = b""
        self._closing = False
        self.receiver = receiver
        receiver.inbox.transport = self
        receiver.inbox.recv = connected.recvmsg_into

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def is_closing(self) -> bool:
        """Whether it is at its end."""
        return self._closing

    def write(self, data: bytes) -> None:
        """Send at once what the socket takes, the rest as soon as it can."""
        waiting = bool(self._unsent)
        self._unsent += data
        if not waiting and not self._closing:
            self.flush()

    def flush(self) -> None:
        """Send what is left."""
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.end(error)
            return
        waited = len(self._unsent) > sent
        self._unsent = self._unsent[sent:] if waited else b""
        self._poller.watch(self, writable=waited)

    def abort(self) -> None:
        """Close at once."""
        self.end(None)

    def end(self, error: Exception | None) -> None:
        """Close, and tell the receiver, but not before it has returned from what it is doing."""
        if not self._closing:
            self._closing = True
            self._poller.drop(self)
            self._socket.close()
            asyncio.get_running_loop().call_soon(self.receiver.connection_lost, error)


class Poller:
    """Reads all its sockets, as they become readable or in batches.

    unstamped  reads without a stamp of the kernel, which got the time at which they were read
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._inboxes: list[Inbox | None] = []  # by descriptor
        self._writing: set[int] = set()
        self._drained_ns = 0
        self._offset_ns = realtime_offset_ns(0)
        self._exchange_ns = self._gap_ns = 0.0
        self._batch_ns = 0
        self._hurried = 0
        self._all_stamped = True
        self.unstamped = 0
        loop.add_reader(self._epoll.fileno(), self._ready)

    def add(self, connected: socket.socket, receiver: Receiver) -> StampedTransport:
        """Watch a connected socket, which is this poller's from now on."""
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        descriptor = connected.fileno()
        self._inboxes += [None] * (descriptor + 1 - len(self._inboxes))
        self._inboxes[descriptor] = receiver.inbox
        transport = StampedTransport(self, connected, receiver)
        self._epoll.register(descriptor, NEWS)
        return transport

    def watch(self, transport: StampedTransport, *, writable: bool) -> None:
        """Look also whether there is room to write, or no longer."""
        descriptor = transport.fileno()
        if writable != (descriptor in self._writing):
            (self._writing.add if writable else self._writing.discard)(descriptor)
            self._arm(descriptor)

    def _arm(self, descriptor: int) -> None:
        """Be told what there is now, and what comes."""
        out = select.EPOLLOUT if descriptor in self._writing else 0
        self._epoll.modify(descriptor, NEWS | out)

    def drop(self, transport: StampedTransport) -> None:
        """Forget a socket that is about to be closed."""
        descriptor = transport.fileno()
        self._writing.discard(descriptor)
        if self._inboxes[descriptor] is not None:
            self._inboxes[descriptor] = None
            self._epoll.unregister(descriptor)

    def took(self, exchange_ns: int, reads: int) -> None:
        """Learn what an exchange took and how far apart its reads were (running means over some ten)."""
        self._exchange_ns += (exchange_ns - self._exchange_ns) / 10
        self._gap_ns += (exchange_ns / reads - self._gap_ns) / 10
        allowed = min(self._exchange_ns / EXCHANGE_PER_BATCH, self._gap_ns / GAP_PER_BATCH)
        self._batch_ns = min(int(allowed), LONGEST_BATCH_NS) if allowed > SHORTEST_BATCH_NS else 0

    def close(self) -> None:
        """Close the sockets that are left, and stop watching."""
        if not self._epoll.closed:
            for inbox in self._inboxes:
                if inbox is not None:
                    inbox.transport.abort()
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    @property
    def patient(self) -> bool:
        """Whether a batch does no harm: stamps are the kernel's, no read may take two events for one, and the next
        request of a closed loop does not wait for long."""
        return self._all_stamped and self._batch_ns > 0

    def _ready(self) -> None:
        """A socket is readable. Where that goes on so often that a batch would have several, gather them first: asleep,
        since whatever a read sets off has run by now, and a timer of the loop costs as much as an event."""
        since_ns, batch_ns = monotonic_ns() - self._drained_ns, self._batch_ns
        if self._hurried >= HURRIED_READS and since_ns < batch_ns:
            sleep(batch_ns / 1e9)
            several = self._drain() > 1
            self._hurried = HURRIED_READS if several and self.patient else 0
        else:
            self._drain()
            self._hurried = self._hurried + 1 if since_ns < batch_ns / 4 and self.patient else 0

    def _drain(self) -> int:
        """Read what has come on any socket; returns on how many there was news."""
        events = self._epoll.poll(0)
        offset = realtime_offset_ns(self._offset_ns)
        stepped, self._offset_ns = abs(offset - self._offset_ns) > STEP_NS, offset
        unstamped, readable = self.unstamped, select.EPOLLIN
        inboxes, unpack = self._inboxes, STAMP.unpack
        for descriptor, mask in events:
            inbox = inboxes[descriptor]
            if inbox is None:
                continue  # closed by what came just before
            if mask != readable and mask & select.EPOLLOUT:
                inbox.transport.flush()
                if mask == select.EPOLLOUT or inbox.transport.is_closing():
                    continue
            for _ in range(READS_AT_ONCE):
                start = inbox.end
                room = inbox.size - start
                if room < LEAST_ROOM_BYTES:
                    inbox.grow()
                    room = inbox.size - start
                try:
                    count, ancillary, _, _ = inbox.recv((inbox.view[start:],), ANCILLARY_BYTES)
                except BlockingIOError:
                    break
                except OSError as error:
                    inbox.transport.end(error)
                    break
                if not count:
                    inbox.transport.end(None)
                    break
                reads = inbox.reads
                if ancillary and not stepped:
                    seconds, nanoseconds = unpack(ancillary[0][2])
                    reads.append(seconds * 1_000_000_000 + nanoseconds - offset)
                else:
                    self.unstamped += 1
                    reads.append(monotonic_ns())
                inbox.end = end = start + count
                reads.append(end)
                if not inbox.buffer.endswith(inbox.quiet, start, end):
                    inbox.transport.receiver.look()
                if mask == readable and count < room:
                    break  # that was all; what comes from now on is news
            else:  # there may be more: have it told again
                if inboxes[descriptor] is inbox:  # not closed by what it got
                    self._arm(descriptor)
        self._all_stamped = self.unstamped == unstamped
        self._drained_ns = monotonic_ns()
        return len(events)


def realtime_offset_ns(known: int) -> int:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC; the known one where we were interrupted between the two, thrice."""
    for _ in range(3):
        before = monotonic_ns()
        real = time_ns()
        after = monotonic_ns()
        if after - before < TIGHT_NS:
            return real - (before + after) // 2
    return known


async def connect(host: str, port: int) -> socket.socket:
    """A connected socket, by the first of the host's addresses that takes us. Raises OSError."""
    loop = asyncio.get_running_loop()
    refused: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        connecting = socket.socket(family, kind, protocol)
        connecting.setblocking(False)
        try:
            await loop.sock_connect(connecting, address)
        except OSError as error:
            connecting.close()
            refused = refused or error
        except BaseException:
            connecting.close()
            raise
        else:
            return connecting
    raise refused or OSError(f"{host} has no address")
