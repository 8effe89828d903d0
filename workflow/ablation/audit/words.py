"""How numbers and rows of a published table are called in a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ablation.audit.judge import Audit, Group, Judged
from ablation.audit.spread import Ends
from ablation.statistics.recommendation import levels_words

# More names than this are a count.
MOST_NAMES = 8
# As many levels are named one by one.
MOST_LISTED = 20


def size(row: Judged) -> str:
    """The difference with the decimals that are printed; two where it is computed."""
    printed = row.row.difference_percent
    if printed is None:
        return points(row.difference_percent)
    places = max(0, round(-math.log10(2 * printed.half_unit)))
    return f"{printed.value:+.{places}f} %"


def points(value: float) -> str:
    """A signed percentage: ``+4.08 %``; two decimals, and more only below 0.1."""
    if not math.isfinite(value):
        return "an infinite difference"
    digits = 3 if 0 < abs(value) < 0.095 else 2
    return f"{value:+.{digits}f} %" if value else "0 %"


def cov_words(percent: float) -> str:
    """A CoV in percent with two digits."""
    return f"{percent:.2g}" if percent < 10 else f"{percent:.0f}"


def half_words(ends: Ends) -> str:
    """A half-width at both ends of the spread, once where they are alike."""
    low, high = (f"{end:.1f}" for end in ends)
    return low if low == high else f"{low} to {high}"


def one_spread(row: Judged) -> bool:
    """Whether the smallest and the largest spread are the same."""
    return math.isclose(*row.half_width_percent)


def levels_of(rows: Sequence[Judged]) -> list[int]:
    """The levels of these rows, where they have one."""
    return [row.row.level for row in rows if row.row.level is not None]


def prefix(group: Group) -> str:
    """The group's names before a sentence about it."""
    return f"{group.title}: " if group.title else ""


def rows_of(group: Group, rows: Sequence[Judged]) -> str:
    """Rows of one group by their levels."""
    measured = levels_of(group.rows)
    name = group.title or "the table"
    if len(measured) != len(group.rows) or len(set(measured)) != len(measured):
        return f"{name}, {listed([row.row.where for row in rows])}"
    return f"{name} at {levels_words(levels_of(rows), measured)}"


def name_of(row: Judged, audit: Audit) -> str:
    """A row by its group and level."""
    title = ", ".join(part for part in row.row.group if part)
    where = row.row.where if row.row.level is not None or not title else ""
    own = title if len(audit.groups) > 1 else ""
    return " at ".join(part for part in (own, where) if part) or row.row.where


def these(rows: Sequence[Judged], audit: Audit) -> str:
    """Rows of a table, by name or by number."""
    if len(rows) == len(audit.rows):
        return {1: "The one row", 2: "Both rows"}.get(len(rows), f"All {len(rows)} rows")
    if len(rows) > MOST_NAMES:
        return f"{len(rows)} of {len(audit.rows)} rows"
    return listed([name_of(row, audit) for row in rows])


def listed(names: Sequence[object]) -> str:
    """Every name, or the first twenty and how many more: nothing is hidden in a range."""
    words = [str(name) for name in names]
    if len(words) > MOST_LISTED:
        words = [*words[: MOST_LISTED - 1], f"{len(words) - MOST_LISTED + 1} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def runs_of(row: Judged) -> str:
    """``medians of 3 runs an arm``, ``1 and 2 runs``."""
    a, b = row.row.baseline, row.row.arm
    assert a is not None
    assert b is not None
    statistic = "medians of " if "median" in (a.statistic, b.statistic) and (row.n or 0) > 2 else ""
    if a.n == b.n:
        return f"{statistic}{a.n} run{'s' if a.n != 1 else ''} an arm"
    return f"{a.n} and {b.n} runs"


def spread_words(row: Judged) -> str:
    """Which spread is lacking: ``3 runs an arm, and no spread is printed``."""
    arms = [arm for arm in (row.row.baseline, row.row.arm) if arm is not None]
    known = [arm for arm in arms if arm.cov_percent is not None or len(arm.repeats) > 1]
    return (
        f"{runs_of(row)}, and {'the spread of one arm only' if known else 'no spread'} is printed"
    )
