"""What one row of a published table supports, and what it leaves open."""

from __future__ import annotations

import math

from ablation.audit.judge import ALONE, NO_N, NO_SPREAD, ONE, TWO, Audit, Judged
from ablation.audit.words import (
    cov_words,
    half_words,
    one_spread,
    points,
    runs_of,
    size,
    spread_words,
)


def can(row: Judged, audit: Audit) -> str:
    """What this row supports; empty where it supports nothing."""
    shown = size(row)
    if row.why_not == ALONE:
        if math.isnan(row.smallest_percent):
            return ""
        return (
            f"The noise of {row.n} runs: two arms with as many runs and this spread differ by up to "
            f"{half_words(row.half_width_percent)} points without any effect, and a true difference of "
            f"{row.smallest_percent:.1f} % would be found in four of five tables."
        )
    half = f"half-width ±{half_words(row.half_width_percent)} points"
    if row.paired_by == "the spread of either arm":
        half += ", whatever the correlation within a pair"
    elif row.paired_by:
        half += f", from {row.n} pairs"
    stated = "the spread stated" if one_spread(row) else "any spread stated"
    if row.verdict[1] in ("faster", "slower"):
        return f"The arm is {row.verdict[1]} ({shown}) at {stated}: {half}."
    if row.verdict == ("equivalent", "equivalent"):
        return f"The arms are equal within ±{audit.margin_percent:g} % at {stated}: {half}."
    if not row.why_not:
        stated = "" if one_spread(row) else ", at the largest spread stated"
        half_width = f"± {row.half_width_percent[1]:.1f} points"
        return f"The {100 * audit.confidence:g} % interval is {shown} {half_width}{stated}."
    if row.direction_open:
        return "Both arms came out equal to the digits printed."
    runs = "each number is one run" if row.n is None else ""
    return (
        f"{shown} is more than noise if the CoV between launches is below {cov_words(row.noise_cov_percent)} %"
        + (f" and {runs}." if runs else ".")
    )


def cannot(row: Judged, audit: Audit) -> str:
    """What this row does not support; empty where nothing is left open."""
    parts = []
    if row.reached is False:
        parts.append(
            f"It is no measurement of concurrency {row.row.level}: {row.row.requests} requests never hold more "
            f"than {row.in_flight_at_most} in flight."
        )
    elif row.brief:
        share = 100 * max(0.0, 1 - (row.row.level or 0) / (row.row.requests or 1))
        parts.append(
            f"It is no steady state: {row.row.requests} requests keep {row.row.level} in flight for {share:.0f} % of "
            "the requests, the rest is ramp and drain."
        )
    parts += _no_verdict(row, audit)
    if (
        row.why_not != ALONE
        and row.direction_open
        and row.rounding_percent[0] < row.rounding_percent[1]
    ):
        low, high = row.rounding_percent
        parts.append(f"The printed digits leave {points(low)} to {points(high)}.")
    if row.agrees is False:
        parts.append(
            f"The published difference does not follow from the printed values, which give "
            f"{points(row.recomputed_percent)}."
        )
    return " ".join(parts)


def _no_verdict(row: Judged, audit: Audit) -> list[str]:
    margin = f"±{audit.margin_percent:g} %"
    if row.why_not == ALONE:
        known = not math.isnan(row.smallest_percent)
        return [
            "Any comparison: there is no second arm."
            if known
            else "Any comparison, and how large the noise is: one arm, and no spread of three runs or more."
        ]
    if row.why_not == ONE:
        return [
            f"Whether it would come out again: with {runs_of(row)} there is no spread, so nothing is decided."
        ]
    if row.why_not == TWO:
        return [
            f"Two runs of an arm are never judged ({runs_of(row)}): one degree of freedom is no spread."
        ]
    if row.why_not == NO_N:
        return ["Nothing is decided: the table does not print how many runs stand behind a number."]
    if row.why_not == NO_SPREAD:
        if not row.resolving_cov_percent > 0:
            return [f"Nothing is decided: {spread_words(row)}, and no spread would resolve it."]
        return [
            f"Nothing is decided: {spread_words(row)}. It would be resolved if the CoV printed were at most "
            f"{cov_words(row.resolving_cov_percent)} % in both arms."
        ]
    if row.verdict[0] == row.verdict[1] == "inconclusive":
        return [f"Neither a difference nor equality within {margin} is shown."]
    if row.verdict[1] == "inconclusive":
        what = "Equality" if row.verdict[0] == "equivalent" else "The difference"
        return [f"{what} is shown only if the spread lies at the low end of what is stated."]
    return []
