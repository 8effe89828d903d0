"""Stopping early: looks at the data while blocks are added, with an error rate that holds.

Alpha is spent over the looks by a Pocock-type spending function (Lan and DeMets 1983, Biometrika 70,
659-663): with the share f of the blocks measured, ``alpha log(1 + (e - 1) f)`` has been spent, and each
look tests at what it adds. The looks' levels sum to alpha, so the chance of a false verdict at any
look is at most alpha whatever the dependence between looks (Bonferroni); nothing is gained from
their correlation, and nothing is assumed of it. At each look the levels of the family are adjusted as
without looks (``family.judge``), for the difference and for equivalence.

A verdict once settled stays. A verdict that would be withheld, because it hangs on one-sided exclusions or because of a
doubt that the caller has, settles nothing. Blocks of a model end when all its levels are settled, or at the most; those
of a model without a comparison that can be decided (no baseline, or A/A alone) are all measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

from ablation.plan.plan import Plan
from ablation.statistics import exclusions, paired
from ablation.statistics.cells import Absent, Grid
from ablation.statistics.exclusions import Pairs
from ablation.statistics.family import judge
from ablation.statistics.metrics import METRICS, PRIMARY, Metric
from ablation.statistics.noise import same_settings
from ablation.statistics.paired import Floats
from ablation.statistics.premises import doubts_of
from ablation.statistics.sentences import measured_words
from ablation.statistics.verdict import (
    FEWEST_PAIRS,
    INCONCLUSIVE,
    WITHHELD,
    Doubt,
    claims,
    log_margin,
    withhold,
)

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
    """Of each level, shape (families, levels): its verdict, the look (in blocks) that gave it (0: none), that look's
    alpha, and the verdict of the last look with the excluded runs put back.

    A level whose verdict the last look would have given, had it not turned with those runs, is "withheld" and open; its
    ``counted`` is what it would have been.
    """

    verdict: NDArray[np.str_]
    at: NDArray[np.int64]
    alpha: Floats
    counted: NDArray[np.str_]
    put_back: NDArray[np.str_]


def settle(
    log_ratios: Floats,
    points: Sequence[int],
    *,
    alpha: float,
    margin: float,
    higher_is_better: bool = True,
    put_back: Floats | None = None,
    tilt: NDArray[np.int64] | None = None,
    decisions_only: bool = False,
    joint: bool = True,
) -> Settled:
    """Replay the looks on families: ``log_ratios`` is (families, levels, blocks) in launch order.

    Looks beyond the blocks that are there do not happen. The alpha of a level that is not settled
    is that of the last look that happened. ``put_back`` and ``tilt`` are those of ``exclusions.Pairs``, in the same
    shape; without them nothing was excluded. ``decisions_only`` and ``joint`` as in ``family.judge``.
    """
    shape = log_ratios.shape[:2]
    verdict = np.full(shape, INCONCLUSIVE, dtype="<U12")
    counted, returned = verdict.copy(), verdict.copy()
    at = np.zeros(shape, dtype=np.int64)
    used = np.full(shape, np.nan)
    options: Any = {
        "higher_is_better": higher_is_better,
        "decisions_only": decisions_only,
        "joint": joint,
    }
    for point, level in zip(points, spending(points, alpha), strict=True):
        if point > log_ratios.shape[2]:
            break
        words = judge(log_ratios[:, :, :point], level, margin, **options).verdict
        back, turned = words, np.zeros(shape, dtype=bool)
        if put_back is not None and tilt is not None and tilt[:, :, :point].any():
            back = judge(put_back[:, :, :point], level, margin, **options).verdict
            turned = exclusions.turned(words, back, tilt[:, :, :point])
        open_ = at == 0
        used[open_] = level
        counted[open_], returned[open_] = words[open_], back[open_]
        verdict[open_] = np.where(turned, WITHHELD, words)[open_]
        at[open_ & claims(verdict)] = point
    return Settled(verdict, at, used, counted, returned)


def decidable(plan: Plan, model: str) -> list[str]:
    """The arms of a model about which something can be decided early.

    None where the model does not run the baseline. An A/A arm has nothing to decide: it would hold the study up until
    chance calls it equivalent.
    """
    arms = plan.models[model].arms
    silent = {plan.baseline, *same_settings(plan)}
    return [arm for arm in arms if arm not in silent] if plan.baseline in arms else []


def decide(runs: DataFrame, plan: Plan, doubts: Iterable[Doubt] = ()) -> DataFrame:
    """Where each comparison of the primary metric stands; one row for each (model, arm, level).

    ``design.sequential`` may hold ``first`` and ``every``; ``design.blocks`` is the most.
    Columns: model, arm, concurrency, blocks (complete ones in a row from the first), settled_at (0:
    open), verdict, withheld_because, stop (the model needs no more blocks), saved (launches not needed
    of those planned), low_percent and high_percent (the repeated confidence interval: that of the settling
    look at its own alpha; Jennison and Turnbull 1984, J. R. Stat. Soc. B 46). No row is there for a model
    without the baseline, nor for an A/A arm: ``stops`` knows what that means for its blocks.

    A block counts as had when every run of it is in the frame, usable or not. A comparison that one of the
    ``doubts`` is about is never settled.
    """
    metric: Metric = METRICS[PRIMARY]
    doubts = [*doubts, *doubts_of(runs, plan)]
    grid = Grid(runs, plan)
    cells = grid.cells(metric)
    design, baseline = plan.study.design, plan.baseline
    options = design.sequential
    alpha, margin = (
        1 - design.confidence,
        log_margin(design.equivalence_margin_percent),
    )
    frames: list[DataFrame] = []
    for model, entry in plan.models.items():
        arms = decidable(plan, model)
        if not arms:
            continue
        most = entry.blocks
        first = min(options.first if options else FIRST_LOOK, most)
        points = look_points(most, first, options.every if options else EVERY)
        had = _complete(cells.absent, cells.row, model, entry.arms, plan.levels, most)
        theirs = [cells.row[(model, baseline, int(level))] for level in plan.levels]
        rows: list[dict[str, Any]] = []
        for arm in arms:
            ours = [cells.row[(model, arm, int(level))] for level in plan.levels]
            pairs = cells.pairs(ours, theirs).first(had)
            found = _arm(pairs, points, metric, alpha, margin)
            names = {"model": model, "arm": arm, "blocks": had}
            rows += [
                names | {"concurrency": int(level)} | row
                for level, row in zip(plan.levels, found, strict=True)
            ]
        own = withhold(DataFrame(rows), doubts)
        own.loc[own["verdict"] == WITHHELD, "settled_at"] = 0
        done = had in points and bool((own["settled_at"] > 0).all())
        saved = (most - had) * len(entry.arms) if done else 0
        frames.append(own.assign(stop=done or had >= most, saved=saved))
    return pd.concat(frames, ignore_index=True) if frames else DataFrame()


def _arm(
    pairs: Pairs, points: Sequence[int], metric: Metric, alpha: float, margin: float
) -> list[dict[str, Any]]:
    """Where the levels of one arm stand."""
    settled = settle(
        pairs.ratios[None],
        points,
        alpha=alpha,
        margin=margin,
        higher_is_better=metric.higher_is_better,
        put_back=pairs.put_back[None],
        tilt=pairs.tilt[None],
    )
    looked = max([point for point in points if point <= pairs.ratios.shape[1]], default=0)
    rows = []
    for i in range(len(pairs.ratios)):
        verdict, at = str(settled.verdict[0, i]), int(settled.at[0, i])
        level = float(settled.alpha[0, i])
        seen = pairs.first(at or looked)
        low, high = _interval(seen.ratios[i], level)
        because = ""
        if verdict == WITHHELD:
            words = [
                measured_words(
                    metric,
                    str(word[0, i]),
                    100 * math.expm1(float(np.nanmean(ratios[i]))),
                    *_interval(ratios[i], level),
                )
                for word, ratios in (
                    (settled.counted, seen.ratios),
                    (settled.put_back, seen.put_back),
                )
            ]
            because = exclusions.because(seen, i, words[0], words[1])
        rows.append(
            {
                "settled_at": at,
                "verdict": verdict,
                "withheld_because": because,
                "low_percent": low,
                "high_percent": high,
            }
        )
    return rows


def stops(decisions: DataFrame, model: str) -> bool:
    """Whether a model needs no more blocks.

    A model of which nothing can be decided early (it lacks the baseline, or every other arm repeats the baseline's
    settings) has no rows in ``decisions`` and is measured to its last block.
    """
    rows = decisions[decisions["model"] == model] if not decisions.empty else decisions
    return bool(len(rows)) and bool(rows["stop"].all())


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
