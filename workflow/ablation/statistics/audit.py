"""What a published A/B table can and cannot support, from the table alone.

The input is a CSV, one row a level: model, concurrency, baseline_tok_s, arm_tok_s, difference_percent
(as printed), n (runs), requests (per run), and the range of the coefficient of variation that the
publication states for each arm (cov_baseline_low_percent, ..., cov_arm_high_percent).

The publication's runs are taken as independent launches, the best case for it. A difference of two
independent means has the log-scale standard error ``sqrt((cov_a^2 + cov_b^2) / n)`` and Welch's degrees
of freedom (Welch 1947, Biometrika 34, 28-35); everything is computed at both ends of the stated
range. Verdicts follow the same rule as our own (TOST against the margin), but are adjusted over the levels
by Holm, since a table does not show how its levels correlate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pandas import DataFrame
from scipy import stats

from ablation.statistics import paired
from ablation.statistics.metrics import observations_needed
from ablation.statistics.paired import Floats
from ablation.statistics.recommendation import levels_words
from ablation.statistics.verdict import log_margin, verdicts

COLUMNS = [
    "model",
    "concurrency",
    "baseline_tok_s",
    "arm_tok_s",
    "difference_percent",
    "n",
    "requests",
    "cov_baseline_low_percent",
    "cov_baseline_high_percent",
    "cov_arm_low_percent",
    "cov_arm_high_percent",
]

# Requests for each one in flight below which a closed loop is mostly ramp and drain.
FEWEST_PER_SLOT = 3


class AuditError(ValueError):
    """The published table cannot be read as one; the message says what is wrong with it."""


@dataclass(frozen=True)
class Statement:
    """One thing that the table supports or does not; ``topic`` groups them, ``levels`` are its rows."""

    topic: str
    levels: list[int]
    text: str


@dataclass(frozen=True)
class Audit:
    """``rows``: one a level, with what could be computed; ``statements``: in words."""

    rows: DataFrame
    statements: list[Statement]


def read_published(path: Path) -> DataFrame:
    """The CSV, checked. Raises AuditError naming the column or line that is wrong."""
    try:
        table = pd.read_csv(path)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise AuditError(f"{path} cannot be read as a table: {error}") from error
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise AuditError(f"{path} lacks the columns {', '.join(missing)}")
    for name in COLUMNS[1:]:
        values = pd.to_numeric(table[name], errors="coerce")
        good = np.isfinite(values) if name == "difference_percent" else values > 0
        if not good.all():
            line = int(np.flatnonzero(~good.to_numpy())[0]) + 2
            raise AuditError(f"{path}, line {line}: {name} must be a number above 0")
        table[name] = values
    if (table["n"] < 2).any():
        raise AuditError(f"{path}: n below 2 leaves no spread to audit")
    return table[COLUMNS]


def audit(table: DataFrame, *, margin_percent: float = 2.0, confidence: float = 0.95) -> Audit:
    """Audit the table, model by model; each model's levels are one family."""
    margin, alpha = log_margin(margin_percent), 1 - confidence
    frames, statements = [], []
    for model, own in table.groupby("model", sort=False):
        rows = own.sort_values("concurrency").reset_index(drop=True)
        rows = _rounding(_reach(rows))
        for end in ("low", "high"):
            rows = _spread(rows, end, margin, alpha)
        frames.append(rows)
        statements += _statements(str(model), rows, margin_percent, confidence)
    return Audit(pd.concat(frames, ignore_index=True), statements)


def _reach(rows: DataFrame) -> DataFrame:
    """The most requests that could be in flight: no more than there were requests."""
    most = np.minimum(rows["concurrency"], rows["requests"]).astype(int)
    return rows.assign(in_flight_at_most=most, reached=rows["concurrency"] <= rows["requests"])


