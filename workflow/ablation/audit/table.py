"""A published table as it was printed: numbers keep their decimals, and what was not printed is None."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from decimal import Decimal

from ablation.errors import UserError


class AuditError(UserError):
    """A published table that cannot be understood; names the file, line, column, value and the remedy."""


@dataclass(frozen=True)
class Printed:
    """A number as it was printed.

    ``half_unit`` is half of the last printed place: the number before rounding lies within
    ``value - half_unit`` and ``value + half_unit``. ``text`` is what stands in the table.
    """

    text: str
    value: float
    half_unit: float

    @property
    def low(self) -> float:
        """The smallest number that rounds to what is printed."""
        return self.value - self.half_unit

    @property
    def high(self) -> float:
        """The largest number that rounds to what is printed."""
        return self.value + self.half_unit


@dataclass(frozen=True)
class Arm:
    """One arm of one row.

    ``center`` is the printed mean or median (``statistic``), None where only the ``repeats`` are
    printed. ``n`` is the number of runs behind it. ``cov_percent`` is the coefficient of variation
    over runs, smallest and largest as stated; the ends are equal where one value is stated.
    """

    center: Printed | None = None
    repeats: tuple[Printed, ...] = ()
    n: int | None = None
    cov_percent: tuple[float, float] | None = None
    statistic: str = ""

    @property
    def value(self) -> float:
        """What stands for this arm: the printed value, or the mean of the printed runs."""
        if self.center is not None:
            return self.center.value
        return math.fsum(p.value for p in self.repeats) / len(self.repeats)

    @property
    def half_unit(self) -> float:
        """By how much rounding may have moved ``value``."""
        if self.center is not None:
            return self.center.half_unit
        return max(p.half_unit for p in self.repeats)


@dataclass(frozen=True)
class Row:
    """One comparison of an arm with its baseline, or one arm alone (``arm`` is None and so are the differences).

    ``group`` is what identifies the row beside its level (model, hardware, backend): rows of one
    group are one family of comparisons. ``ratio`` is arm / baseline as printed; ``slowdown`` is
    baseline / arm. ``requests`` is the number of requests a run. ``paired`` is True where the runs of both arms
    were taken in pairs, False where the table says that they were not, None where it says nothing.
    ``unpaired`` counts the printed runs that have no partner.
    """

    line: int
    group: tuple[str, ...]
    level: int | None = None
    baseline: Arm | None = None
    arm: Arm | None = None
    difference_percent: Printed | None = None
    ratio: Printed | None = None
    slowdown: Printed | None = None
    requests: int | None = None
    paired: bool | None = None
    unpaired: int = 0

    @property
    def one_armed(self) -> bool:
        """Whether there is nothing to compare with."""
        lacks_an_arm = self.arm is None or self.baseline is None
        return lacks_an_arm and not (self.difference_percent or self.ratio or self.slowdown)

    @property
    def alone(self) -> Arm | None:
        """The only arm of a row that has one."""
        return self.arm or self.baseline

    @property
    def where(self) -> str:
        """How a sentence calls this row."""
        return f"line {self.line}" if self.level is None else f"concurrency {self.level}"


@dataclass(frozen=True)
class PublishedTable:
    """A table with what its comment lines say. ``reading`` says in words how its columns were understood."""

    name: str
    rows: tuple[Row, ...]
    title: str = ""
    source: str = ""
    claim: str = ""
    notes: tuple[str, ...] = ()
    reading: tuple[str, ...] = ()
    metric: str = "throughput"
    unit: str = ""
    less_is_better: bool = False
    columns: tuple[str, ...] = field(default=())


_NUMBER = re.compile(r"([+-]?)(\d{1,3}(?:[,_ ]\d{3})+|\d+)?(\.\d+)?([eE][+-]?\d{1,3})?")
_SIGNS = str.maketrans({"\u2212": "-", "\u2010": "-", "\u2013": "-", "\u00a0": " ", "\u202f": " "})
MISSING = {"", "-", "\u2013", "\u2014", "n/a", "na", "none", "null"}
LONGEST = 40
# No throughput, latency, ratio or count of a serving benchmark comes near; beyond it is a slip of the keyboard.
LARGEST = 1e12


def parse(text: str, units: tuple[str, ...] = ()) -> Printed:
    """A printed number, with or without one of ``units`` behind it.

    Raises ValueError with the reason and the remedy, in words.
    """
    shown = text.strip()
    if len(shown) > LONGEST:
        raise ValueError(f"is longer than {LONGEST} characters; write one number")
    plain = shown.translate(_SIGNS)
    for unit in sorted(units, key=len, reverse=True):
        if plain.lower().endswith(unit):
            plain = plain[: -len(unit)].rstrip()
            break
    if "±" in plain or "+-" in plain or "+/-" in plain:
        raise ValueError(
            "has a spread that could be a standard deviation, a standard error or an interval; write the "
            "standard deviation into a column of its own (baseline_sd, arm_sd)"
        )
    match = _NUMBER.fullmatch(plain)
    if not match or (match[2] is None and match[3] is None):
        more = "; a decimal comma must be a point" if re.fullmatch(r"[+-]?\d+,\d+", plain) else ""
        raise ValueError(f"is not a number{more}; leave the cell empty where nothing was printed")
    number = Decimal(re.sub(r"[,_ ]", "", plain))
    if not abs(number) <= Decimal(LARGEST):
        raise ValueError(f"is beyond {LARGEST:g}, which no measurement is; check the number")
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return Printed(shown, float(number), 0.5 * 10.0 ** max(exponent, -300))
