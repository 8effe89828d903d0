"""What each row of a published table can support: its difference, its spread, and a verdict where both suffice.

The publication's runs are taken as independent launches, the best case for it. The difference of two independent means
has the log-scale standard error ``sqrt(cov_a^2 / n_a + cov_b^2 / n_b)`` and Welch's degrees of freedom (Welch 1947,
Biometrika 34, 28-35). Runs taken in pairs are compared pair by pair where each is printed; where only the spread of
either arm is, the spread of the pairs' ratios lies between the difference and the sum of the two (their correlation
between 1 and -1). Everything is computed at both ends of the stated spread, and at the end of the rounding interval of
the printed numbers that is worse for the claim. Verdicts follow the same rule as our own: Holm over the levels of a
group, TOST against the margin, none below 3 runs an arm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from ablation.audit.spread import Ends, compared_by, counts, cov_of, excess, spread_of
from ablation.audit.table import Arm, Printed, PublishedTable, Row
from ablation.statistics import paired
from ablation.statistics.paired import Floats
from ablation.statistics.power import POWER
from ablation.statistics.verdict import FEWEST_PAIRS, log_margin, verdicts

NAN: Ends = (math.nan, math.nan)

# Requests for each one in flight below which a closed loop is mostly ramp and drain.
FEWEST_PER_SLOT = 3

# Why a row has no verdict.
ALONE = "one arm"
NO_N = "n not printed"
ONE = "one run"
TWO = "two runs"
NO_SPREAD = "no spread"


@dataclass(frozen=True)
class Judged:
    """One row with what could be computed; NaN or None where the table does not allow it.

    ``difference_percent`` is as published, or computed where only values are printed;
    ``log_difference`` is the range that its rounding leaves on the log scale. ``rounding_percent``
    is the range that the printed values leave for it, and ``agrees`` says whether the published one
    lies within. ``why_not`` is empty where there are verdicts: ``verdict`` at the smallest and at the
    largest spread. ``noise_cov_percent``: the launch-to-launch CoV at which two equal arms differ by as
    much in one table of twenty, with the printed n, or with one run where none is printed.
    ``resolving_cov_percent``: the largest CoV with which this n would resolve the difference.
    ``smallest_percent``: what a second arm would have to differ by to be found with 80 % power.
    ``paired_by`` says what the pairs were compared by, where there are pairs.
    """

    row: Row
    difference_percent: float = math.nan
    log_difference: Ends = NAN
    recomputed_percent: float = math.nan
    rounding_percent: Ends = NAN
    agrees: bool | None = None
    reached: bool | None = None
    in_flight_at_most: int | None = None
    why_not: str = ""
    half_width_percent: Ends = NAN
    verdict: tuple[str, str] = ("", "")
    noise_cov_percent: float = math.nan
    resolving_cov_percent: float = math.nan
    smallest_percent: float = math.nan
    paired_by: str = ""
    family: int = 1

    @property
    def brief(self) -> bool:
        """Whether the level was reached, and held for so few requests that it is mostly ramp and drain."""
        return bool(self.reached) and (self.row.requests or 0) < FEWEST_PER_SLOT * (
            self.row.level or 0
        )

    @property
    def direction_open(self) -> bool:
        """Whether the printed digits do not even say which arm was ahead."""
        low, high = self.log_difference
        return low < 0 < high or low == high == 0

    @property
    def n(self) -> int | None:
        """The smaller number of runs of both arms."""
        arms = [arm for arm in (self.row.baseline, self.row.arm) if arm is not None]
        counts = [arm.n for arm in arms]
        return None if not counts or None in counts else min(n for n in counts if n is not None)


@dataclass(frozen=True)
class Group:
    """The rows of one model, hardware, backend…: one family of comparisons, sorted by level."""

    name: tuple[str, ...]
    rows: tuple[Judged, ...]

    @property
    def title(self) -> str:
        return ", ".join(part for part in self.name if part)


@dataclass(frozen=True)
class Audit:
    """A table, judged group by group."""

    table: PublishedTable
    groups: tuple[Group, ...]
    margin_percent: float
    confidence: float

    @property
    def rows(self) -> list[Judged]:
        """All rows, group by group."""
        return [row for group in self.groups for row in group.rows]


def audit(table: PublishedTable, *, margin_percent: float = 2.0, confidence: float = 0.95) -> Audit:
    """Judge every row; the levels of one group are one family."""
    margin, alpha = log_margin(margin_percent), 1 - confidence
    grouped: dict[tuple[str, ...], list[Row]] = {}
    for row in table.rows:
        grouped.setdefault(row.group, []).append(row)
    groups = []
    for name, rows in grouped.items():
        rows.sort(key=lambda row: (row.level is None, row.level or 0))
        judged = [_described(row, len(rows), alpha) for row in rows]
        groups.append(Group(name, tuple(_judged(judged, table.less_is_better, margin, alpha))))
    return Audit(table, tuple(groups), margin_percent, confidence)


def _described(row: Row, family: int, alpha: float) -> Judged:
    """All but the verdict, for which the other rows of the family are needed."""
    reached, most = None, None
    if row.level is not None and row.requests is not None:
        reached, most = row.level <= row.requests, min(row.level, row.requests)
    found = Judged(row, reached=reached, in_flight_at_most=most, family=family)
    if row.one_armed:
        return _alone(found, alpha)
    found = _difference(found)
    found = replace(found, why_not=_why_not(found))
    distance = max(abs(x) for x in found.log_difference)
    # Where n is not printed: as if each number were one run.
    n = counts(row) or (1, 1)
    if distance > 0:
        # Of a median, whose error is larger than that of a mean of the same runs.
        arms = (row.baseline, row.arm)
        scale = math.sqrt(sum(excess(arm) / k for arm, k in zip(arms, n, strict=True)))
        noise = 100 * distance / (float(stats.norm.isf(alpha / 2)) * scale)
        found = replace(found, noise_cov_percent=noise)
        surely = 0.0 if found.direction_open else min(abs(x) for x in found.log_difference)
        if min(n) >= FEWEST_PAIRS:
            # The strictest step of Holm, and a spread estimated from these runs: what surely suffices.
            t = float(stats.t.isf(alpha / family / 2, sum(n) - 2))
            found = replace(found, resolving_cov_percent=100 * surely / (t * scale))
    return found


def _alone(found: Judged, alpha: float) -> Judged:
    """One arm: what a second one with as many runs and the same spread would have to differ by."""
    known = noise_of(found.row.alone, alpha)
    if known is None:
        return replace(found, why_not=ALONE)
    return replace(found, why_not=ALONE, half_width_percent=known[0], smallest_percent=known[1])


def noise_of(arm: Arm | None, alpha: float) -> tuple[Ends, float] | None:
    """By how many percent two arms like this one differ without an effect, and the effect found with 80 % power.

    The power is that of a t test with the quantiles of the central distribution. None below 3 runs or
    without a spread.
    """
    cov = cov_of(arm) if arm is not None else None
    if arm is None or cov is None or arm.n is None or arm.n < FEWEST_PAIRS:
        return None
    df, scale = 2 * arm.n - 2, math.sqrt(2 / arm.n)
    t = float(stats.t.isf(alpha / 2, df))
    half = (100 * t * cov[0] * scale, 100 * t * cov[1] * scale)
    return half, percent_of((t + float(stats.t.ppf(POWER, df))) * cov[1] * scale)


def _why_not(found: Judged) -> str:
    n = counts(found.row)
    if n is None:
        return NO_N
    if min(n) < FEWEST_PAIRS:
        return ONE if min(n) == 1 else TWO
    return "" if spread_of(found.row) is not None else NO_SPREAD


def _between(arm: float, arm_half: float, base: float, base_half: float) -> Ends:
    """The smallest and the largest log ratio of two rounded numbers."""
    low = (arm - arm_half) / (base + base_half)
    high = (arm + arm_half) / (base - base_half) if base > base_half else math.inf
    return (math.log(low) if low > 0 else -math.inf), (math.log(high) if high < math.inf else high)


def percent_of(log: float) -> float:
    """A log ratio as a difference in percent; infinite where it is beyond a double."""
    return 100 * math.expm1(log) if log < 700 else math.inf


def _difference(found: Judged) -> Judged:
    """The difference as published or as the printed values give it, and what rounding leaves open."""
    row = found.row
    from_values: list[tuple[float, Ends]] = []
    if row.baseline is not None and row.arm is not None:
        a, b = row.arm, row.baseline
        from_values.append((math.log(_typical(a) / _typical(b)), _values_between(row)))
    if row.ratio is not None:
        from_values.append((math.log(row.ratio.value), _one(row.ratio)))
    if row.slowdown is not None:
        low, high = _one(row.slowdown)
        from_values.append((-math.log(row.slowdown.value), (-high, -low)))
    printed = row.difference_percent
    if not from_values:
        assert printed is not None
        return replace(found, difference_percent=printed.value, log_difference=_of_percent(printed))
    recomputed, ends = from_values[0]
    found = replace(
        found,
        recomputed_percent=percent_of(recomputed),
        rounding_percent=(percent_of(ends[0]), percent_of(ends[1])),
    )
    stated = [other for _, other in from_values[1:]]
    if printed is not None:
        stated.append(_of_percent(printed))
    slack = 1e-9
    agrees = all(low <= ends[1] + slack and high >= ends[0] - slack for low, high in stated)
    value, used = recomputed, ends
    if printed is not None:
        own = _of_percent(printed)
        value = math.log1p(printed.value / 100)
        # Both hold: the value before rounding lies in either interval. Where they exclude each other, as published.
        used = (max(own[0], ends[0]), min(own[1], ends[1])) if agrees else own
        used = used if used[0] <= used[1] else own
    shown = printed.value if printed is not None else percent_of(value)
    return replace(
        found, difference_percent=shown, log_difference=used, agrees=agrees if stated else None
    )


def _typical(arm: Arm) -> float:
    """The printed centre, or the geometric mean of the printed runs."""
    if arm.center is not None:
        return arm.center.value
    return math.exp(math.fsum(math.log(p.value) for p in arm.repeats) / len(arm.repeats))


def _values_between(row: Row) -> Ends:
    assert row.arm is not None
    assert row.baseline is not None
    (a, half_a), (b, half_b) = ((_typical(arm), arm.half_unit) for arm in (row.arm, row.baseline))
    return _between(a, half_a, b, half_b)


def _one(printed: Printed) -> Ends:
    return _between(printed.value, printed.half_unit, 1.0, 0.0)


def _of_percent(printed: Printed) -> Ends:
    low, high = 1 + printed.low / 100, 1 + printed.high / 100
    return (math.log(low) if low > 0 else -math.inf), math.log(high)


def _judged(rows: Sequence[Judged], less: bool, margin: float, alpha: float) -> list[Judged]:
    """The rows with their verdicts at both ends of the spread; Holm over those that have one."""
    at = [i for i, row in enumerate(rows) if not row.why_not]
    spreads = [spread for i in at if (spread := spread_of(rows[i].row)) is not None]
    if not at:
        return list(rows)
    # The end of the rounding interval that is worse for the claim: nearest to 0, or farthest from it.
    near = np.array([0.0 if r.direction_open else min(map(abs, r.log_difference)) for r in rows])[
        at
    ]
    far = np.array([max(map(abs, r.log_difference)) for r in rows])[at]
    sign = np.array([r.difference_percent for r in rows])[at]
    n = np.array([rows[i].n or 0 for i in at])
    found = []
    for end in (0, 1):
        error = np.array([s.error[end] for s in spreads])
        df = np.array([s.df[end] for s in spreads])
        p = 2 * stats.t.sf(_over(near, error), df)
        tost = stats.t.sf(_over(margin - far, error), df)
        better = sign < 0 if less else sign > 0
        words = verdicts(n, better, paired.holm(p), paired.holm(tost), alpha).tolist()
        found.append((words, 100 * stats.t.isf(alpha / 2, df) * error))
    judged = list(rows)
    for k, i in enumerate(at):
        judged[i] = replace(
            rows[i],
            verdict=(found[0][0][k], found[1][0][k]),
            half_width_percent=(float(found[0][1][k]), float(found[1][1][k])),
            paired_by=compared_by(rows[i].row),
        )
    return judged


def _over(distance: Floats, error: Floats) -> Floats:
    """Distance in errors; infinitely far where there is no error."""
    some = error > 0
    return np.asarray(
        np.where(some, distance / np.where(some, error, 1.0), np.copysign(np.inf, distance))
    )
