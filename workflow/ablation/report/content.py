"""What a report is made of: sections, tables and figures, and numbers as text.

HTML and Markdown render the same objects.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

NONE = "–"  # noqa: RUF001  (an en dash: nothing here)


@dataclass(frozen=True)
class Cell:
    """Text of a cell; ``kind`` is its class (a verdict, "bad", "good"); ``sort`` its value.

    ``detail`` (an interval) stands below the text, or behind it in Markdown.
    """

    text: str
    kind: str = ""
    sort: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class Column:
    """A column's title, and whether it holds numbers."""

    title: str
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """The first column's cells are the rows' headers. ``source`` says where its numbers stand."""

    id: str
    caption: str
    columns: list[Column]
    rows: list[list[Cell]]
    source: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure: ``data_uri`` for HTML, ``link`` (relative to the report) for Markdown."""

    name: str
    title: str
    alt: str
    data_uri: str
    link: str
    command: str
    source: str = ""


@dataclass
class Section:
    """A part of the report, its content in the order of the fields; ``folded`` when long."""

    id: str
    title: str
    sentences: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    code: list[tuple[str, str]] = field(default_factory=list)
    folded: bool = False


def significant(value: float, digits: int = 4) -> str:
    """A number with this many significant digits and thousands separated; never scientific."""
    if not math.isfinite(value):
        return NONE if math.isnan(value) else ("∞" if value > 0 else "-∞")
    if value == 0:
        return "0"
    places = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{min(places, 9)}f}"


def number(value: Any, digits: int = 4) -> Cell:
    """A numeric cell; nothing for a missing value."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Cell(NONE)
    return Cell(significant(float(value), digits), sort=float(value))


def count(value: int) -> Cell:
    """A whole number."""
    return Cell(f"{int(value):,}", sort=float(value))


def spread(value: float, low: float, high: float, digits: int = 4) -> Cell:
    """``6,682 [6,640, 6,724]``; without its interval when there is none."""
    if math.isnan(value):
        return Cell(NONE)
    detail = ""
    if math.isfinite(low) and math.isfinite(high):
        detail = f"[{significant(low, digits)}, {significant(high, digits)}]"
    return Cell(significant(value, digits), sort=value, detail=detail)


def percent_spread(value: float, low: float, high: float) -> Cell:
    """``+4.08 % [+3.10, +5.02]``."""
    if math.isnan(value):
        return Cell(NONE)
    detail = ""
    if math.isfinite(low) and math.isfinite(high):
        detail = f"[{low:+.2f}, {high:+.2f}]"
    return Cell(f"{value:+.2f} %", sort=value, detail=detail)


def seconds(value: Any) -> str:
    """A duration a person can read: ``45 s``, ``12 min``, ``3.4 h``."""
    if value is None or not math.isfinite(float(value)):
        return NONE
    value = float(value)
    if value < 120:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def unique(values: Iterable[str]) -> list[str]:
    """The values once each, in the order of their first appearance."""
    return list(dict.fromkeys(values))
