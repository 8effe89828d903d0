"""What is too long to read is cut, and the cut is said."""

from ablation.report.content import Cell, Column, Figure, Section, Table
from ablation.report.limit import limit, limit_figures


def table(name, rows):
    source = f"results/mini/{name}.parquet, rows with model = m"
    cells = [[Cell(str(row))] for row in range(rows)]
    return Table(name, f"Table {name}", [Column("n")], cells, source)


def test_short_tables_stay_as_they_are():
    section = Section("a", "A", tables=[table("x", 5), table("y", 0)])
    before = list(section.tables)
    limit([section], most=5, most_of_section=5)
    assert section.tables == before
    assert section.sentences == []


def test_a_long_table_keeps_its_first_rows_and_says_how_many_there_are():
    section = Section("a", "A", tables=[table("x", 1_234)])
    limit([section], most=10, most_of_section=100)
    (cut,) = section.tables
    assert [row[0].text for row in cut.rows] == [str(n) for n in range(10)]
    assert cut.caption == "Table x (the first 10 of 1,234 rows; all stand in its source)"


def test_tables_that_a_section_has_no_room_for_are_counted_with_their_files():
    tables = [table(name, 6) for name in "abcd"]
    section = Section("a", "A", tables=tables)
    limit([section, Section("b", "B")], most=10, most_of_section=8)
    assert [len(t.rows) for t in section.tables] == [6, 2]
    (said,) = section.sentences
    assert said.startswith("2 more tables (12 rows) are left out here")
    assert said.endswith("they stand in results/mini/c.parquet; results/mini/d.parquet.")


def test_a_long_list_is_cut_and_counted():
    section = Section("a", "A", items=[str(n) for n in range(100)])
    limit([section], most_items=2)
    assert section.items == ["0", "1", "(98 more are left out here)"]


def test_figures_stay_in_the_page_while_there_is_room():
    def figure(name, size):
        return Figure(name, name, "alt", "x" * size, f"../figures/{name}.svg", "")

    sections = [
        Section("a", "A", figures=[figure("small", 10), figure("large", 100)]),
        Section("b", "B", figures=[figure("other", 20)]),
    ]
    limit_figures(sections, most=30)
    kept = {f.name: bool(f.data_uri) for section in sections for f in section.figures}
    assert kept == {"small": True, "large": False, "other": True}
