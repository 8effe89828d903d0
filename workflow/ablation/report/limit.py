"""A report stays readable, and below a few megabytes, however many launches a study has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ablation.report.content import Section, Table

# Beyond these nobody reads on: the rows stand in the files that each table names as its source.
MOST_ROWS = 400
MOST_ROWS_OF_SECTION = 1_200
MOST_ITEMS = 60
# Of all figures inside the HTML; with the tables' bounds the page stays below 5 MB.
MOST_FIGURE_BYTES = 3_000_000


def limit(
    sections: Sequence[Section],
    most: int = MOST_ROWS,
    most_of_section: int = MOST_ROWS_OF_SECTION,
    most_items: int = MOST_ITEMS,
) -> None:
    """Cut tables to ``most`` rows, and a section to ``most_of_section``; what is left out is said.

    So are lists, to ``most_items``.

    A cut table says so in its caption. A table that a full section has no room for is left out, and
    the section's last sentence counts such tables and names their sources. Changes the sections in place.
    """
    for section in sections:
        room, kept, left = most_of_section, list[Table](), list[Table]()
        for table in section.tables:
            if table.rows and room <= 0:
                left.append(table)
                continue
            short = _cut(table, min(most, room))
            room -= len(short.rows)
            kept.append(short)
        section.tables = kept
        if len(section.items) > most_items:
            more = len(section.items) - most_items
            section.items = [*section.items[:most_items], f"({more:,} more are left out here)"]
        if left:
            rows = sum(len(table.rows) for table in left)
            where = "; ".join(dict.fromkeys(_file(table.source) for table in left if table.source))
            section.sentences.append(
                f"{len(left):,} more tables ({rows:,} rows) are left out here"
                + (f"; they stand in {where}." if where else ".")
            )


def limit_figures(sections: Sequence[Section], most: int = MOST_FIGURE_BYTES) -> None:
    """Figures, in the order of the report, stay inside it while they fit in ``most`` bytes.

    One that does not fit loses its data: the page then names its file. Changes the sections in place.
    """
    room = most
    for section in sections:
        for i, figure in enumerate(section.figures):
            if len(figure.data_uri) > room:
                section.figures[i] = replace(figure, data_uri="")
            room -= len(section.figures[i].data_uri)


def _cut(table: Table, most: int) -> Table:
    if len(table.rows) <= most:
        return table
    said = (
        f"{table.caption} (the first {most:,} of {len(table.rows):,} rows; all stand in its source)"
    )
    return replace(table, caption=said, rows=table.rows[:most])


def _file(source: str) -> str:
    """The files of a source, without the words on which of their rows."""
    return source.split(", rows with ")[0]
