"""What a judged table supports and what it does not, in sentences: row by row, and over its levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy import stats

from ablation.audit.judge import (
    ALONE,
    NO_N,
    NO_SPREAD,
    ONE,
    TWO,
    Audit,
    Group,
    Judged,
    noise_of,
)
from ablation.audit.words import (
    MOST_LISTED,
    cov_words,
    levels_of,
    listed,
    name_of,
    one_spread,
    points,
    prefix,
    rows_of,
    size,
    spread_words,
    these,
)
from ablation.statistics.metrics import observations_needed

# A printed difference this far from the one of the printed values, in percentage points, is worth a word.
WORTH_A_WORD = 0.05


@dataclass(frozen=True)
class Statement:
    """One thing that the table supports or does not; ``topic`` groups them, ``levels`` are those of its rows."""

    topic: str
    levels: list[int]
    text: str


def statements(audit: Audit) -> list[Statement]:
    """All that is said of a table as a whole, its reasons for no verdict first."""
    said = _undecided(audit)
    for group in audit.groups:
        said += _group(group, audit)
    return said + _unknown(audit)


def _undecided(audit: Audit) -> list[Statement]:
    """Why rows have no verdict, each reason once."""
    rows = audit.rows
    said = []
    reasons: list[tuple[str, Callable[[list[Judged]], str]]] = [
        (
            NO_N,
            lambda mine: (
                "nothing can be decided, because neither the number of runs nor their spread is printed"
                if all(_spreadless(r) for r in mine)
                else "nothing can be decided, because the number of runs is not printed"
            ),
        ),
        (ONE, lambda mine: "one run of an arm supports nothing beyond itself: it has no spread"),
        (
            TWO,
            lambda mine: "two runs of an arm are never judged: one degree of freedom is no spread",
        ),
        (
            NO_SPREAD,
            lambda mine: f"nothing can be decided: {spread_words(mine[0])}",
        ),
        (ALONE, lambda mine: "there is one arm only, so nothing is compared"),
    ]
    for reason, words in reasons:
        mine = [row for row in rows if row.why_not == reason]
        if not mine:
            continue
        text = f"{these(mine, audit)}: {words(mine)}."
        known = [r for r in mine if r.noise_cov_percent > 0 and not r.direction_open]
        if known and reason != ALONE:
            text += f" {_noise(known, reason, audit)}"
        said.append(Statement(reason, _once(mine), text))
    return said


def _once(rows: Sequence[Judged]) -> list[int]:
    """The levels of these rows, of whatever group, once each."""
    return list(dict.fromkeys(levels_of(rows)))


def _spreadless(row: Judged) -> bool:
    arms = [arm for arm in (row.row.baseline, row.row.arm) if arm is not None]
    return all(arm.cov_percent is None and not arm.repeats for arm in arms)


def _noise(rows: Sequence[Judged], reason: str, audit: Audit) -> str:
    """From which launch CoV on the differences are noise, the smallest and the largest difference by name."""
    few = min(rows, key=lambda row: row.noise_cov_percent)
    most = max(rows, key=lambda row: row.noise_cov_percent)
    share = f"{100 * (1 - audit.confidence):g} % of tables of two equal arms"
    given = " if each number is one run" if reason == NO_N else ""
    text = (
        f"{share} would show a difference as large as {size(few).lstrip('+-')} ({name_of(few, audit)}) if the CoV "
        f"between launches were {cov_words(few.noise_cov_percent)} %{given}"
    )
    if most is not few:
        text += (
            f"; for {size(most).lstrip('+-')} ({name_of(most, audit)}) it takes "
            f"{cov_words(most.noise_cov_percent)} %"
        )
    if reason == NO_N:
        text += ", and 1.7 times that if each is the mean of three"
    if reason == NO_SPREAD:
        text += (
            f". A CoV printed of at most {cov_words(few.resolving_cov_percent)} % in both arms would resolve the first"
            + (f", {cov_words(most.resolving_cov_percent)} % the second" if most is not few else "")
        )
    return text + "."


def _unknown(audit: Audit) -> list[Statement]:
    """What the table does not print, so that it could not be looked at."""
    rows = audit.rows
    said = []
    levelless = [row for row in rows if row.row.level is None]
    blind = [row for row in rows if row.row.level is not None and row.row.requests is None]
    if blind:
        text = (
            f"{these(blind, audit)}: the number of requests is not printed, so whether the level was reached and "
            "how long it was held is not observed."
        )
        said.append(Statement("reach unknown", _once(blind), text))
    if levelless:
        text = f"{these(levelless, audit)}: no concurrency is printed, so whether a level was reached is not observed."
        said.append(Statement("reach unknown", [], text))
    level = [row for row in rows if row.direction_open and row.why_not != ALONE]
    if level:
        text = f"{these(level, audit)}: the printed digits do not even say which arm was ahead."
        said.append(Statement("digits", _once(level), text))
    pairless = [row for row in rows if row.row.unpaired]
    for row in pairless:
        text = f"{name_of(row, audit)}: {row.row.unpaired} printed runs have no partner and are left out of the pairs."
        said.append(Statement("pairs", levels_of([row]), text))
    return said


def _group(group: Group, audit: Audit) -> list[Statement]:
    said = _unreached(group, audit)
    judged = [row for row in group.rows if not row.why_not]
    if judged:
        low = min(row.half_width_percent[0] for row in judged)
        high = max(row.half_width_percent[1] for row in judged)
        n = min(row.n or 0 for row in judged)
        width = f"{low:.1f} to {high:.1f}" if f"{low:.1f}" != f"{high:.1f}" else f"{low:.1f}"
        text = (
            f"{prefix(group)}with n = {n} and the {_source(judged)}, the {100 * audit.confidence:g} % "
            f"half-width of a difference is {width} percentage points."
        )
        said.append(Statement("half-width", levels_of(judged), text))
        said += _verdicts(group, judged, audit)
        said += _exact(group, judged, n, audit)
    said += _alike(group, audit)
    said += _quantiles(group)
    return said + _rounding(group)


def _source(rows: Sequence[Judged]) -> str:
    return "runs printed" if any(r.row.arm and r.row.arm.repeats for r in rows) else "CoV stated"


def _exact(group: Group, judged: Sequence[Judged], n: int, audit: Audit) -> list[Statement]:
    if any(row.row.paired is False for row in judged):
        return []
    floor, alpha = 2.0 ** (1 - n), 1 - audit.confidence
    if floor < alpha:
        return []
    text = (
        f"{prefix(group)}an exact sign-flip test of {n} pairs cannot go below p = {floor:.4g} two-sided; "
        f"{math.ceil(1 - math.log2(alpha))} pairs would have been the fewest."
    )
    return [Statement("n", levels_of(judged), text)]


def _alike(group: Group, audit: Audit) -> list[Statement]:
    same = [
        row
        for row in group.rows
        if row.row.arm is not None
        and row.row.baseline is not None
        and row.row.arm.cov_percent is not None
        and row.row.arm == row.row.baseline
    ]
    if not same:
        return []
    (first, *_) = same
    text = (
        f"{prefix(group)}both arms print the same mean and the same spread. Read as A/A, the same settings twice, it "
        "is a noise floor"
    )
    known = noise_of(first.row.arm, 1 - audit.confidence)
    if known is not None and first.row.arm is not None:
        (_, half), smallest = known
        text += (
            f": {first.row.arm.n} runs with this spread resolve differences above {half:.1f} %, and find a true "
            f"difference of {smallest:.1f} % in four of five tables"
        )
    return [Statement("A/A", levels_of(same), text + ".")]


def _quantiles(group: Group) -> list[Statement]:
    needed = observations_needed(0.99)
    few = [row for row in group.rows if row.row.requests is not None and row.row.requests < needed]
    if not few:
        return []
    most = max(row.row.requests or 0 for row in few)
    text = f"{prefix(group)}{most} requests cannot support a p99, where one is quoted: it takes {needed} at the least."
    return [Statement("quantiles", levels_of(few), text)]


def _unreached(group: Group, audit: Audit) -> list[Statement]:
    rows = [row for row in group.rows if row.reached is not None]
    never = [row for row in rows if not row.reached]
    brief = [row for row in rows if row.brief]
    said = []
    if never:
        levels, requests = levels_of(never), max(row.row.requests or 0 for row in never)
        text = (
            f"{prefix(group)}{requests} requests a level cap the requests in flight at {requests}: "
            f"concurrency {listed(levels)} {'was' if len(levels) == 1 else 'were'} never reached."
        )
        said.append(Statement("reach", levels, text))
    if brief:
        parts = [
            f"{100 * (1 - (row.row.level or 0) / (row.row.requests or 1)):.0f} % of the requests at {row.row.level}"
            for row in brief
        ]
        text = (
            f"{prefix(group)}a level is full only until the last request is sent, that is for "
            f"{listed(parts)}: mostly ramp and drain."
        )
        said.append(Statement("reach", levels_of(brief), text))
    if never:
        said += _one_point(group, rows, max(row.row.requests or 0 for row in never), audit)
    return said


def _one_point(
    group: Group, rows: Sequence[Judged], requests: int, audit: Audit
) -> list[Statement]:
    """Levels that only repeat one another, because the requests cap them all."""
    same = [
        row for row in rows if row.in_flight_at_most == requests and row.row.baseline is not None
    ]
    if len(same) < 2:
        return []
    base = [row.row.baseline.value for row in same if row.row.baseline is not None]
    values = " / ".join(f"{value:,.{0 if value >= 1000 else 2}f}" for value in base[:MOST_LISTED])
    cov = 100 * float(stats.variation(base, ddof=1))
    text = (
        f"{prefix(group)}{values} {audit.table.unit or 'of the baseline'} are one operating point "
        f"({requests} in flight) measured {len(same)} times (CoV {cov:.2f} %); what changes past concurrency "
        f"{requests} has no support."
    )
    return [Statement("reach", levels_of(same), text)]


def _verdicts(group: Group, judged: Sequence[Judged], audit: Audit) -> list[Statement]:
    """What the differences show at the smallest and at the largest spread stated."""
    margin = f"±{audit.margin_percent:g} %"
    at = "at the spread stated" if all(one_spread(row) for row in judged) else "at any CoV stated"
    kinds = {
        "shown": f"the difference is shown {at}",
        "if quiet": "the difference is resolved only if the CoV lies at the low end of its range",
        "same": f"equality within {margin} is shown {at}",
        "same if quiet": f"equality within {margin} is shown only if the CoV lies at the low end of its range",
        "open": f"neither a difference nor equality within {margin} is shown {at}: not a regression, and not "
        "shown to be equal",
    }
    found: dict[str, list[Judged]] = {kind: [] for kind in kinds}
    for row in judged:
        quiet, loud = row.verdict
        if loud in ("faster", "slower"):
            kind = "shown"
        elif quiet in ("faster", "slower"):
            kind = "if quiet"
        elif loud == "equivalent":
            kind = "same"
        else:
            kind = "same if quiet" if quiet == "equivalent" else "open"
        found[kind].append(row)
    said = []
    for kind, rows in found.items():
        if not rows:
            continue
        sizes = [row.difference_percent for row in rows]
        ends = [pick(rows, key=lambda row: row.difference_percent) for pick in (min, max)]
        extent = " to ".join(dict.fromkeys(size(row) for row in ends))
        text = f"{rows_of(group, rows)} ({extent}): {kinds[kind]}"
        if kind == "open" and (min(sizes) > 0) != audit.table.less_is_better:
            text = text.replace(": not a regression, and not shown", "; it is not shown")
        said.append(Statement("difference", levels_of(rows), f"{text}."))
    return said


def _rounding(group: Group) -> list[Statement]:
    said = []
    compared = [row for row in group.rows if row.agrees is not None]
    far = max(compared, key=_off, default=None)
    if far is not None and far.agrees and _off(far) >= WORTH_A_WORD and far.row.difference_percent:
        text = (
            f"{prefix(group)}differences were computed before rounding: at {far.row.where} the printed values give "
            f"{points(far.recomputed_percent)}, the table says {size(far)}, which rounding "
            "explains."
        )
        said.append(Statement("rounding", levels_of([far]), text))
    wrong = [row for row in compared if not row.agrees]
    if wrong:
        text = (
            f"{prefix(group)}the published difference at {listed([row.row.where for row in wrong])} does not follow "
            "from the printed values, even with their rounding: it comes from values not printed, or is a slip."
        )
        said.append(Statement("rounding", levels_of(wrong), text))
    return said


def _off(row: Judged) -> float:
    return abs(row.recomputed_percent - row.difference_percent)
