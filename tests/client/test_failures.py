"""The failure tree: complete, drawn as it is, and every exception finds its leaf."""

from __future__ import annotations

import re

import httpx
import pytest

from ablation.client import failures


def test_the_docstring_draws_the_tree_that_there_is() -> None:
    drawn = re.findall(r"[├└]── (\w+) +([a-z_]+) ", failures.__doc__ or "")
    assert dict(drawn) == {leaf.__name__: name for name, leaf in failures.LEAVES.items()}
    inner = re.findall(r"[├└]── (\w+)$", failures.__doc__ or "", re.MULTILINE)
    assert set(inner) == {"ConnectionFailed", "ServerRefusal", "WrongLength"}


@pytest.mark.parametrize(
    ("error", "leaf"),
    [
        (httpx.ConnectError("x"), "refused"),
        (httpx.ConnectTimeout("x"), "refused"),
        (httpx.ReadError("x"), "reset"),
        (httpx.WriteError("x"), "reset"),
        (httpx.ReadTimeout("x"), "timeout"),
        (TimeoutError(), "timeout"),
        (httpx.RemoteProtocolError("x"), "malformed_event"),
        (failures.ErrorEvent("x"), "error_event"),
    ],
)
def test_what_the_transport_raises_finds_its_leaf(error: Exception, leaf: str) -> None:
    failure = failures.from_transport(error)
    assert failure.error_class == leaf
    assert failure.text


def test_our_own_mistakes_are_not_the_servers() -> None:
    with pytest.raises(ZeroDivisionError):
        failures.from_transport(ZeroDivisionError())


def test_a_status_keeps_the_start_of_its_body() -> None:
    assert failures.of_status(200, b"") is None
    failure = failures.of_status(500, b"\xff" * 9000)
    assert failure is not None
    assert failure.text.startswith("HTTP 500: ")
    assert len(failure.text) == failures.TEXT_LIMIT


def test_lengths() -> None:
    assert failures.of_length(None, 3) is None
    assert failures.of_length(3, 3) is None
    short, long = failures.of_length(3, 2), failures.of_length(3, 4)
    assert isinstance(short, failures.ShortOutput)
    assert isinstance(long, failures.LongOutput)
    assert str(short) == "2 output tokens where 3 were asked for"


@pytest.mark.parametrize(
    ("error_class", "ended_s", "blamed"),
    [
        ("reset", 9.5, True),
        ("refused", 11.0, True),
        ("reset", None, True),
        ("reset", 5.0, False),
        ("timeout", 9.9, False),
        (None, 9.9, False),
    ],
)
def test_what_a_dying_server_is_blamed_for(
    error_class: str | None, ended_s: float | None, blamed: bool
) -> None:
    ended = None if ended_s is None else int(ended_s * 1e9)
    assert failures.blame_server_death(error_class, ended, 10_000_000_000) is blamed
    assert not failures.blame_server_death(error_class, ended, None)
