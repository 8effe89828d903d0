"""One plain sentence for each comparison row: nothing in it that is not in the row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ablation.statistics.metrics import METRICS, Metric
from ablation.statistics.multiplicity import PROCEDURE
from ablation.statistics.verdict import WITHHELD

FEWEST_WORDS = "a verdict takes at least 3 pairs"


def p_words(p: float) -> str:
    """``p = 0.031``, ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def percent(value: float) -> str:
    """A signed percentage with enough digits to tell it from 0: ``+4.1 %``, ``-0.04 %``."""
    if not math.isfinite(value):
        return "an infinite difference" if math.isinf(value) else "n/a"
    digits = 2 if abs(value) < 1 else 1
    text = f"{value:+.{digits}f} %"
    return "0 %" if float(f"{value:.{digits}f}") == 0 else text


def measured_words(metric: Metric, verdict: str, value: float, low: float, high: float) -> str:
    """A verdict with its numbers in percent: ``faster at +4.1 % (+3.0 % to +5.2 %)``."""
    reach = f" ({percent(low)} to {percent(high)})" if math.isfinite(high - low) else ""
    return f"{metric.word(verdict)} at {percent(value)}{reach}"


def sentence(row: Mapping[str, Any], confidence: float) -> str:
    """The comparison in words: what differs, by how much, how sure, and the verdict."""
    metric = METRICS[row["metric"]]
    what = f"{row['model']} at concurrency {row['concurrency']}: {metric.title}"
    who = f"{row['arm']} against {row['baseline']}"
    n, left_out = int(row["n_pairs"]), row["left_out"]
    planned = int(row["n_planned"])
    out = f" Left out of {planned} blocks: {left_out}." if left_out else ""
    withheld = f" Verdict withheld: {row['withheld_because']}." if row["withheld_because"] else ""
    if n == 0:
        return f"{what}, {who}: inconclusive, no block has a usable pair.{withheld}{out}"
    size = percent(row["difference_percent"])
    if n < 2:
        return (
            f"{what}, {who}: {size} in the only usable pair; inconclusive: {FEWEST_WORDS}."
            f"{withheld}{out}"
        )
    low, high = percent(row["low_percent"]), percent(row["high_percent"])
    seen = f"{what}, {who}: {size} ({100 * confidence:g} % interval {low} to {high}, {n} blocks)"
    return f"{seen}: {_reason(row, 1 - confidence)}{_flat(row)}{out}{_exclusions(row)}"


def _exclusions(row: Mapping[str, Any]) -> str:
    text = str(row["exclusions"])
    return f" {text[:1].upper()}{text[1:]}." if text else ""


def _reason(row: Mapping[str, Any], alpha: float) -> str:
    if row["verdict"] == WITHHELD:
        return f"verdict withheld: {row['withheld_because']}."
    verdict, margin = row["verdict"], f"±{row['equivalence_margin_percent']:g} %"
    said = METRICS[row["metric"]].word(verdict)
    at = row["settled_at"]
    if not math.isnan(at) and at > 0:
        within = f" within {margin}" if verdict == "equivalent" else ""
        return f"{said}{within} (settled at {int(at)} blocks, the looks at the data paid for)."
    levels = int(row["family_size"])
    over = f", adjusted over {levels} levels by {PROCEDURE}" if levels > 1 else ""
    if verdict == "equivalent":
        small = ""
        if row["p_adjusted"] <= row["p_tost_adjusted"] and row["p_adjusted"] < alpha:
            small = "; a difference is there, but smaller than what the study calls one"
        return f"equivalent within {margin} ({p_words(row['p_tost_adjusted'])}{over}){small}."
    if verdict in ("faster", "slower"):
        return f"{said} ({p_words(row['p_adjusted'])}{over})."
    if row["n_pairs"] < 3:
        return f"inconclusive: {FEWEST_WORDS}."
    more = row["more_blocks"]
    blocks = "block" if more == 1 else "blocks"
    cost = (
        "more than 1,000 blocks would not settle it"
        if more is None or math.isnan(more)
        else f"about {int(more):,} more {blocks} would settle it at the spread seen"
    )
    if not math.isnan(at):
        return f"inconclusive: no look at the data settled it; {cost}."
    return (
        f"inconclusive: neither a difference ({p_words(row['p_adjusted'])}{over}) nor equivalence "
        f"within {margin} ({p_words(row['p_tost_adjusted'])}) is shown; {cost}."
    )


def _flat(row: Mapping[str, Any]) -> str:
    """A spread of exactly nothing is no measurement's: say so."""
    if row["low_percent"] == row["high_percent"]:
        return " All blocks gave the same ratio: check that they are separate measurements."
    return ""
