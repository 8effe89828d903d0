"""From the cells of a published table to its rows: one comparison each, in either of two forms.

Wide: a row holds both arms. Long: a row holds one arm, whose name is in a column. In either, runs may be printed one
by one: in numbered columns, in one cell with slashes between, or in a row each (with a column ``run`` or ``pair``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from ablation.audit.columns import BASELINE_WORDS, Column, normal
from ablation.audit.table import MISSING, Arm, AuditError, Printed, Row, parse

UNITS = (
    "tok/s", "tokens/s", "toks/s", "t/s", "tps", "req/s", "reqs/s", "requests/s", "rps", "ms", "s",
)  # fmt: skip
TIMES = ("x", "\u00d7")
YES, NO = {"yes", "true", "1", "y"}, {"no", "false", "0", "n"}
# Percent. Nothing that is measured several times varies by more; a unit was mistaken.
LARGEST_COV = 1000
Key = tuple[tuple[str, ...], int | None]


@dataclass(frozen=True)
class Line:
    """One line of the file, its cells by column."""

    path: Path
    number: int
    cells: dict[Column, str]

    def fail(self, column: Column, reason: str) -> NoReturn:
        """Refuse a cell."""
        raise AuditError(
            f"{self.path}, line {self.number}, column {column.heading!r}: {self.cells[column]!r} {reason}"
        )

    def of(self, kind: str, side: str = "", end: str = "") -> Column | None:
        """The column of this kind, if it has a value here."""
        for column, text in self.cells.items():
            if (column.kind, column.side, column.end, column.repeat) == (kind, side, end, None):
                return None if text.lower() in MISSING else column
        return None

    def number_in(
        self, column: Column | None, units: tuple[str, ...] = (), text: str | None = None
    ) -> Printed | None:
        """A printed number of a cell; None where it is empty."""
        if column is None:
            return None
        try:
            return parse(self.cells[column] if text is None else text, units)
        except ValueError as error:
            self.fail(column, str(error))

    def positive(
        self, column: Column | None, units: tuple[str, ...] = (), text: str | None = None
    ) -> Printed | None:
        """A printed number above 0."""
        found = self.number_in(column, units, text)
        if found is not None and column is not None and found.value <= 0:
            self.fail(
                column, "must be a number above 0; leave the cell empty where nothing was measured"
            )
        return found

    def count(self, column: Column | None) -> int | None:
        """A whole number of at least 1."""
        found = self.number_in(column)
        if found is None or column is None:
            return None
        if found.value < 1 or found.value != int(found.value):
            self.fail(column, "must be a whole number of at least 1")
        return int(found.value)

    def percent(self, column: Column | None) -> Printed | None:
        """A percentage, marked as one in the heading or in the cell."""
        if column is None:
            return None
        if not column.percent and not self.cells[column].strip().endswith("%"):
            self.fail(
                column,
                f"may be a share or a percentage; rename the column to {normal(column.heading)}_percent, or write %",
            )
        return self.number_in(column, ("%",))

    def level(self) -> int | None:
        """The concurrency: 64, or as people write it, c64."""
        column = self.of("level")
        if column is None:
            return None
        match = re.fullmatch(r"c(?:onc(?:urrency)?)?\s*=?\s*(\d{1,9})", self.cells[column].lower())
        if match and int(match[1]) > 0:
            return int(match[1])
        return self.count(column)

    def flag(self, kind: str) -> bool | None:
        """Yes, no, or nothing said."""
        column = self.of(kind)
        if column is None:
            return None
        word = self.cells[column].lower()
        if word not in YES | NO:
            self.fail(column, "is neither yes nor no")
        return word in YES

    def group(self) -> tuple[str, ...]:
        """What identifies the line beside its level."""
        return tuple(text for column, text in self.cells.items() if column.kind == "identity")


def arm_of(line: Line, side: str) -> Arm | None:
    """What a line says of one arm; None where it prints nothing of it."""
    center, repeats = None, list[Printed]()
    statistic = ""
    for column, text in line.cells.items():
        if column.kind != "value" or column.side != side or text.lower() in MISSING:
            continue
        statistic = column.statistic or statistic
        parts = re.split(r"\s*[/;]\s*", text) if re.search(r"\d\s*[/;]\s*\d", text) else [text]
        printed = [p for part in parts if (p := line.positive(column, UNITS, part)) is not None]
        if column.repeat is None and len(parts) == 1:
            center = printed[0]
        else:
            repeats += printed
    if center is None and not repeats:
        return None
    counted = line.of("n", side) or line.of("n")
    n = line.count(counted)
    if repeats and counted is not None and n != len(repeats):
        line.fail(
            counted,
            f"does not agree with the {len(repeats)} runs that the line prints; correct one",
        )
    return Arm(
        center, tuple(repeats), len(repeats) if repeats else n, _cov(line, side, center), statistic
    )


def _cov(line: Line, side: str, center: Printed | None) -> tuple[float, float] | None:
    """The CoV in percent, smallest and largest as stated; a CoV printed as 0 is anything that rounds to it."""
    for own in dict.fromkeys((side, "")):
        low, high = line.of("cov", own, "low"), line.of("cov", own, "high")
        one, sd = line.of("cov", own), line.of("sd", own)
        if one is not None and sd is not None:
            line.fail(sd, f"and {one.heading!r} both state the spread; keep one")
        if (low is None) != (high is None):
            given = low or high
            assert given is not None
            line.fail(
                given, "is one end of a range whose other end is empty; give both, or cov_…_percent"
            )
        if sd is not None:
            found = line.number_in(sd, UNITS)
            if center is None or found is None or found.value < 0:
                line.fail(sd, "must be at least 0, beside the mean that it belongs to")
            upper = found.value or found.half_unit
            most = _small_enough(line, sd, 100 * upper / center.value)
            return 100 * found.value / center.value, most
        ends = []
        for column in (low or one, high or one):
            found = line.percent(column)
            if found is not None and column is not None:
                if found.value < 0:
                    line.fail(column, "must be at least 0: a coefficient of variation has no sign")
                _small_enough(line, column, found.value)
                ends.append(found)
        if ends:
            if ends[0].value > ends[1].value and low is not None:
                line.fail(low, "is above the high end of the range; exchange the two")
            return ends[0].value, ends[1].value or ends[1].half_unit
    return None


def _small_enough(line: Line, column: Column, percent: float) -> float:
    if percent > LARGEST_COV:
        line.fail(column, f"is a CoV above {LARGEST_COV} %; check the number and its unit")
    return percent


def wide_rows(lines: Sequence[Line], columns: Sequence[Column]) -> tuple[list[Row], list[str]]:
    """Rows of a table that has both arms on a line, and how they were read."""
    run = next((c for c in columns if c.kind in ("pair", "run")), None)
    grouped: dict[Key, list[tuple[Line, Row]]] = {}
    for line in lines:
        row = _wide_row(line)
        known = grouped.setdefault((row.group, row.level), [])
        if known and run is None:
            _doubled(line, known[0][0])
        known.append((line, row))
    rows = [
        _merged(found, paired=run is not None and run.kind == "pair") if run else found[0][1]
        for found in grouped.values()
    ]
    reading = []
    if run:
        reading.append(f"Lines that differ only in {run.heading!r} are runs of one row.")
    if any(c.kind == "value" and not c.side for c in columns):
        reading.append("One arm only: there is no second arm to compare it with.")
    return rows, reading


def _wide_row(line: Line) -> Row:
    alone = arm_of(line, "")
    baseline = arm_of(line, "baseline") or alone
    arm = arm_of(line, "arm")
    if alone is not None and baseline is not alone:
        column = next(c for c in line.cells if c.kind == "value" and not c.side)
        line.fail(column, "belongs to neither arm; rename the column to baseline_… or arm_…")
    baseline, arm = _single_run(baseline, arm), _single_run(arm, baseline)
    row = _with_differences(Row(line.number, line.group(), line.level(), baseline, arm), line)
    if baseline is None and arm is None and row.one_armed:
        raise AuditError(
            f"{line.path}, line {line.number}: holds no value of either arm and no difference; fill it or remove it"
        )
    return replace(row, requests=line.count(line.of("requests")), paired=line.flag("paired"))


def _single_run(arm: Arm | None, other: Arm | None) -> Arm | None:
    """Beside an arm whose runs are printed one by one, a single number without n or spread is one run."""
    if arm is None or other is None or not other.repeats or arm.center is None:
        return arm
    return arm if arm.n is not None or arm.cov_percent else replace(arm, n=1)


def _with_differences(row: Row, line: Line) -> Row:
    """The row with the differences that its line prints."""
    difference = line.of("difference")
    percent = line.percent(difference)
    if percent is not None and difference is not None and percent.value <= -100:
        line.fail(difference, "must be above -100 %: a throughput cannot fall below nothing")
    return replace(
        row,
        difference_percent=percent,
        ratio=line.positive(line.of("ratio"), TIMES),
        slowdown=line.positive(line.of("slowdown"), TIMES),
    )


def _doubled(line: Line, first: Line) -> NoReturn:
    raise AuditError(
        f"{line.path}, line {line.number}: repeats line {first.number} (same names and same level); remove it, or "
        "number the lines in a column 'run' (or 'pair', where the arms were run in turn) if they are repeats"
    )


def _merged(found: Sequence[tuple[Line, Row]], *, paired: bool) -> Row:
    """One row of several lines, each a run of either arm."""
    first = found[0][1]
    ids: dict[str, Line] = {}
    for line, row in found:
        column = next(c for c in line.cells if c.kind in ("pair", "run"))
        known = ids.setdefault(line.cells[column], line)
        if known is not line:
            line.fail(column, f"stands in line {known.number} too; number each run once")
        if any(row.__dict__[name] for name in ("difference_percent", "ratio", "slowdown")):
            raise AuditError(
                f"{line.path}, line {line.number}: a line that is one run states a difference; remove that column"
            )
    whole = [row for _, row in found if row.baseline and row.arm]
    used = whole if paired else [row for _, row in found]
    return replace(
        first,
        baseline=_pooled(found[0][0], [row.baseline for row in used]),
        arm=_pooled(found[0][0], [row.arm for row in used]),
        paired=True if paired else first.paired,
        unpaired=len(found) - len(whole) if paired else 0,
    )


def _pooled(line: Line, arms: Sequence[Arm | None]) -> Arm | None:
    runs = [arm for arm in arms if arm is not None]
    if not runs:
        return None
    if any(arm.center is None or arm.n not in (None, 1) or arm.cov_percent for arm in runs):
        raise AuditError(
            f"{line.path}, line {line.number}: lines that are one run each hold one value an arm, and neither n nor "
            "a spread; remove those columns"
        )
    values = tuple(arm.center for arm in runs if arm.center is not None)
    return Arm(repeats=values, n=len(values))


def long_rows(
    lines: Sequence[Line], columns: Sequence[Column], baseline: str
) -> tuple[list[Row], list[str]]:
    """Rows of a table that has one arm on a line, each arm against the baseline, and how they were read."""
    sided = next((c for c in columns if c.side), None)
    name_column = next(c for c in columns if c.kind == "arm_name")
    if sided is not None:
        raise AuditError(
            f"{lines[0].path}: the column {sided.heading!r} belongs to one arm, and {name_column.heading!r} names the "
            "arm of each line; keep one of the two forms"
        )
    run = next((c for c in columns if c.kind in ("pair", "run")), None)
    keys: dict[Key, dict[str, list[Line]]] = {}
    for line in lines:
        name = line.cells[name_column]
        if not name:
            line.fail(name_column, "names no arm")
        known = keys.setdefault((line.group(), line.level()), {}).setdefault(name, [])
        if known and run is None:
            _doubled(line, known[0])
        known.append(line)
    names = list(dict.fromkeys(line.cells[name_column] for line in lines))
    if baseline and baseline not in names:
        raise AuditError(
            f"{lines[0].path}: '# baseline: {baseline}' is none of the arms {', '.join(names)}; name one of them"
        )
    likely = [name for name in names if normal(name) in BASELINE_WORDS]
    base = baseline or (likely or names)[0]
    why = (
        "as the comment says" if baseline else "by its name" if likely else "the first in the file"
    )
    reading = [f"The baseline is {base!r}, {why}."] if len(names) > 1 else []
    if len(names) == 1:
        reading.append("One arm only: there is no second arm to compare it with.")
    rows = []
    for (group, level), arms in keys.items():
        others = [name for name in arms if name != base] or [base]
        for name in others:
            own = (*group, name) if len(names) > 2 else group
            rows.append(
                _long_row(own, level, arms.get(base, []), arms[name] if name != base else [], run)
            )
    return rows, reading


def _long_row(
    group: tuple[str, ...],
    level: int | None,
    base: Sequence[Line],
    other: Sequence[Line],
    run: Column | None,
) -> Row:
    lines = [*base, *other]
    first = lines[0]
    requests = [n for line in lines if (n := line.count(line.of("requests"))) is not None]
    flags = {line.flag("paired") for line in lines} - {None}
    row = Row(
        (other or base)[0].number,
        group,
        level,
        requests=min(requests, default=None),
        paired=flags.pop() if len(flags) == 1 else None,
    )
    if run is None:
        arms = [arm_of(part[0], "") if part else None for part in (base, other)]
        if not any(arms):
            raise AuditError(
                f"{first.path}, line {first.number}: holds no value; fill it or remove it"
            )
        row = replace(row, baseline=arms[0], arm=arms[1])
        return _with_differences(row, other[0]) if other else row
    by_id = [_by_run(part, run) for part in (base, other)]
    paired = run.kind == "pair" and all(by_id)
    if paired:
        both = [key for key in by_id[0] if key in by_id[1]]
        row = replace(row, paired=True, unpaired=len({*by_id[0], *by_id[1]}) - len(both))
        if both:
            by_id = [{key: side[key] for key in both} for side in by_id]
        else:
            row = replace(row, paired=None)
    arms = [_pooled(first, [arm_of(line, "") for line in side.values()]) for side in by_id]
    return replace(row, baseline=arms[0], arm=arms[1])


def _by_run(lines: Sequence[Line], run: Column) -> dict[str, Line]:
    found: dict[str, Line] = {}
    for line in lines:
        if (known := found.setdefault(line.cells[run], line)) is not line:
            line.fail(
                run, f"stands in line {known.number} too, of the same arm; number each run once"
            )
    return found
