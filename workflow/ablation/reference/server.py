"""The reference server's connections: OpenAI routes over an asyncio protocol.

Events are written with `write(2)` itself, right after the engine's stamp, not through an event
loop's buffers. `GET /truth` returns what really happened, and forgets it.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import time
from typing import Any, cast

import httptools

from ablation.reference.engine import Engine, Stream
from ablation.reference.wire import Writer, response


class Peer(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.stream: Stream | None = None
        self.transport: asyncio.Transport | None = None
        self.cut = False
        self.parts: list[bytes] = []
        self.path = b""
        self.parser: Any = None
        self.buffered = False
        self.fd = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the file descriptor: tokens are written to it directly."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.engine.peers.add(self)
        self.transport.set_write_buffer_limits(high=0)
        self.fd = transport.get_extra_info("socket").fileno()
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.write(response("400 Bad Request", f'{{"error":"{error}"}}'.encode()))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: its stream, too."""
        self.transport = None
        self.engine.peers.discard(self)
        if self.stream is not None and self.stream.due_ns:
            self.engine.leave(self.stream, whole=False)

    def on_url(self, url: bytes) -> None:
        """A request begins."""
        self.path, self.parts = url.partition(b"?")[0], []

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self.parts.append(body)

    def on_message_complete(self) -> None:
        """Answer a request."""
        received = time.monotonic_ns()
        engine, path = self.engine, self.path
        if path in (b"/v1/completions", b"/v1/chat/completions"):
            self._complete(received)
        elif path == b"/health":
            self.write(response("200 OK", b""))
        elif path == b"/v1/models":
            data = {"object": "list", "data": [{"id": engine.model, "object": "model"}]}
            self.write(response("200 OK", json.dumps(data).encode()))
        elif path == b"/version":
            self.write(response("200 OK", b'{"version":"reference (simulated)"}'))
        elif path == b"/metrics":
            self.write(response("200 OK", engine.metrics(), "text/plain; version=0.0.4"))
        elif path == b"/truth":
            self.write(response("200 OK", json.dumps(engine.truth()).encode()))
        else:
            self.write(response("404 Not Found", b'{"error":"no such route"}'))

    def _complete(self, received: int) -> None:
        engine = self.engine
        try:
            body = json.loads(b"".join(self.parts))
            if body["model"] != engine.model:
                error = f"The model `{body['model']}` does not exist."
                self.write(response("404 Not Found", json.dumps({"error": error}).encode()))
                return
            total = int(body.get("max_tokens") or body.get("max_completion_tokens") or 16)
            writer = Writer(body, f"cmpl-{received}", _prompt_tokens(body))
        except (ValueError, KeyError, TypeError) as error:
            text = json.dumps({"error": f"bad request: {error!r}"}).encode()
            self.write(response("400 Bad Request", text))
            return
        if not body.get("stream"):
            top = body.get("logprobs")
            found = None if top is None else engine.answers.complete(body.get("prompt"), total, top)
            self.write(writer.whole(total, found))
            return
        number = next(engine.counter)
        fault = engine.fault_of(number)
        if fault == "status":
            self.write(response("500 Internal Server Error", b'{"error":"planted"}'))
            return
        if fault == "refuse":
            engine.stop_listening()
        self.stream = Stream(self, writer, number, total, received, fault)
        engine.submit(self.stream)

    def write(self, data: bytes) -> None:
        """Write now, by the system call itself; through the loop what the socket does not take."""
        if self.transport is None:
            return
        pieces = [data]
        if self.cut:
            pieces = [data[i : i + 1 + i % 7] for i in _cuts(len(data))]
        for piece in pieces:
            if not self.buffered:
                try:
                    piece = piece[os.write(self.fd, piece) :]
                except BlockingIOError:
                    pass
                except OSError:
                    return  # gone: connection_lost follows
            if piece:
                self.engine.blocked += 1
                self.transport.write(piece)

    def pause_writing(self) -> None:
        """The socket is full: write behind what the loop holds."""
        self.buffered = True

    def resume_writing(self) -> None:
        """The loop holds nothing any more."""
        self.buffered = False

    def close(self) -> None:
        """FIN."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """RST: close with linger 0."""
        if self.transport is not None:
            with socket.socket(fileno=os.dup(self.fd)) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()


def _cuts(length: int) -> list[int]:
    cuts, at = [], 0
    while at < length:
        cuts.append(at)
        at += 1 + at % 7
    return cuts


def _prompt_tokens(body: dict[str, Any]) -> int:
    if "messages" in body:
        contents = [message["content"] for message in body["messages"]]
        texts = [
            part.get("text", "")
            for content in contents
            for part in ([{"text": content}] if isinstance(content, str) else content)
        ]
        return sum(len(text.split()) for text in texts)
    prompt = body["prompt"]
    return len(prompt.split()) if isinstance(prompt, str) else len(prompt)


async def serve(engine: Engine, host: str, port: int) -> asyncio.Server:
    """Listen; port 0 takes a free one (see the server's sockets)."""
    loop = asyncio.get_running_loop()
    engine.server = await loop.create_server(
        lambda: Peer(engine), host, port, backlog=4096, reuse_address=True
    )
    return engine.server
