"""The words of a verdict: the rule that gives them, the margin it is about, and the premises that take them away.

faster, slower, equivalent   a claim, with an error rate that holds
inconclusive                 the data show neither a difference nor equivalence
withheld                     a premise of the comparison does not hold: its numbers stand, and no verdict is given
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from ablation.statistics.paired import Floats

CLAIMS = ("faster", "slower", "equivalent")
INCONCLUSIVE = "inconclusive"
WITHHELD = "withheld"
VERDICTS = (*CLAIMS, INCONCLUSIVE, WITHHELD)

FEWEST_PAIRS = 3


def log_margin(percent: float) -> float:
    """The equivalence margin on the log scale, ``log(1 + m)``: ratios of 1/(1+m) to 1+m."""
    if not 0 < percent < 100:
        raise ValueError(f"the equivalence margin must be above 0 and below 100 %, got {percent}")
    return float(np.log1p(percent / 100))


def verdicts(
    n: NDArray[np.int64],
    better: NDArray[np.bool_],
    p_adjusted: Floats,
    p_tost_adjusted: Floats,
    alpha: float,
) -> NDArray[np.str_]:
    """faster, slower, equivalent or inconclusive for each comparison, in the shape of the input.

    "Equivalent" goes first: a difference that is real and surely smaller than the margin is one
    that the study declared not to matter. Faster means better: more throughput, less latency.
    """
    enough = n >= FEWEST_PAIRS
    same = enough & (p_tost_adjusted < alpha)
    differs = enough & (p_adjusted < alpha) & ~same
    words = np.where(same, "equivalent", INCONCLUSIVE)
    return np.where(differs, np.where(better, "faster", "slower"), words)


def claims(words: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Which words claim something."""
    return np.isin(words, CLAIMS)


@dataclass(frozen=True)
class Doubt:
    """A premise that comparisons of an arm do not meet, so that no verdict is given on them.

    ``because`` is a clause that can follow "withheld: ", without a full stop. It holds for one level, or for all where
    ``concurrency`` is None, and for one metric or for all.
    """

    model: str
    arm: str
    because: str
    concurrency: int | None = None
    metric: str | None = None


def reasons(*clauses: str) -> str:
    """Several reasons as one text: each once, in their order; empty where there is none."""
    return "; ".join(dict.fromkeys(one for some in clauses for one in some.split("; ") if one))


def withhold(table: DataFrame, doubts: Iterable[Doubt]) -> DataFrame:
    """The comparisons (or decisions), their verdict withheld where a doubt is about them.

    The one place where a verdict is taken away: ``withheld_because`` gathers the reasons of all that call it, and
    ``verdict`` becomes "withheld". The numbers stay as they are.
    """
    if table.empty:
        return table
    because = (
        table["withheld_because"].tolist() if "withheld_because" in table else [""] * len(table)
    )
    verdict = table["verdict"].tolist()
    rows = [
        table[name].tolist() if name in table else [None] * len(table)
        for name in ("model", "arm", "concurrency", "metric")
    ]
    known: dict[tuple[str, str], list[Doubt]] = {}
    for doubt in doubts:
        known.setdefault((doubt.model, doubt.arm), []).append(doubt)
    for i, (model, arm, level, metric) in enumerate(zip(*rows, strict=True)):
        for doubt in known.get((model, arm), []):
            here = doubt.concurrency is None or doubt.concurrency == level
            if here and (doubt.metric is None or metric is None or doubt.metric == metric):
                because[i] = reasons(because[i], doubt.because)
        if because[i]:
            verdict[i] = WITHHELD
    return table.assign(verdict=verdict, withheld_because=because)
