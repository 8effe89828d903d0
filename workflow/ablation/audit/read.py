"""Reads a published table: CSV (comma, semicolon or tab) or a Markdown table, with comment lines.

Comment lines start with ``#``. Those of the form ``# title: …``, ``# source: …``, ``# claim: …``, ``# note: …`` and
``# baseline: …`` (the name of the baseline's arm in a table of one row an arm) are read; others are ignored.
What a heading may be stands in ``columns.py`` and in docs/published-tables.md.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ablation.audit.columns import Column, column, normal
from ablation.audit.rows import Line, long_rows, wide_rows
from ablation.audit.table import AuditError, PublishedTable

LARGEST_BYTES = 5_000_000
SAID = ("title", "source", "claim", "note", "baseline")
HEADINGS = (
    "such as model, hardware, backend, concurrency, baseline_tok_s, arm_tok_s, baseline_1, arm_1, baseline_median, "
    "arm_sd, cov_baseline_low_percent, n, n_baseline, requests, paired, pair, difference_percent, ratio, slowdown "
    "or note (docs/published-tables.md lists them)"
)


@dataclass(frozen=True)
class _Text:
    """Comment lines by their key, and the other lines with their numbers."""

    said: dict[str, list[str]]
    lines: list[tuple[int, str]]


def read_published(path: Path) -> PublishedTable:
    """The table in a file. Raises AuditError naming the file, line, column, value and the remedy."""
    text = _split(path, _read(path))
    if not text.lines:
        raise AuditError(f"{path}: is empty; it must hold a heading and at least one row")
    cells = _cells(path, text.lines)
    (line, headings), body = cells[0], cells[1:]
    columns = _columns(path, line, headings)
    if not body:
        raise AuditError(f"{path}, line {line}: the heading has no row below it; add the rows")
    lines = [Line(path, number, dict(zip(columns, values, strict=True))) for number, values in body]
    if any(c.kind == "arm_name" for c in columns):
        rows, reading = long_rows(lines, columns, (text.said.get("baseline") or [""])[0])
    else:
        if "baseline" in text.said and not any(c.kind in ("ratio", "slowdown") for c in columns):
            raise AuditError(
                f"{path}: '# baseline: {text.said['baseline'][0]}' names an arm, and no column 'arm' holds "
                "names; add the column or remove the comment"
            )
        rows, reading = wide_rows(lines, columns)
        reading += [
            f"The baseline is {name}, as the comment says."
            for name in text.said.get("baseline", [])
        ]
    values = [c for c in columns if c.kind == "value"]
    metrics = {c.metric for c in values}
    units = {c.unit for c in values}
    if len(metrics) > 1 or len(units - {""}) > 1:
        raise AuditError(
            f"{path}, line {line}: {', '.join(repr(c.heading) for c in values)} are values of different metrics; "
            "one table holds one metric, so write a file for each"
        )
    metric = next(iter(metrics), "")
    return PublishedTable(
        name=path.stem,
        rows=tuple(rows),
        title=" ".join(text.said.get("title", [])),
        source=" ".join(text.said.get("source", [])),
        claim=" ".join(text.said.get("claim", [])),
        notes=tuple(text.said.get("note", [])),
        reading=tuple(reading),
        metric=metric or "throughput",
        unit=next(iter(units - {""}), ""),
        less_is_better=bool(metric),
        columns=tuple(c.heading for c in columns if c.kind == "identity"),
    )


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise AuditError(
                f"{path}: {path.stat().st_size:,} bytes; a published table has at most "
                f"{LARGEST_BYTES:,}: name the table, not the raw data"
            )
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise AuditError(
            f"{path}: cannot be read ({error.strerror}); name a readable CSV file"
        ) from None
    except UnicodeDecodeError as error:
        raise AuditError(
            f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8 CSV"
        ) from None
    if "\0" in text:
        raise AuditError(f"{path}: holds NUL bytes; save it as UTF-8 CSV")
    return text


def _split(path: Path, text: str) -> _Text:
    said: dict[str, list[str]] = {}
    lines = []
    # Not splitlines(): U+2028 and its like are no line ends in a CSV.
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if line.lstrip().startswith("#"):
            key, colon, value = line.lstrip("# \t").partition(":")
            if colon and key.strip().lower() in SAID and value.strip():
                said.setdefault(key.strip().lower(), []).append(value.strip())
        elif line.strip():
            lines.append((number, line))
    for key in ("title", "baseline"):
        if len(said.get(key, [])) > 1:
            raise AuditError(f"{path}: has {len(said[key])} comments '# {key}:'; keep one")
    return _Text(said, lines)


def _cells(path: Path, lines: Sequence[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    first = lines[0][1].strip()
    if first.startswith("|"):
        split = [
            (number, [cell.strip() for cell in line.strip().strip("|").split("|")])
            for number, line in lines
        ]
        rule = r":?-+:?"
        return _checked(
            path, [row for row in split if not all(re.fullmatch(rule, cell) for cell in row[1])]
        )
    delimiter = max(",;\t", key=first.count)
    found = []
    for number, line in lines:
        try:
            (values,) = csv.reader([line], delimiter=delimiter, strict=True)
        except (csv.Error, ValueError) as error:
            raise AuditError(
                f"{path}, line {number}: cannot be split into cells ({error}); a quoted cell must end on its line"
            ) from None
        found.append((number, [value.strip() for value in values]))
    return _checked(path, found)


def _checked(path: Path, rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """The rows, each as long as the heading."""
    width = len(rows[0][1])
    for number, values in rows[1:]:
        if len(values) != width:
            raise AuditError(
                f"{path}, line {number}: {len(values)} cells where the heading has {width}; quote a number with "
                'thousands separators ("1,653") and leave no cell out'
            )
    return rows


def _columns(path: Path, line: int, headings: list[str]) -> list[Column]:
    named = [column(heading) for heading in headings]
    # "arm" beside a column of the baseline's values is the arm's value; alone it holds names.
    sided = any(c is not None and c.side == "baseline" and c.kind == "value" for c in named)
    columns = []
    for heading, found in zip(headings, named, strict=True):
        if (
            found is not None
            and found.kind == "arm_name"
            and sided
            and normal(heading) in {"arm", "variant"}
        ):
            found = Column(heading, "value", side="arm")
        if found is None:
            raise AuditError(
                f"{path}, line {line}: the column {heading!r} is not understood; rename it to a known heading, "
                f"{HEADINGS}"
            )
        columns.append(found)
    seen: dict[tuple[object, ...], str] = {}
    for c in columns:
        key: tuple[object, ...] = (c.kind, c.side, c.end, c.repeat)
        if c.kind in ("identity", "note"):
            key = (normal(c.heading),)
        if key in seen:
            raise AuditError(
                f"{path}, line {line}: the columns {seen[key]!r} and {c.heading!r} say the same; keep one "
                "(or number them, baseline_1 and baseline_2, where they are runs)"
            )
        seen[key] = c.heading
    return columns
