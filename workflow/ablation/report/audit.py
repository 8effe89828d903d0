"""The audit of a published table: a page of its own, and a section of the report of a study that answers it."""

from __future__ import annotations

import math
from typing import Any

from ablation.audit.by_row import can, cannot
from ablation.audit.judge import ALONE, Audit, Judged
from ablation.audit.statements import statements
from ablation.audit.table import Arm
from ablation.audit.words import half_words, size, these
from ablation.report.content import NONE, Cell, Column, Section, Table
from ablation.report.limit import limit

METHOD = (
    "The publication's runs are taken as independent launches, the best case for it. The difference of two means "
    "has the log-scale standard error √(CoV₁²/n₁ + CoV₂²/n₂) and Welch's degrees of freedom (Welch 1947). "
    "Runs in pairs are compared pair by pair where each is printed; where only the spread of either arm is, the "
    "spread of the pairs' ratios lies between the difference and the sum of the two.",
    "A printed number stands for all numbers that round to it: nothing is called a contradiction that rounding "
    "explains, and a verdict must hold at the end of that range that is worse for it. Holm over the levels of one "
    "group; equality by two one-sided tests against the margin.",
    "No verdict from fewer than 3 runs an arm, and none without n and a spread. What is said instead: the CoV "
    "between launches at which two equal arms would differ by as much in one table of twenty, and the CoV that would "
    "have had to be printed for the difference to be resolved (at the strictest step of Holm).",
    "The error of a median is taken as that of a median of normal values.",
)


def build_context(audit: Audit, source: str) -> dict[str, Any]:
    """All that the audit says, for the templates of a study's report. ``source`` names the table's file."""
    table = audit.table
    sections = [_supports(audit), _rows(audit, source), _reading(audit, source), _method(audit)]
    limit(sections)
    return {
        "title": table.title or f"Audit of {table.name}",
        "study": table.name,
        "subject": "Audit of a published table: what its numbers support, from the table alone",
        "description": f"Source: {table.source}." if table.source else f"Read from {source}.",
        "simulated": False,
        "simulated_text": "",
        "factor": "",
        "sections": sections,
    }


def published(audit: Audit | None, name: str) -> Section | None:
    """What the published table that this study answers could show."""
    if audit is None:
        return None
    section = Section("audit", "Audit of the published table")
    section.sentences = [
        "What the published numbers can and cannot support, computed from the table alone, at both ends "
        "of the coefficient of variation that it states.",
        tally(audit),
    ]
    section.items = [statement.text for statement in statements(audit)]
    section.tables.append(rows_table(audit, name))
    return section


def tally(audit: Audit) -> str:
    """How many rows are decided, in one sentence."""
    rows = audit.rows
    counted = {
        "faster at any spread stated": _count(rows, lambda r: r.verdict[1] == "faster"),
        "slower at any spread stated": _count(rows, lambda r: r.verdict[1] == "slower"),
        f"equal within ±{audit.margin_percent:g} % at any spread stated": _count(
            rows, lambda r: r.verdict[1] == "equivalent"
        ),
        "decided only if the spread lies at the low end of what is stated": _count(
            rows, lambda r: r.verdict[1] == "inconclusive" != r.verdict[0]
        ),
        "judged and left open": _count(
            rows, lambda r: r.verdict == ("inconclusive", "inconclusive")
        ),
        "not to be decided from what is printed": _count(
            rows, lambda r: r.why_not not in ("", ALONE)
        ),
        "without a second arm to compare with": _count(rows, lambda r: r.why_not == ALONE),
    }
    parts = {words: count for words, count in counted.items() if count}
    if len(parts) == 1:
        return f"{these(rows, audit)}: {next(iter(parts))}."
    return (
        f"Of {len(rows)} rows: {'; '.join(f'{count} {words}' for words, count in parts.items())}."
    )


def _count(rows: list[Judged], holds: Any) -> int:
    return sum(bool(holds(row)) for row in rows)


def _supports(audit: Audit) -> Section:
    section = Section("verdict", "What this table supports", sentences=[tally(audit)])
    section.items = [statement.text for statement in statements(audit)]
    return section