def _rounding(rows: DataFrame) -> DataFrame:
    """The difference from the printed means, and the range that their rounding leaves."""
    a, b = rows["arm_tok_s"], rows["baseline_tok_s"]
    low, high = 100 * ((a - 0.5) / (b + 0.5) - 1), 100 * ((a + 0.5) / (b - 0.5) - 1)
    # The printed difference is itself rounded, to two places.
    printed = rows["difference_percent"]
    fits = (printed >= low - 0.005) & (printed <= high + 0.005)
    return rows.assign(
        recomputed_percent=100 * (a / b - 1),
        rounding_low_percent=low,
        rounding_high_percent=high,
        rounding_explains=fits,
    )


def welch(difference: Floats, a: Floats, b: Floats, n: Floats) -> tuple[paired.Moments, Floats]:
    """Moments of a log difference of two means with coefficients of variation ``a`` and ``b``, and
    Welch's degrees of freedom."""
    va, vb = a**2 / n, b**2 / n
    df = (va + vb) ** 2 / ((va**2 + vb**2) / (n - 1))
    error = np.sqrt(va + vb)
    return paired.Moments(n.astype(np.int64), difference, error * np.sqrt(n), error), df


def _spread(rows: DataFrame, end: str, margin: float, alpha: float) -> DataFrame:
    """Half-width, tests and verdict with the CoV at one end of its stated range."""
    difference = np.log1p(rows["difference_percent"].to_numpy(dtype=float) / 100)
    n = rows["n"].to_numpy(dtype=float)
    arm = rows[f"cov_arm_{end}_percent"].to_numpy(dtype=float) / 100
    base = rows[f"cov_baseline_{end}_percent"].to_numpy(dtype=float) / 100
    m, df = welch(difference, arm, base, n)
    t = np.abs(difference) / m.error
    p = 2 * stats.t.sf(t, df)
    tost = stats.t.sf((margin - np.abs(difference)) / m.error, df)
    p_holm, tost_holm = paired.holm(p), paired.holm(tost)
    words = verdicts(m.n, difference > 0, p_holm, tost_holm, alpha)
    half = 100 * stats.t.isf(alpha / 2, df) * m.error
    return rows.assign(
        **{
            f"half_width_{end}_percent": half,
            f"p_holm_{end}": p_holm,
            f"p_tost_holm_{end}": tost_holm,
            f"verdict_{end}": words,
        }
    )


def _statements(model: str, rows: DataFrame, margin: float, confidence: float) -> list[Statement]:
    said = _unreached(model, rows)
    measured = [int(level) for level in rows["concurrency"]]
    low, high = rows["half_width_low_percent"].min(), rows["half_width_high_percent"].max()
    n = int(rows["n"].min())
    said.append(
        Statement(
            "half-width",
            measured,
            f"{model}: with n = {n} and the CoV stated, the {100 * confidence:g} % half-width of a "
            f"difference is {low:.1f} to {high:.1f} percentage points.",
        )
    )
    said += _verdicts(model, rows, measured, margin)
    floor = 2.0 ** (1 - n)
    if floor >= 1 - confidence:
        said.append(
            Statement(
                "n",
                measured,
                f"{model}: an exact sign-flip test of {n} pairs cannot go below p = {floor:.4g} "
                f"two-sided; {math.ceil(1 - math.log2(1 - confidence))} pairs would have been the "
                "fewest.",
            )
        )
    needed = observations_needed(0.99)
    few = rows.loc[rows["requests"] < needed]
    if len(few):
        levels = [int(x) for x in few["concurrency"]]
        said.append(
            Statement(
                "quantiles",
                levels,
                f"{model}: {int(few['requests'].max())} requests cannot support a p99, which takes "
                f"{needed} at the least.",
            )
        )
    return said + _printed(model, rows)


