"""From the raw bytes of a run to its rows: HTTP, server-sent events and JSON, long after the clock
ran.

An event's time is the stamp of the read that completed it (the read with its blank line). Events
are not tokens: a server under load merges tokens into one event, so tokens come from its usage, and
only where it gives a running usage in every event (`continuous_usage_stats`) are they known event
by event.

A *content event* carries output: for completions any event with choices (its text may be empty:
half a character), for chat one whose delta has content, reasoning or a tool call; the delta that
only names the role comes before the first token's work is shown and does not count.

Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html (9.2.6)
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httptools
import numpy as np
import pyarrow as pa

from ablation.client import failures
from ablation.client.record import RawRecord, RequestReads
from ablation.run.schema import RUN


@dataclass(slots=True)
class Decoded:
    """What one response said. Times are CLOCK_MONOTONIC ns."""

    event_ns: array[int] = field(default_factory=lambda: array("q"))
    event_tokens: array[int] | None = None  # running usage differences; None where any is missing
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    failure: failures.RequestFailed | None = None


def decode_response(reads: RequestReads) -> Decoded:
    """Decode the reads of one response. Never raises: what cannot be decoded is its `failure`."""
    stream = _Stream()
    parser = httptools.HttpResponseParser(stream)
    start = 0
    try:
        for stamp, end in zip(reads.stamps, reads.ends, strict=True):
            stream.now = stamp
            parser.feed_data(reads.data[start:end])
            start = end
            stream.take_events()
        stream.finish()
    except failures.RequestFailed as failure:
        stream.result.failure = stream.result.failure or failure
    except httptools.HttpParserError as error:
        stream.result.failure = failures.MalformedEvent(f"not HTTP/1.1: {error}")
    return stream.result_whole()


class _Stream:
    """Collects body bytes, cuts them into events, and reads each."""

    def __init__(self) -> None:
        self.result = Decoded()
        self.now = 0
        self.body = bytearray()
        self.scanned = 0  # body up to here holds no end of an event
        self.cumulative = array("q")
        self.after_cr = False
        self.done = False

    def on_body(self, body: bytes) -> None:
        if self.after_cr or b"\r" in body:  # lines may end in LF, CR LF or CR: make them LF
            if self.after_cr:
                body = body.removeprefix(b"\n")
            self.after_cr = body.endswith(b"\r")
            body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self.body += body

    def take_events(self) -> None:
        """Read every event that is complete by now."""
        body = self.body
        start = 0
        while (end := body.find(b"\n\n", max(start, self.scanned))) >= 0:
            try:
                self._event(bytes(body[start:end]))
            except failures.RequestFailed as failure:  # the first is kept, and reading goes on
                self.result.failure = self.result.failure or failure
            start = end + 2
            self.scanned = 0
        self.body = body[start:] if start else body
        self.scanned = max(0, len(self.body) - 1)

    def finish(self) -> None:
        """What must be true of a stream that has ended."""
        if self.body.strip():
            raise failures.MalformedEvent(f"the stream ends inside an event: {_start(self.body)}")
        if not self.done:
            raise failures.MalformedEvent("the stream ended without [DONE]")
        if self.result.output_tokens is None:
            raise failures.MalformedEvent("the stream reported no usage; tokens cannot be counted")

    def result_whole(self) -> Decoded:
        """The result, with tokens per event where every content event told the running count."""
        counts = np.diff(self.cumulative, prepend=0)
        if len(counts) == len(self.result.event_ns) and len(counts) and (counts >= 0).all():
            self.result.event_tokens = array("q", counts.tolist())
        return self.result

    def _event(self, event: bytes) -> None:
        if event.startswith(b"data:") and b"\n" not in event:
            data = event[5:].strip()
        else:
            lines = [line for line in event.split(b"\n") if line.startswith(b"data:")]
            data = b"\n".join(line[5:].removeprefix(b" ") for line in lines)
            if not lines:  # a comment, a ping, an event without data
                return
        if data == b"[DONE]":
            self.done = True
            return
        try:
            message = json.loads(data.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise failures.MalformedEvent(f"an event is not UTF-8: {error}") from None
        except (ValueError, RecursionError):
            raise failures.MalformedEvent(f"an event is not JSON: {_start(data)}") from None
        if not isinstance(message, dict):
            raise failures.MalformedEvent(f"an event is no object: {_start(data)}")
        if message.get("error"):
            raise failures.ErrorEvent(f"the server reported: {_start(data)}")
        self._message(message, data)

    def _message(self, message: dict[str, Any], data: bytes) -> None:
        choices, usage = message.get("choices"), message.get("usage")
        try:
            if not isinstance(choices, list | None):
                raise TypeError
            content = _carries_output(choices[0]) if choices else False
            if usage is not None:
                self.result.prompt_tokens = _count(usage["prompt_tokens"])
                self.result.output_tokens = _count(usage.get("completion_tokens", 0))
        except (AttributeError, KeyError, TypeError, IndexError):
            raise failures.MalformedEvent(f"an event is no completion: {_start(data)}") from None
        if choices is None and usage is None:
            raise failures.MalformedEvent(f"an event is no completion: {_start(data)}")
        if content:
            if self.done:
                raise failures.MalformedEvent("content after [DONE]")
            self.result.event_ns.append(self.now)
            if usage is not None:
                self.cumulative.append(self.result.output_tokens or 0)


def _carries_output(choice: dict[str, Any]) -> bool:
    if "delta" not in choice:
        choice["text"]  # a completion has it, though it may be empty
        return True
    delta = choice["delta"]
    content = delta.get("content")
    if content == "" and "role" in delta:
        content = None
    names = ("reasoning_content", "reasoning", "tool_calls", "function_call")
    return content is not None or any(delta.get(name) for name in names)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise TypeError
    return value


def _start(data: bytes | bytearray) -> str:
    text = bytes(data[:200]).decode("utf-8", "replace")
    return text if len(data) <= 200 else f"{text}... ({len(data)} bytes)"


def decode(record: RawRecord) -> pa.Table:
    """The rows of a run (schema.RUN, `in_window` still false: see metrics.mark_window).

    Rows are in the order of their request numbers. One response is in memory at a time, so that
    what this needs grows with the number of events by some 20 bytes each.
    """
    requests = record.requests.sort_by("request")
    numbers = requests["request"].to_pylist()
    errors = dict(zip(numbers, requests["error_class"].to_pylist(), strict=True))
    asked = dict(zip(numbers, requests["output_tokens_asked"].to_pylist(), strict=True))
    decoded: dict[int, Decoded] = {}
    for reads in record.request_reads():
        if reads.request not in errors:
            raise ValueError(
                f"reads.parquet holds request {reads.request}, requests.parquet does not"
            )
        result = decode_response(reads)
        if errors[reads.request] is not None:
            result.failure = None  # what the client saw came first
        elif result.failure is None:
            got = result.output_tokens or 0
            result.failure = failures.of_length(asked[reads.request], got)
        decoded[reads.request] = result
    return _table(requests, [decoded.get(number) or Decoded() for number in numbers])


def _table(requests: pa.Table, decoded: Sequence[Decoded]) -> pa.Table:
    sent_ns = _float(requests["sent_ns"])
    zero = np.nanmin(sent_ns) if np.isfinite(sent_ns).any() else 0.0

    def seconds(name: str) -> Any:
        # Subtract before dividing: nanoseconds since boot fit a float64 exactly, seconds do not.
        return (_float(requests[name]) - zero) / 1e9

    counts = np.array([len(d.event_ns) for d in decoded], dtype=np.int32)
    offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    flat = np.empty(int(offsets[-1]), dtype=np.float64)
    for d, start, end in zip(decoded, offsets[:-1], offsets[1:], strict=True):
        flat[start:end] = (np.asarray(d.event_ns, dtype=np.int64) - np.int64(zero)) / 1e9
    some = counts > 0
    first = np.full(len(decoded), np.nan)
    last = np.full(len(decoded), np.nan)
    first[some], last[some] = flat[offsets[:-1][some]], flat[offsets[1:][some] - 1]
    error_class = [
        d.failure.error_class if d.failure else had
        for d, had in zip(decoded, requests["error_class"].to_pylist(), strict=True)
    ]
    error_text = [
        d.failure.text if d.failure else had
        for d, had in zip(decoded, requests["error_text"].to_pylist(), strict=True)
    ]
    output = np.array([np.nan if d.output_tokens is None else d.output_tokens for d in decoded])
    sent, ended = seconds("sent_ns"), seconds("ended_ns")
    whole = np.array([error is None for error in error_class], dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        tpot = np.where(whole & (output > 1), (last - first) / (output - 1), np.nan)
    columns: dict[str, Any] = {
        "request": requests["request"],
        "worker": requests["worker"],
        "scheduled_s": _nullable(seconds("scheduled_ns")),
        "sent_s": _nullable(sent),
        "first_byte_s": _nullable(seconds("first_byte_ns")),
        "first_token_s": _nullable(first),
        "ended_s": _nullable(ended),
        "status": requests["status"],
        "error_class": pa.array(error_class, pa.string()),
        "error_text": pa.array(error_text, pa.string()),
        "prompt_tokens_asked": requests["prompt_tokens_asked"],
        "output_tokens_asked": requests["output_tokens_asked"],
        "prompt_tokens": pa.array([d.prompt_tokens for d in decoded], pa.int32()),
        "output_tokens": pa.array([d.output_tokens for d in decoded], pa.int32()),
        "events": pa.array(counts, pa.int32()),
        "event_s": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(flat)),
        "event_tokens": pa.array([d.event_tokens for d in decoded], pa.list_(pa.int32())),
        "ttft_s": _nullable(first - sent),
        "tpot_s": _nullable(tpot),
        "e2e_s": _nullable(np.where(whole, ended - sent, np.nan)),
        "in_window": pa.array(np.zeros(len(decoded), dtype=bool)),
    }
    return pa.table(columns, schema=RUN)


def _float(column: pa.ChunkedArray) -> Any:
    return column.to_numpy(zero_copy_only=False).astype(np.float64)


def _nullable(values: Any) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))
