"""Decoding raw reads: exact where they are whole, classified where they are not, never a crash."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest

from ablation.client.record import RequestReads
from ablation.run.decode import Decoded, decode_response

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def sse(message: object) -> bytes:
    return b"data: " + json.dumps(message).encode() + b"\n\n"


def token(text: str = " a", **more: object) -> bytes:
    return sse({"choices": [{"index": 0, "text": text}], **more})


def usage(output: int, prompt: int = 7) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}


def closing(output: int) -> bytes:
    return sse({"choices": [], "usage": usage(output)}) + DONE


def chunked(*bodies: bytes) -> list[bytes]:
    chunks = [b"%x\r\n%b\r\n" % (len(body), body) for body in bodies if body]
    return [HEAD, *chunks, END]


def reads(pieces: Sequence[bytes]) -> RequestReads:
    """Piece i arrives at (i + 1) * 100."""
    ends, total = [], 0
    for piece in pieces:
        total += len(piece)
        ends.append(total)
    stamps = [100 * (i + 1) for i in range(len(pieces))]
    return RequestReads(0, stamps, ends, memoryview(b"".join(pieces)))


def decoded(*bodies: bytes) -> Decoded:
    return decode_response(reads(chunked(*bodies)))


def test_an_event_is_stamped_by_the_read_that_completed_it() -> None:
    result = decoded(token(), token(), closing(2))
    assert list(result.event_ns) == [200, 300]
    assert (result.prompt_tokens, result.output_tokens, result.failure) == (7, 2, None)
    assert result.event_tokens is None


def test_merged_events_share_a_stamp_and_a_split_one_has_that_of_its_end() -> None:
    whole = token("split")
    result = decoded(token() + token(), whole[:5], whole[5:-1], whole[-1:] + token(), closing(4))
    assert list(result.event_ns) == [200, 200, 500, 500]
    assert result.failure is None


def test_running_usage_gives_tokens_per_event() -> None:
    events = [token(usage=usage(n)) for n in (1, 3, 4)]
    result = decoded(*events, closing(4))
    assert result.event_tokens is not None
    assert list(result.event_tokens) == [1, 2, 1]
    assert decoded(token(), *events, closing(5)).event_tokens is None
    assert decoded(*reversed(events), closing(4)).event_tokens is None


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("cut", [1, 2, 3, 1000])
def test_every_line_end_and_every_cut(newline: bytes, cut: int) -> None:
    body = b": ping\n\n" + token() + b"event: x\nid: 3\n\n" + token("é\n") + closing(2)
    stream = b"".join(chunked(body.replace(b"\n", newline)))
    result = decode_response(reads([stream[i : i + cut] for i in range(0, len(stream), cut)]))
    assert result.failure is None
    assert len(result.event_ns) == 2


def test_data_over_several_lines_is_one_event() -> None:
    event = b'data: {"choices":\ndata: [{"text": "a"}]}\n\n'
    assert len(decoded(event, closing(1)).event_ns) == 1


def chat(**delta: object) -> bytes:
    return sse({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


def test_chat_counts_output_and_not_the_role() -> None:
    result = decoded(
        chat(role="assistant", content=""),
        chat(content="a"),
        chat(content=""),  # half a character
        chat(reasoning_content="hm"),
        chat(tool_calls=[{"index": 0}]),
        chat(role="assistant", content="b"),
        chat(),  # only the finish reason
        closing(5),
    )
    assert list(result.event_ns) == [300, 400, 500, 600, 700]
    assert result.failure is None


def test_a_length_instead_of_chunks() -> None:
    body = token() + closing(1)
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert decode_response(reads([head, body])).failure is None


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b'data: {"choices": [{"text": "a"}\n\n', "malformed_event", "not JSON"),
        (b'data: {"choices": [{"text": "\xff"}]}\n\n', "malformed_event", "not UTF-8"),
        (b"data: [1]\n\n", "malformed_event", "no object"),
        (b"data: null\n\n", "malformed_event", "no object"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "malformed_event", "not JSON"),
        (sse({"object": "x"}), "malformed_event", "no completion"),
        (sse({"choices": "abc"}), "malformed_event", "no completion"),
        (sse({"choices": 3}), "malformed_event", "no completion"),
        (sse({"choices": [None]}), "malformed_event", "no completion"),
        (sse({"choices": [{"delta": None}]}), "malformed_event", "no completion"),
        (sse({"choices": [{"finish_reason": "stop"}]}), "malformed_event", "no completion"),
        (sse({"choices": [], "usage": 3}), "malformed_event", "no completion"),
        (
            sse({"choices": [], "usage": {"prompt_tokens": -1}}),
            "malformed_event",
            "no completion",
        ),
        (
            sse({"choices": [], "usage": {"prompt_tokens": True}}),
            "malformed_event",
            "no completion",
        ),
        (sse({"error": {"message": "out of memory"}}), "error_event", "out of memory"),
    ],
)
def test_bad_events_are_named_and_good_ones_around_them_kept(
    body: bytes, kind: str, text: str
) -> None:
    result = decoded(token(), body, token(), closing(2))
    assert result.failure is not None
    assert result.failure.error_class == kind
    assert text in result.failure.text
    assert len(result.failure.text) <= 500
    assert list(result.event_ns) == [200, 400]
    assert result.output_tokens == 2


@pytest.mark.parametrize(
    ("bodies", "text"),
    [
        ((token(), sse({"choices": [], "usage": usage(1)})), r"without \[DONE\]"),
        ((token(), DONE), "no usage"),
        ((token(), closing(1), b"data: {"), "ends inside an event"),
        ((token(), closing(1), token()), r"after \[DONE\]"),
    ],
)
def test_streams_that_end_wrongly(bodies: tuple[bytes, ...], text: str) -> None:
    import re

    failure = decoded(*bodies).failure
    assert failure is not None
    assert re.search(text, failure.text)


def test_bytes_that_are_no_http() -> None:
    failure = decode_response(reads([b"\x00\x01"])).failure
    assert failure is not None
    assert "not HTTP/1.1" in failure.text
    broken = decode_response(reads([HEAD, b"zz\r\n"]))
    assert broken.failure is not None


def test_a_huge_event_in_many_reads() -> None:
    stream = b"".join(chunked(token("x" * (8 << 20)), closing(1)))
    pieces = [stream[i : i + 65_536] for i in range(0, len(stream), 65_536)]
    result = decode_response(reads(pieces))
    assert result.failure is None
    assert len(result.event_ns) == 1


def hostile(rng: random.Random) -> tuple[list[bytes], int, bool]:
    """A stream of some events: its pieces, how many are content, and whether any is bad."""
    parts, good, bad = [], 0, False
    for _ in range(rng.randrange(1, 12)):
        match rng.randrange(8):
            case 0:
                parts.append(
                    rng.randbytes(rng.randrange(1, 60))
                    .replace(b"\n", b"")
                    .join([b"data: ", b"\n\n"])
                )
                bad = True
            case 1:
                parts.append(b'data: {"choices": [{"text": "\xc3"}]}\n\n')
                bad = True
            case 2:
                parts.append(token("x" * rng.randrange(100_000)))
                good += 1
            case 3:
                parts.append(b": comment \xff\n\n")
            case 4:
                parts.append(sse(rng.choice([1, "a", {}, {"choices": {}}, {"usage": []}])))
                bad = True
            case _:
                parts.append(token(rng.choice(["", "é", "\u2028", "\\n"])))
                good += 1
    rng.shuffle(parts)
    stream = b"".join(chunked(*parts, closing(max(good, 1))))
    pieces, at = [], 0
    while at < len(stream):
        size = rng.choice([1, 2, 7, 50, 1000, 100_000])
        pieces.append(stream[at : at + size])
        at += size
    return pieces, good, bad


def test_ten_thousand_hostile_events_lose_nothing() -> None:
    rng = random.Random(5)
    events = 0
    while events < 10_000:
        pieces, good, bad = hostile(rng)
        result = decode_response(reads(pieces))
        assert len(result.event_ns) == good
        assert (result.failure is not None) == bad
        assert list(result.event_ns) == sorted(result.event_ns)
        events += good + 1


def test_random_bytes_never_raise() -> None:
    rng = random.Random(6)
    for _ in range(2000):
        pieces, *_ = hostile(rng)
        stream = bytearray(b"".join(pieces)[:3000])
        for _ in range(rng.randrange(1, 20)):
            stream[rng.randrange(len(stream))] = rng.randrange(256)
        decode_response(reads([bytes(stream[: rng.randrange(len(stream))])]))
