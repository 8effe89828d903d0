"""Stopping early: looks at the data while blocks are added, with an error rate that holds.

Alpha is spent over the looks by a Pocock-type spending function (Lan and DeMets 1983, Biometrika 70,
659-663): with the share f of the blocks measured, ``alpha log(1 + (e - 1) f)`` has been spent, and each
look tests at what it adds. The looks' levels sum to alpha, so the chance of a false verdict at any
look is at most alpha whatever the dependence between looks (Bonferroni); nothing is gained from
their correlation, and nothing is assumed of it. At each look the levels of the family are adjusted as
without looks (Holm), for the difference and for equivalence.

A verdict once settled stays. Blocks of a model end when all its levels are settled, or at the most.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from ablation.plan.plan import Plan
from ablation.statistics import paired
from ablation.statistics.cells import Absent, Grid
from ablation.statistics.metrics import METRICS, PRIMARY, Metric
from ablation.statistics.noise import same_settings
from ablation.statistics.paired import Floats
from ablation.statistics.verdict import FEWEST_PAIRS, log_margin, verdicts

# Fewer than 6 blocks cannot reach p < 0.05 by an exact sign-flip test, so no look comes before.
FIRST_LOOK = 6
EVERY = 2


def look_points(most: int, first: int = FIRST_LOOK, every: int = EVERY) -> list[int]:
    """The numbers of blocks at which to look: ``first``, then every so many, and the last one."""
    if not min(FEWEST_PAIRS, most) <= first <= most or every < 1:
        raise ValueError(
            f"looks go from at least {FEWEST_PAIRS} blocks to the most ({most}), by 1 or more; "
            f"got first {first}, every {every}"
        )
    points = list(range(first, most + 1, every))
    return points if points[-1] == most else [*points, most]


def spending(points: Sequence[int], alpha: float) -> list[float]:
    """The level of each look; they sum to ``alpha``."""
    most = points[-1]
    spent = [alpha * math.log1p((math.e - 1) * point / most) for point in points]
    return [now - before for now, before in zip(spent, [0.0, *spent[:-1]], strict=True)]


@dataclass(frozen=True)
class Settled:
    """For each level: its verdict, the look (in blocks) that gave it (0: none), and that look's alpha."""

    verdict: list[str]
    at: NDArray[np.int64]
    alpha: Floats


def settle(
    log_ratios: Floats,
    points: Sequence[int],
    *,
    alpha: float,
    margin: float,
    higher_is_better: bool = True,
) -> Settled:
    """Replay the looks on one family: ``log_ratios`` is (levels, blocks) in launch order.

    Looks beyond the blocks that are there do not happen. The alpha of a level that is not settled
    is that of the last look that happened.
    """
    log_ratios = np.atleast_2d(log_ratios)
    count = len(log_ratios)
    verdict = ["inconclusive"] * count
    at = np.zeros(count, dtype=np.int64)
    used = np.full(count, np.nan)
    for point, level in zip(points, spending(points, alpha), strict=True):
        if point > log_ratios.shape[1]:
            break
        m = paired.moments(log_ratios[:, :point])
        differs = paired.holm(paired.t_test(m))
        same = paired.holm(paired.equivalence_test(m, margin))
        better = m.mean > 0 if higher_is_better else m.mean < 0
        words = verdicts(m.n, better, differs, same, level)
        for i in np.flatnonzero(at == 0):
            used[i] = level
            if words[i] != "inconclusive":
                verdict[i], at[i] = words[i], point
    return Settled(verdict, at, used)


def decide(runs: DataFrame, plan: Plan) -> DataFrame:
    """Where each comparison of the primary metric stands; one row for each (model, arm, level).

    ``design.sequential`` may hold ``first`` and ``every``; ``design.blocks`` is the most.
    Columns: model, arm, concurrency, blocks (complete ones in a row from the first), settled_at (0:
    open), verdict, stop (the model needs no more blocks), saved (launches not needed of those
    planned), low_percent and high_percent (the repeated confidence interval: that of the settling
    look at its own alpha; Jennison and Turnbull 1984, J. R. Stat. Soc. B 46).

    A block counts as had when every run of it is in the frame, usable or not.
    """
    metric: Metric = METRICS[PRIMARY]
    grid = Grid(runs, plan)
    cells = grid.cells(metric)
    design, baseline = plan.study.design, plan.baseline
    options = design.sequential
    alpha, margin = (
        1 - design.confidence,
        log_margin(design.equivalence_margin_percent),
    )
    # An A/A arm has nothing to decide: it would hold the study up until chance calls it equivalent.
    silent = {baseline, *same_settings(plan)}
    rows: list[dict[str, Any]] = []
    for model, entry in plan.models.items():
        if baseline not in entry.arms or len(entry.arms) < 2:
            continue
        most = entry.blocks
        first = min(options.first if options else FIRST_LOOK, most)
        points = look_points(most, first, options.every if options else EVERY)
        had = _complete(cells.absent, cells.row, model, entry.arms, plan.levels, most)
        own: list[dict[str, Any]] = []
        for arm in (a for a in entry.arms if a not in silent):
            ours = [cells.row[(model, arm, int(level))] for level in plan.levels]
            theirs = [cells.row[(model, baseline, int(level))] for level in plan.levels]
            ratios = np.log(cells.values[ours][:, :had]) - np.log(cells.values[theirs][:, :had])
            settled = settle(
                ratios,
                points,
                alpha=alpha,
                margin=margin,
                higher_is_better=metric.higher_is_better,
            )
            for i, level in enumerate(plan.levels):
                last = int(settled.at[i]) or max([p for p in points if p <= had], default=0)
                low, high = _interval(ratios[i, :last], float(settled.alpha[i]))
                own.append(
                    {
                        "model": model,
                        "arm": arm,
                        "concurrency": int(level),
                        "blocks": had,
                        "settled_at": int(settled.at[i]),
                        "verdict": settled.verdict[i],
                        "low_percent": low,
                        "high_percent": high,
                    }
                )
        done = had in points and all(row["settled_at"] for row in own)
        saved = (most - had) * len(entry.arms) if done else 0
        rows += [{**row, "stop": done or had >= most, "saved": saved} for row in own]
    return DataFrame(rows)


def planned_blocks(runs: DataFrame, plan: Plan) -> Plan:
    """The plan with the blocks and sessions that were needed: what was saved is not missing."""
    if plan.study.design.sequential is None:
        return plan
    table = decide(runs, plan)
    if table.empty:
        return plan
    done = table[table["saved"] > 0].groupby("model")["blocks"].first()
    models = {
        name: replace(entry, blocks=int(done[name])) if name in done.index else entry
        for name, entry in plan.models.items()
    }
    sessions = [s for s in plan.sessions if s.block <= models[s.model].blocks]
    return replace(plan, models=models, sessions=sessions)


def _complete(
    absent: NDArray[np.int64],
    row: Mapping[tuple[str, str, int], int],
    model: str,
    arms: Sequence[str],
    levels: Sequence[int],
    most: int,
) -> int:
    """Blocks in a row from the first whose every run is there."""
    wanted = [row[(model, arm, int(level))] for arm in arms for level in levels]
    there = (absent[wanted][:, :most] != Absent.NOT_RUN).all(axis=0)
    return int(np.argmin(np.append(there, False)))


def _interval(ratios: Floats, alpha: float) -> tuple[float, float]:
    if not len(ratios) or math.isnan(alpha):
        return float("nan"), float("nan")
    low, high = paired.interval(paired.moments(ratios), 1 - alpha)
    return 100 * math.expm1(float(low[0])), 100 * math.expm1(float(high[0]))
