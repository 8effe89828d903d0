"""The bytes of the reference server: HTTP responses and the events of a stream, as vLLM writes
them."""

from __future__ import annotations

import json
from typing import Any

LAST_CHUNK = b"0\r\n\r\n"


def stream_head(keep_alive: bool) -> bytes:
    """The head of a streamed response."""
    close = b"" if keep_alive else b"connection: close\r\n"
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        b"transfer-encoding: chunked\r\n" + close + b"\r\n"
    )


def response(status: str, body: bytes, kind: str = "application/json") -> bytes:
    """A whole response with a length."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def chunk(data: bytes) -> bytes:
    """Data as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(data: bytes) -> bytes:
    """Data as one server-sent event, in its own chunk."""
    return chunk(b"data: " + data + b"\n\n")


class Writer:
    """Events of one stream, in the shape of its route."""

    def __init__(self, body: dict[str, Any], name: str, prompt_tokens: int) -> None:
        self.chat = "messages" in body
        self.prompt_tokens = prompt_tokens
        options = body.get("stream_options") or {}
        self.usage = bool(options.get("include_usage"))
        self.running_usage = self.usage and bool(options.get("continuous_usage_stats"))
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        self.base = {"id": name, "object": kind, "created": 0, "model": body.get("model")}
        self._token = self._choice(" word")
        self._plain = event(self._token)

    def role(self) -> bytes:
        """The first event of a chat, which names the role and carries no token."""
        if not self.chat:
            return b""
        choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        return event(self._dump({"choices": [choice]}))

    def tokens(self, sent: int) -> bytes:
        """An event of output, after which `sent` tokens have been sent."""
        if not self.running_usage:
            return self._plain
        return event(self._token[:-1] + b',"usage":' + self._usage(sent) + b"}")

    def huge(self, size: int) -> bytes:
        """An event of one token with a text of so many bytes."""
        return event(self._choice("x" * size))

    def end(self, sent: int) -> bytes:
        """Usage (where it was asked for), [DONE] and the end of the body."""
        usage = b""
        if self.usage:
            data = self._dump({"choices": []})
            usage = event(data[:-1] + b',"usage":' + self._usage(sent) + b"}")
        return usage + event(b"[DONE]") + LAST_CHUNK

    def whole(self, tokens: int, logprobs: dict[str, Any] | None = None) -> bytes:
        """The answer to a request that does not stream; `logprobs` where they were asked for."""
        text = " word" * tokens
        choice = (
            {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}
        )
        usage = json.loads(self._usage(tokens))
        choices = [{"index": 0, "finish_reason": "length", "logprobs": logprobs, **choice}]
        return response("200 OK", self._dump({"choices": choices, "usage": usage}))

    def _choice(self, text: str) -> bytes:
        part = {"delta": {"content": text}} if self.chat else {"text": text}
        rest = {"logprobs": None, "finish_reason": None, "stop_reason": None, "token_ids": None}
        return self._dump({"choices": [{"index": 0, **part, **rest}]})

    def _usage(self, sent: int) -> bytes:
        return b'{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d}' % (
            self.prompt_tokens,
            self.prompt_tokens + sent,
            sent,
        )

    def _dump(self, more: dict[str, Any]) -> bytes:
        return json.dumps(self.base | more, separators=(",", ":")).encode()