def _unreached(model: str, rows: DataFrame) -> list[Statement]:
    never = rows.loc[~rows["reached"]]
    brief = rows.loc[rows["reached"] & (rows["requests"] < FEWEST_PER_SLOT * rows["concurrency"])]
    said = []
    if len(brief):
        parts = [
            f"{100 * (1 - level / requests):.0f} % of the requests at {level}"
            for level, requests in zip(brief["concurrency"], brief["requests"], strict=True)
        ]
        said.append(
            Statement(
                "reach",
                [int(level) for level in brief["concurrency"]],
                f"{model}: a level is full only until the last request is sent, that is for "
                f"{', '.join(parts)}: mostly ramp and drain.",
            )
        )
    if never.empty:
        return said
    levels = [int(level) for level in never["concurrency"]]
    requests = int(never["requests"].max())
    said.insert(
        0,
        Statement(
            "reach",
            levels,
            f"{model}: {requests} requests a level cap the requests in flight at {requests}: "
            f"concurrency {_list(levels)} {'was' if len(levels) == 1 else 'were'} never reached.",
        ),
    )
    same = rows.loc[rows["in_flight_at_most"] == requests]
    if len(same) > 1:
        base = same["baseline_tok_s"].to_numpy(dtype=float)
        values = " / ".join(f"{value:,.0f}" for value in base)
        said.append(
            Statement(
                "reach",
                [int(level) for level in same["concurrency"]],
                f"{model}: {values} tok/s are one operating point ({requests} in flight) measured "
                f"{len(same)} times (CoV {100 * stats.variation(base, ddof=1):.2f} %); what changes "
                f"past concurrency {requests} has no support.",
            )
        )
    return said


def _verdicts(model: str, rows: DataFrame, measured: list[int], margin: float) -> list[Statement]:
    """What the differences show at the smallest and at the largest CoV stated."""
    said = []
    kinds = {
        "shown": "the difference is shown at any CoV stated",
        "if quiet": "the difference is resolved only if the CoV lies at the low end of its range",
        "same": f"equality within ±{margin:g} % is shown at any CoV stated",
        "same if quiet": f"equality within ±{margin:g} % is shown only if the CoV lies at the low "
        "end of its range",
        "open": "neither a difference nor equality within "
        f"±{margin:g} % is shown at any CoV stated: not a regression, and not shown to be equal",
    }
    found: dict[str, list[int]] = {kind: [] for kind in kinds}
    for level, quiet, loud in zip(
        rows["concurrency"], rows["verdict_low"], rows["verdict_high"], strict=True
    ):
        if loud in ("faster", "slower"):
            kind = "shown"
        elif quiet in ("faster", "slower"):
            kind = "if quiet"
        elif loud == "equivalent":
            kind = "same"
        else:
            kind = "same if quiet" if quiet == "equivalent" else "open"
        found[kind].append(int(level))
    for kind, levels in found.items():
        if levels:
            mine = rows[rows["concurrency"].isin(levels)]
            sizes = mine["difference_percent"]
            extent = f"{sizes.min():+.2f} %"
            if sizes.min() != sizes.max():
                extent += f" to {sizes.max():+.2f} %"
            text = f"{model} at {levels_words(levels, measured)} ({extent}): {kinds[kind]}"
            if kind == "open" and sizes.min() > 0:
                text = text.replace(": not a regression, and", "; it was")
            said.append(Statement("difference", levels, f"{text}."))
    return said


def _printed(model: str, rows: DataFrame) -> list[Statement]:
    said = []
    off = np.abs((rows["recomputed_percent"] - rows["difference_percent"]).to_numpy(dtype=float))
    widest = int(off.argmax())
    if off[widest] >= 0.05:
        row = rows.iloc[widest]
        fit = (
            "which rounding explains"
            if row["rounding_explains"]
            else "which rounding does not explain"
        )
        said.append(
            Statement(
                "rounding",
                [int(row["concurrency"])],
                f"{model}: differences were computed before rounding: at {int(row['concurrency'])} "
                f"the printed means give {row['recomputed_percent']:+.2f} %, the table says "
                f"{row['difference_percent']:+.2f} %, {fit}.",
            )
        )
    wrong = [int(x) for x in rows.loc[~rows["rounding_explains"], "concurrency"]]
    if wrong:
        said.append(
            Statement(
                "rounding",
                wrong,
                f"{model}: the printed difference at {_list(wrong)} does not follow from the printed "
                "means, even with their rounding.",
            )
        )
    return said


def _list(levels: list[int]) -> str:
    """Every level by its number: nothing is hidden in a range."""
    words = [str(level) for level in levels]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
