"""Runs that gates took out: are they of one arm rather than of the other, and would the verdict be another with them?

Gates look at lag, steadiness and throttling, and these depend on how fast an arm is. If only the slow launches of one
arm fail them, the survivors decide. In simulation (10 blocks, launches that vary by 2 %, no true effect) a gate that
takes out the slower 40 % of one arm's launches raises the family error from 5 to 17 %.

The check is to put the runs back. A claim is withheld where gates took out at least ``LOPSIDED`` runs more of one arm
than of the other and the claim does not survive their return. A claim that passes was also made by the data from which
nothing was selected, so its error rate holds however one-sided the gates were.

``LOPSIDED`` is 2, since with few blocks no test can tell: McNemar's exact test takes 6 discordant blocks for p < 0.05.
One run more is left to the reader: if it is the slowest launch of its arm, the worst case, it raises a family error of
5 % to 6 or 7 %. To withhold on it too would cost many verdicts of studies in which runs were excluded for a good
reason: with 6 blocks, and 1 run in 30 disturbed by 20 %, 30 % of the verdicts at a true 4 % instead of 2 %. The figures
stand in docs/multiplicity.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from scipy import stats

from ablation.statistics.paired import Floats
from ablation.statistics.verdict import claims

# A run that fails one of these did the work that was asked for, if under conditions that may not be those of its arm.
# It can be put back, to see whether its exclusion decides.
TIMING = frozenset(
    {
        "achieved_concurrency",
        "client_bottleneck",
        "steady_state",
        "littles_law",
        "jit_in_window",
        "throttling",
    }
)
# A run that fails one of these did other work than was asked for, or shows nothing of its arm: its value is wrong and
# is never put back.
DATA = frozenset({"failures", "token_counts", "server_counters", "prefix_cache_hits", "treatment"})

# From this difference between the arms on, exclusions are called one-sided.
LOPSIDED = 2


def returnable(runs: DataFrame) -> NDArray[np.bool_]:
    """Runs that failed gates of timing and no other. A run whose failed gates are not known is not among them."""
    if "gates_failed" not in runs:
        return np.zeros(len(runs), dtype=bool)
    failed = [() if gates is None else tuple(gates) for gates in runs["gates_failed"]]
    return np.array([bool(gates) and TIMING.issuperset(gates) for gates in failed], dtype=bool)


@dataclass(frozen=True)
class Pairs:
    """Log ratios of comparisons, shape (comparisons, blocks), and what gates took out of them.

    ``ratios``: of usable runs. ``put_back``: with the returnable runs too. ``arm_out`` and ``baseline_out``: whether a
    gate took out the run of the arm, and of the baseline.
    """

    ratios: Floats
    put_back: Floats
    arm_out: NDArray[np.bool_]
    baseline_out: NDArray[np.bool_]

    @property
    def tilt(self) -> NDArray[np.int64]:
        """1 where a gate took out the arm's run and not the baseline's, -1 the other way round, else 0."""
        return self.arm_out.astype(np.int64) - self.baseline_out.astype(np.int64)

    @property
    def out(self) -> NDArray[np.int64]:
        """How many runs of each comparison gates took out."""
        return np.asarray(self.arm_out.sum(axis=1) + self.baseline_out.sum(axis=1))

    @property
    def returned(self) -> NDArray[np.int64]:
        """How many of them stand in a pair once they are put back."""
        new = np.isfinite(self.put_back) & ~np.isfinite(self.ratios)
        return np.asarray((self.arm_out & new).sum(axis=1) + (self.baseline_out & new).sum(axis=1))

    def first(self, blocks: int) -> Pairs:
        """The same of the first so many blocks alone."""
        return Pairs(
            self.ratios[:, :blocks],
            self.put_back[:, :blocks],
            self.arm_out[:, :blocks],
            self.baseline_out[:, :blocks],
        )


def lopsided(tilt: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether gates took out clearly more of one arm; ``tilt`` as in ``Pairs``, blocks along the last axis."""
    return np.asarray(np.abs(tilt.sum(axis=-1)) >= LOPSIDED)


def turned(
    counted: NDArray[np.str_], returned: NDArray[np.str_], tilt: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which verdicts are to be withheld: claims that rest on one-sided exclusions and turn when these are put back."""
    return np.asarray(claims(counted) & (counted != returned) & lopsided(tilt))


def p_one_sided(tilt: NDArray[np.int64]) -> Floats:
    """p of as many exclusions in both arms: McNemar's exact test (Psychometrika 12, 1947, 153-157), by blocks.

    1 where no block lost the run of one arm only.
    """
    discordant = (tilt != 0).sum(axis=-1)
    fewer = np.minimum((tilt > 0).sum(axis=-1), (tilt < 0).sum(axis=-1))
    return np.asarray(np.minimum(2 * stats.binom.cdf(fewer, discordant, 0.5), 1.0))


def because(pairs: Pairs, row: int, counted: str, returned: str) -> str:
    """Why a claim is withheld: ``counted`` and ``returned`` are verdict and numbers without and with the runs."""
    return (
        f"{counts(pairs, row)}, and the verdict depends on them: {counted} without them, {returned} with "
        f"{_returned(pairs, row)} put back"
    )


def said(pairs: Pairs, row: int, returned: str) -> str:
    """What is said of exclusions beside a verdict that they do not take away; ``returned`` is it with the runs."""
    if not pairs.returned[row]:
        return f"{counts(pairs, row)}; {'it' if pairs.out[row] == 1 else 'they'} cannot be put back"
    return f"{counts(pairs, row)}; with {_returned(pairs, row)} put back it is {returned}"


def counts(pairs: Pairs, row: int) -> str:
    """``gates took out 3 runs of the arm and none of the baseline's``."""
    arm, baseline = int(pairs.arm_out[row].sum()), int(pairs.baseline_out[row].sum())
    runs = f"{arm or 'no'} run{'' if arm == 1 else 's'} of the arm"
    return f"gates took out {runs} and {baseline or 'none'} of the baseline's"


def _returned(pairs: Pairs, row: int) -> str:
    out, back = int(pairs.out[row]), int(pairs.returned[row])
    if back < out:
        return f"{back} of them"
    return {1: "it", 2: "both"}.get(out, f"all {out}")