def _rows(audit: Audit, source: str) -> Section:
    table = audit.table
    section = Section("rows", "Row by row")
    if table.claim:
        section.sentences.append(f"The publication says: {table.claim}")
    section.tables.append(rows_table(audit, source))
    return section


def rows_table(audit: Audit, source: str) -> Table:
    """Every row with what can be said of it and what cannot."""
    unit = f" ({audit.table.unit})" if audit.table.unit else ""
    named = any(group.title for group in audit.groups)
    return Table(
        id="audit",
        caption="The published table, with what each row supports",
        columns=[
            Column(", ".join(audit.table.columns) or "Row" if named else "Line"),
            Column("Concurrency", True),
            Column(f"Baseline{unit}", True),
            Column(f"Arm{unit}", True),
            Column("Difference", True),
            Column("n", True),
            Column("Half-width (points)", True),
            Column("Verdict"),
            Column("Supported"),
            Column("Not supported"),
        ],
        rows=[_cells(row, audit, named) for row in audit.rows],
        source=source,
    )


def _cells(row: Judged, audit: Audit, named: bool) -> list[Cell]:
    title = ", ".join(part for part in row.row.group if part)
    n = runs_words(row)
    detail = "never reached" if row.reached is False else ""
    level = row.row.level
    return [
        Cell((title or NONE) if named else str(row.row.line)),
        Cell(NONE)
        if level is None
        else Cell(f"{level:,}", kind="bad" if detail else "", sort=float(level), detail=detail),
        value_cell(row.row.baseline),
        value_cell(row.row.arm),
        difference_cell(row),
        Cell(n),
        Cell(NONE)
        if math.isnan(row.half_width_percent[0])
        else Cell(f"±{half_words(row.half_width_percent)}", sort=row.half_width_percent[0]),
        _verdict(row),
        Cell(can(row, audit) or NONE),
        Cell(cannot(row, audit) or NONE),
    ]


def difference_cell(row: Judged) -> Cell:
    """The difference as printed, or as the printed values give it."""
    if math.isnan(row.difference_percent):
        return Cell(NONE)
    return Cell(size(row), sort=row.difference_percent, detail=_as_printed(row))


def level_words(row: Judged) -> str:
    """The row's names and its level."""
    title = ", ".join(part for part in row.row.group if part)
    return f"{title}, {row.row.where}" if title else row.row.where


def _verdict(row: Judged) -> Cell:
    quiet, noisy = row.verdict
    if row.why_not:
        return Cell("not judged")
    if quiet == noisy:
        return Cell(noisy, kind=noisy)
    return Cell(f"{quiet} only if quiet", detail=f"{noisy} at the largest spread stated")


def _as_printed(row: Judged) -> str:
    """The ratio that is printed in place of a difference."""
    for name, printed in (("ratio", row.row.ratio), ("slowdown", row.row.slowdown)):
        if printed is not None and row.row.difference_percent is None:
            return f"{name} {printed.text}"
    return ""


def value_cell(arm: Arm | None) -> Cell:
    """The printed value of an arm, or its printed runs."""
    if arm is None:
        return Cell(NONE)
    if arm.center is not None:
        return Cell(arm.center.text, sort=arm.center.value, detail=arm.statistic)
    return Cell(" / ".join(printed.text for printed in arm.repeats), sort=arm.value)


def runs_words(row: Judged) -> str:
    """How many runs stand behind either arm."""
    counts = [arm.n for arm in (row.row.baseline, row.row.arm) if arm is not None]
    words = [NONE if n is None else f"{n:,}" for n in counts]
    return words[0] if len(set(words)) == 1 else " and ".join(words) or NONE


def _reading(audit: Audit, source: str) -> Section:
    table = audit.table
    section = Section("reading", "How the table was read")
    section.sentences = [
        f"From {source}, line by line; nothing is added that is not printed there."
    ]
    section.items = [*table.reading, *table.notes]
    if table.less_is_better:
        section.items.append(f"Of {table.metric}, less is better: a negative difference is faster.")
    return section


def _method(audit: Audit) -> Section:
    section = Section("method", "How this was computed")
    section.sentences = [
        *METHOD,
        f"Confidence {100 * audit.confidence:g} %, margin ±{audit.margin_percent:g} %.",
    ]
    return section
