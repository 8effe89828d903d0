"""Regular expressions that a user writes: compiled, short, and without the form that never comes to an end."""

from __future__ import annotations

import re
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LONGEST = 1000
_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT)
_GROUPS = (codes.SUBPATTERN, codes.BRANCH)
_MANY = 1000  # repeats from which on backtracking over them is felt


def check_expression(pattern: str) -> None:
    """Refuse what is no regular expression, is very long, or repeats a repeat. Raises ValueError.

    `(a+)+` tries every way of cutting a text into parts before it says no: on a line of 30 letters a billion. A repeat
    whose body is held together by something that must stand there (`(a+,)+`) is let pass.
    """
    if len(pattern) > LONGEST:
        raise ValueError(
            f"a regular expression of {len(pattern):,} characters; {LONGEST:,} are the most: a few words of the line "
            "are enough"
        )
    try:
        re.compile(pattern)
        parsed = parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    if _repeats_a_repeat(parsed):
        raise ValueError(
            "repeats a repeat, as (a+)+ does, and would take for ever on some line of a log; write it with one of the "
            "two"
        )


def _repeats_a_repeat(items: Any) -> bool:
    """Whether an unbounded repeat stands in another one with nothing beside it that must be there."""
    return any(
        (_is_unbounded(part) and any(map(_is_but_a_repeat, _bodies(part))))
        or any(map(_repeats_a_repeat, _bodies(part)))
        for part in items
    )


def _is_but_a_repeat(items: Any) -> bool:
    parts = list(items)
    for place, part in enumerate(parts):
        if all(map(_may_be_empty, parts[:place] + parts[place + 1 :])):
            if _is_unbounded(part):
                return True
            if part[0] in _GROUPS and any(map(_is_but_a_repeat, _bodies(part))):
                return True
    return False


def _is_unbounded(part: Any) -> bool:
    return part[0] in _REPEATS and part[1][1] >= _MANY


def _bodies(part: Any) -> list[Any]:
    """The sequences of items inside a repeat, a group, an alternative or a look around."""
    operation, argument = part
    if operation in _REPEATS or operation is codes.SUBPATTERN:
        return [argument[-1]]
    if operation in (codes.BRANCH, codes.ASSERT, codes.ASSERT_NOT):
        return list(argument[1]) if operation is codes.BRANCH else [argument[1]]
    return []


def _may_be_empty(part: Any) -> bool:
    if part[0] in _REPEATS and part[1][0] == 0:
        return True
    if part[0] in _REPEATS or part[0] in _GROUPS:
        return any(all(map(_may_be_empty, body)) for body in _bodies(part))
    return part[0] in (codes.AT, codes.ASSERT, codes.ASSERT_NOT)
