"""TCP sockets whose reads come with the time at which the kernel received the bytes (Linux).

The kernel stamps each packet as it arrives (SO_TIMESTAMPNS, socket(7)); a read takes the stamp of its last packet
along. So how late we are to read changes no measurement, and where many streams run at once their
sockets can be read in batches, not at a wake-up each.

    poller = Poller(loop)
    transport = poller.add(connected_socket, receiver)   # the part of asyncio.Transport that a receiver needs
    receiver.inbox                                       # gets each read and its stamp, CLOCK_MONOTONIC ns
    receiver.look()                                      # when a read may matter to it
    receiver.connection_lost(error)                      # at its end

What a batch delays is the next request of a closed loop; so there are none before requests are seen to take
500 times as long.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from array import array
from time import monotonic_ns, sleep, time_ns
from typing import Protocol

SUPPORTED = hasattr(select, "epoll")

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python has no name for it
STAMP = struct.Struct("@qq")  # struct timespec of 64 bits: seconds, nanoseconds
ANCILLARY_BYTES = 64
FIRST_ROOM_BYTES = 1 << 16
LEAST_ROOM_BYTES = 1 << 14  # for a read

# Longer batches were not seen to cost less.
BATCH_NS = 1_000_000
# There are batches where an exchange takes so many times as long, and two reads of a stream are so far apart.
EXCHANGE_PER_BATCH, GAP_PER_BATCH = 500, 5
HURRIED_READS = 8  # in a row, each within a quarter of a batch of the last
# CLOCK_REALTIME, in which the kernel stamps, is only ever set by steps: slewing changes both clocks alike.
STEP_NS = 1_000_000
TIGHT_NS = 10_000


class Inbox:
    """What has come for a receiver: bytes in one piece, where each read ends, and its stamp.

    No object is kept for a read: with 500 streams, memory that is not in the cache is most of what one costs.

    buffer, view, size  room, which grows and is used again for what comes next
    end                 how much of it is filled
    quiet               ends of a read after which the receiver need not look
    """

    __slots__ = ("buffer", "end", "ends", "quiet", "size", "stamps", "view")

    def __init__(self) -> None:
        self._room(FIRST_ROOM_BYTES)
        self.clear()

    def clear(self) -> None:
        """Begin anew; what was handed out stays as it is."""
        self.end = 0
        self.stamps = array("q")
        self.ends = array("q")
        self.quiet: tuple[bytes, ...] = ()

    def add(self, data: bytes, stamp_ns: int) -> None:
        """Take a read that was made elsewhere."""
        while self.size - self.end < len(data):
            self.grow()
        start, self.end = self.end, self.end + len(data)
        self.view[start : self.end] = data
        self.stamps.append(stamp_ns)
        self.ends.append(self.end)

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

    __slots__ = ("_closing", "_poller", "_socket", "_unsent", "inbox", "receiver", "recvmsg_into")

    def __init__(self, poller: Poller, connected: socket.socket, receiver: Receiver) -> None:
        self._poller = poller
        self._socket = connected
        self._unsent = b""
        self._closing = False
        self.receiver = receiver
        self.inbox = receiver.inbox
        self.recvmsg_into = connected.recvmsg_into

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
        self._transports: dict[int, StampedTransport] = {}
        self._writing: set[int] = set()
        self._drained_ns = 0
        self._offset_ns = realtime_offset_ns(0)
        self._exchange_ns = self._gap_ns = 0.0
        self._hurried = 0
        self._all_stamped = True
        self.unstamped = 0
        loop.add_reader(self._epoll.fileno(), self._ready)

    def add(self, connected: socket.socket, receiver: Receiver) -> StampedTransport:
        """Watch a connected socket, which is this poller's from now on."""
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        transport = StampedTransport(self, connected, receiver)
        self._transports[transport.fileno()] = transport
        self._epoll.register(transport.fileno(), select.EPOLLIN)
        return transport

    def watch(self, transport: StampedTransport, *, writable: bool) -> None:
        """Look also whether there is room to write, or no longer."""
        descriptor = transport.fileno()
        if writable != (descriptor in self._writing):
            (self._writing.add if writable else self._writing.discard)(descriptor)
            self._epoll.modify(descriptor, select.EPOLLIN | (select.EPOLLOUT if writable else 0))

    def drop(self, transport: StampedTransport) -> None:
        """Forget a socket that is about to be closed."""
        descriptor = transport.fileno()
        self._writing.discard(descriptor)
        if self._transports.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def took(self, exchange_ns: int, reads: int) -> None:
        """Learn what an exchange took and how far apart its reads were (running means over some ten)."""
        self._exchange_ns += (exchange_ns - self._exchange_ns) / 10
        self._gap_ns += (exchange_ns / reads - self._gap_ns) / 10

    def close(self) -> None:
        """Close the sockets that are left, and stop watching."""
        if not self._epoll.closed:
            for transport in list(self._transports.values()):
                transport.abort()
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    @property
    def patient(self) -> bool:
        """Whether a batch does no harm: stamps are the kernel's, no read may take two events for one, and the next
        request of a closed loop does not wait for long."""
        return (
            self._all_stamped
            and self._exchange_ns > EXCHANGE_PER_BATCH * BATCH_NS
            and self._gap_ns > GAP_PER_BATCH * BATCH_NS
        )

    def _ready(self) -> None:
        """A socket is readable. Where that goes on so often that a batch would have several, gather them first: asleep,
        since whatever a read sets off has run by now, and a timer of the loop costs as much as an event."""
        since_ns = monotonic_ns() - self._drained_ns
        if self._hurried >= HURRIED_READS and since_ns < BATCH_NS:
            sleep(BATCH_NS / 1e9)
            several = self._drain() > 1
            self._hurried = HURRIED_READS if several and self.patient else 0
        else:
            self._drain()
            self._hurried = self._hurried + 1 if since_ns < BATCH_NS / 4 and self.patient else 0

    def _drain(self) -> int:
        """Read every readable socket once; returns how many there were."""
        events = self._epoll.poll(0)
        offset = realtime_offset_ns(self._offset_ns)
        stepped, self._offset_ns = abs(offset - self._offset_ns) > STEP_NS, offset
        unstamped, readable = self.unstamped, select.EPOLLIN
        transports, unpack = self._transports, STAMP.unpack
        for descriptor, mask in events:
            transport = transports.get(descriptor)
            if transport is None:
                continue  # closed by what came just before
            if mask != readable and mask & select.EPOLLOUT:
                transport.flush()
                if mask == select.EPOLLOUT or transport.is_closing():
                    continue
            inbox = transport.inbox
            start = inbox.end
            if inbox.size - start < LEAST_ROOM_BYTES:
                inbox.grow()
            try:
                count, ancillary, _, _ = transport.recvmsg_into(
                    (inbox.view[start:],), ANCILLARY_BYTES
                )
            except BlockingIOError:
                continue
            except OSError as error:
                transport.end(error)
                continue
            if not count:
                transport.end(None)
                continue
            if ancillary and not stepped:
                seconds, nanoseconds = unpack(ancillary[0][2])
                inbox.stamps.append(seconds * 1_000_000_000 + nanoseconds - offset)
            else:
                self.unstamped += 1
                inbox.stamps.append(monotonic_ns())
            inbox.end = end = start + count
            inbox.ends.append(end)
            if not inbox.buffer.endswith(inbox.quiet, start, end):
                transport.receiver.look()
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
