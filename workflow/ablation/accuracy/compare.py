"""Do two arms give the same answers? Differences between arms against those between launches of the baseline.

The rule, for each phase (prefill, decode), over the prompts:

    distance of a prompt   mean over all pairs (launch of the arm, launch of the baseline)
    noise of a prompt      mean over all pairs of launches of the baseline (with one launch: its two repeats)
    limit                  max(floor, noise_ratio x noise), for the median and for the 95 % quantile over prompts
    different              a statistic is beyond its limit, and, where a permutation test of the launches' labels can
                           reach p <= 0.05 at all (four launches an arm), it does

Median and quantile, since an error may touch every prompt or few. The noise is the baseline's alone: a kernel with
a race would else raise its own limit. The permutation test (Fisher 1935; all relabellings, or 5,000 of them at
random) takes the launch as its unit, so launches that fall into modes, by which a ratio over few pairs is misled,
do not raise the rate of false alarms above 5 % in any case.

Error rates, simulated (`benchmarks/accuracy.py`, figures in docs/accuracy.md): noise between requests and launches
without any floor. First tokens are shown and do not decide: at a near-tie they flip without any error, and where they
flip for another reason the log-probabilities say so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ablation.accuracy.distance import PHASES, Distances, Launch, distances

ALPHA = 0.05
RELABELLINGS = 5000
HUGE = 1e9  # in place of an infinite distance, where it has to be averaged


@dataclass(frozen=True)
class Rule:
    """Floors in nats, and how many times the noise is allowed."""

    median_floor: float
    p95_floor: float
    noise_ratio: float = 2.0


@dataclass(frozen=True)
class PhaseResult:
    """One phase of a comparison; statistics are nats over the prompts, NaN where nothing was compared."""

    phase: str
    verdict: str  # same, different, not observed
    median: float = math.nan
    p95: float = math.nan
    max: float = math.nan
    noise_median: float = math.nan
    noise_p95: float = math.nan
    noise_max: float = math.nan
    limit_median: float = math.nan
    limit_p95: float = math.nan
    p_permutation: float = math.nan
    prompts: int = 0


@dataclass(frozen=True)
class Result:
    """A comparison of an arm with the baseline.

    `apart` are the blocks of single launches of the arm that are beyond the limit by themselves.
    """

    verdict: str
    phases: list[PhaseResult] = field(default_factory=list)
    equal_first: float = math.nan
    equal_first_noise: float = math.nan
    noise_from: str = ""
    apart: list[int] = field(default_factory=list)


def compare_launches(arm: list[Launch], baseline: list[Launch], rule: Rule) -> Result:
    """The verdict on an arm; all launches have answered the same prompt set."""
    if not arm or not baseline:
        return Result("not observed")
    found = distances([*arm, *baseline])
    n = len(arm)
    phases = [_phase(found, k, n, rule) for k in range(len(PHASES))]
    several = len(baseline) > 1
    ours, theirs = slice(0, n), slice(n, None)
    within = np.triu_indices(len(baseline), 1)
    return Result(
        verdict=_overall(phases),
        phases=phases,
        equal_first=float(found.equal[ours, theirs].mean()),
        equal_first_noise=float(
            found.equal[theirs, theirs][within].mean() if several else found.equal_repeats[n]
        ),
        noise_from="launches" if several else "repeats",
        apart=sorted({arm[i].block for p in phases for i in _apart(found, p, n)}),
    )


def _overall(phases: list[PhaseResult]) -> str:
    verdicts = [phase.verdict for phase in phases]
    return "different" if "different" in verdicts else verdicts[0]


def _phase(found: Distances, k: int, n: int, rule: Rule) -> PhaseResult:
    between = found.between[k][:, :n, n:]
    others = found.between.shape[-1] - n
    if others > 1:
        i, j = np.triu_indices(others, 1)
        noise = found.between[k][:, n + i, n + j]
    else:
        noise = found.repeats[k][:, n:]
    distance, floor = _over_pairs(between), _over_pairs(noise)
    seen = ~np.isnan(distance)
    if not seen.any() or np.isinf(floor).any():
        return PhaseResult(PHASES[k], "not observed")
    median, p95 = _statistics(distance)
    noise_median, noise_p95 = _statistics(floor)
    limit_median = max(rule.median_floor, rule.noise_ratio * _or_zero(noise_median))
    limit_p95 = max(rule.p95_floor, rule.noise_ratio * _or_zero(noise_p95))
    p, least = permutation(_matrix(found, k), n)
    beyond = median > limit_median or p95 > limit_p95
    different = beyond and (least > ALPHA or p <= ALPHA)
    return PhaseResult(
        PHASES[k],
        "different" if different else "same",
        median=median,
        p95=p95,
        max=float(np.nanmax(between)),
        noise_median=noise_median,
        noise_p95=noise_p95,
        noise_max=math.nan if np.isnan(noise).all() else float(np.nanmax(noise)),
        limit_median=limit_median,
        limit_p95=limit_p95,
        p_permutation=p,
        prompts=int(seen.sum()),
    )


def _apart(found: Distances, phase: PhaseResult, n: int) -> list[int]:
    """Launches of the arm whose own median distance from the baseline is beyond the limit."""
    if phase.verdict == "not observed":
        return []
    own = found.between[PHASES.index(phase.phase)][:, :n, n:]
    medians = [_statistics(_over_pairs(own[:, i]))[0] for i in range(n)]
    return [i for i, median in enumerate(medians) if median > phase.limit_median]


def _over_pairs(values: Any) -> Any:
    """(prompt, ...) -> (prompt,): the mean over the pairs that have a value, NaN where none has."""
    flat = values.reshape(len(values), -1)
    count = (~np.isnan(flat)).sum(axis=1)
    return np.where(count > 0, np.nansum(flat, axis=1) / np.maximum(count, 1), math.nan)


def _statistics(values: Any) -> tuple[float, float]:
    seen = values[~np.isnan(values)]
    if len(seen) == 0:
        return math.nan, math.nan
    median, p95 = np.quantile(np.minimum(seen, HUGE), [0.5, 0.95])
    return float(median), float(p95)


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _matrix(found: Distances, k: int) -> Any:
    """(launch, launch): mean distance over the prompts."""
    values = np.minimum(found.between[k], HUGE)
    count = (~np.isnan(values)).sum(axis=0)
    return np.nansum(values, axis=0) / np.maximum(count, 1)


def permutation(matrix: Any, n: int) -> tuple[float, float]:
    """(p, smallest p there can be) of "the first n launches are no farther from the rest than launches are".

    The statistic is the mean distance between the groups less that within them; p counts relabellings that
    reach it. `matrix` holds distances (launch, launch).
    """
    total = len(matrix)
    ways = math.comb(total, n)
    # With groups of the same size the exchanged labelling is the same split.
    least = (2 if 2 * n == total else 1) / ways
    if total < 3:
        return 1.0, 1.0
    rng = np.random.default_rng(0)
    if ways <= RELABELLINGS:
        from itertools import combinations

        groups = np.zeros((ways, total), dtype=bool)
        for row, chosen in enumerate(combinations(range(total), n)):
            groups[row, list(chosen)] = True
    else:
        groups = np.zeros((RELABELLINGS, total), dtype=bool)
        groups[:, :n] = True
        groups[1:] = rng.permuted(groups[1:], axis=1)
        least = max(least, 1 / RELABELLINGS)
    ours = groups.astype(float)
    theirs = 1 - ours
    cross = np.einsum("ri,ij,rj->r", ours, matrix, theirs) / (n * (total - n))
    pairs = math.comb(n, 2) + math.comb(total - n, 2)
    inside = np.einsum("ri,ij,rj->r", ours, matrix, ours)
    inside += np.einsum("ri,ij,rj->r", theirs, matrix, theirs)
    statistic = cross - inside / 2 / pairs
    observed = statistic[0]  # the first relabelling is the labels as they are
    reach = statistic >= observed - 1e-12 * max(1.0, abs(observed))
    return float(reach.mean()), least
