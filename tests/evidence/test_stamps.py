"""The times in front of a log's lines: the readers get the server's own words back, and the times beside them."""

import random
import re

from ablation.evidence import collect, tail
from ablation.evidence.stamps import (
    Line,
    is_stamped,
    read_log,
    split_lines,
    stamped_lines,
    unstamped,
)
from ablation.session.guard import Stamper, stamp
from tests.evidence.claims import claim
from tests.evidence.healthy import HEALTHY

NOW = stamp(1_795_402_722_123_456_789, 7138_204_518_999)


def test_the_format():
    assert NOW == b"2026-11-23T02:58:42.123456Z 7138.204518 | "
    assert stamp(1_798_761_599_999_999_999, 5) == b"2026-12-31T23:59:59.999999Z 0.000000 | "
    assert stamped_lines(f"{NOW.decode()}INFO all is well\n") == [
        Line("INFO all is well", 7138.204518)
    ]


def stamped_by_the_guard(output: bytes, pieces: random.Random) -> bytes:
    """An output as the guard would write it that read it in pieces."""
    stamper, at, found = Stamper(), 0, b""
    while at < len(output):
        size = pieces.choice((1, 2, 3, 7, 50, 5000))
        found += stamper.add(output[at : at + size], NOW)
        at += size
    return found


def test_without_its_stamps_a_log_is_what_the_server_said_byte_for_byte():
    drawn = random.Random(1)
    for _ in range(300):
        parts = drawn.choices(
            [b"\n", b"\r", b"\r\n", b"\n\n", b"INFO x", b"\xff\xfe", b"\x00", b"\xe2\x80\xa8", b"\x0b",
             b"\x1b[32mgreen", b"a" * 300, NOW],
            k=drawn.randrange(40),
        )  # fmt: skip
        output = b"".join(parts)
        log = stamped_by_the_guard(output, drawn)
        # A server's own line that looks like a stamp is the server's: one stamp is taken off each line.
        assert re.sub(rb"(?<![^\r\n])" + re.escape(NOW), b"", log) == output
        lines = re.split(rb"\r\n|\r|\n", log)
        assert all(line.startswith(NOW) for line in lines[:-1])
        assert lines[-1].startswith(NOW) or not lines[-1]


def test_every_evidence_is_the_same_with_stamps_and_without():
    for name, log in HEALTHY.items():
        kept = stamped_by_the_guard(log.encode(), random.Random(name)).decode()
        assert is_stamped(kept) is bool(log)
        assert unstamped(kept) == log
        arm = claim(evidence="version 0.3")
        assert collect(unstamped(kept), arm) == collect(log, arm)
        assert [line.text for line in stamped_lines(kept)] == split_lines(log)
        assert tail(unstamped(kept)) == tail(log)


def test_an_old_log_has_no_times_and_is_left_as_it_is():
    log = HEALTHY["cpu, ready"]
    assert not is_stamped(log)
    assert unstamped(log) == log
    assert {line.at_s for line in stamped_lines(log)} == {None}


def test_only_ends_of_lines_end_lines():
    text = "a\u2028b\x0bc\x0cd\x1ce\x85f\ng\r\nh\ri"
    assert split_lines(text) == ["a\u2028b\x0bc\x0cd\x1ce\x85f", "g", "h", "i"]
    assert split_lines("") == []
    assert split_lines("a\n\nb\n") == ["a", "", "b"]


def test_a_line_that_lost_its_stamp_has_the_time_of_the_one_before():
    log = f"{NOW.decode()}one\n2026-11-23T02:5\n"
    assert [line.at_s for line in stamped_lines(log)] == [7138.204518] * 2


def test_a_log_that_is_not_there_and_one_that_is_not_utf_8(tmp_path):
    assert read_log(tmp_path / "server.log") is None
    (tmp_path / "server.log").write_bytes(NOW + b"\xff\x00\r" + NOW + b"100%\n")
    text = read_log(tmp_path / "server.log")
    assert unstamped(text) == "\ufffd\x00\n100%\n"
