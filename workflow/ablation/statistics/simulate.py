"""Studies with known truth, to test the statistics: what they claim against what is so.

A launch's log throughput is the sum of a drift with time, its place in the block, the launch itself (shared by its
levels) and the run; what a block's launches share cancels in its pair and is left out. The truth is
``log(1 + effect)`` for the arm that is not the baseline. Everything is made for many studies at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ablation.statistics import exclusions, paired
from ablation.statistics.family import judge
from ablation.statistics.paired import Floats
from ablation.statistics.sequential import look_points, settle
from ablation.statistics.verdict import FEWEST_PAIRS, WITHHELD, claims, log_margin

LEVELS = 7
MARGIN_PERCENT = 2.0
CONFIDENCE = 0.95
# The effect whose power is the headline: what the published study claims for high concurrency.
EFFECT_PERCENT = 4.0
CURVE_PERCENT = (1.0, 2.0, 3.0, 6.0, 10.0)
# Blocks are counted for this power, up to so many.
POWER = 0.90
MOST_BLOCKS = 24


@dataclass(frozen=True)
class Cell:
    """A generative model. Percentages are standard deviations of the log throughput.

    ``launch``: between launches of (baseline, arm). ``run``: between levels of a launch. ``tails``: degrees of freedom
    of the launches' t distribution (None: normal). ``slow_mode``: chance that a launch falls into a mode ``mode_gap``
    percent slower. ``drift``: the whole of it from the first launch to the last, in percent. ``first_slower``: by so
    many percent the first launch of a block is slower.

    ``order``: of the arms in a block. "random"; "balanced" (random, each arm first in half of the blocks);
    "baseline first" in every block; "apart": all launches of the baseline before those of the arm.

    ``gate``: a launch of the arm that is slower than typical by more than so many standard deviations fails a gate, at
    all levels. ``disturbed``: chance that a launch of either arm fails a gate because something slowed it by
    ``disturbed_by`` percent, which has nothing to do with its arm. ``safeguard``: claims that hang on exclusions are
    withheld, as a study does.

    A further source of differences is a field here and a term in ``_launch``.
    """

    name: str
    launch: tuple[float, float] = (1.0, 1.0)
    run: float = 0.3
    tails: float | None = None
    slow_mode: float = 0.0
    mode_gap: float = 0.0
    drift: float = 0.0
    first_slower: float = 0.0
    order: Literal["random", "balanced", "baseline first", "apart"] = "random"
    gate: float | None = None
    disturbed: float = 0.0
    disturbed_by: float = 0.0
    safeguard: bool = True


# The slower 40 % of the arm's launches are taken out: the arm seems faster by 0.65 standard deviations.
_SELECTIVE: dict[str, Any] = {"launch": (2.0, 2.0), "gate": 0.25}
_DISTURBED: dict[str, Any] = {"disturbed": 1 / 30, "disturbed_by": 20.0}

CELLS = (
    Cell("launches vary by 1 %"),
    Cell("levels vary by 1 % each on its own", launch=(0.1, 0.1), run=1.0),
    Cell("launches vary by 1 % (t, 4 df), runs by 0.1 %", run=0.1, tails=4.0),
    Cell("as published: 0.3 % and 5 %", launch=(0.3, 5.0), run=0.1),
    Cell("as published: 0.1 % and 1 %", launch=(0.1, 1.0), run=0.1),
    Cell("heavy tails (t, 3 df)", tails=3.0),
    Cell("launch modes (1 in 5 is 3 % slower)", launch=(0.3, 0.3), slow_mode=0.2, mode_gap=3.0),
    Cell("drift of 5 %, blocked order", drift=5.0),
    Cell("drift of 5 %, one arm first", drift=5.0, order="apart"),
    Cell("first launch 1 % slower, random order", first_slower=1.0),
    Cell("first launch 1 % slower, balanced order", first_slower=1.0, order="balanced"),
    Cell("first launch 1 % slower, baseline first", first_slower=1.0, order="baseline first"),
    Cell("launches vary by 2 %", launch=(2.0, 2.0)),
    Cell("slow launches of one arm excluded, counted", **_SELECTIVE, safeguard=False),
    Cell("slow launches of one arm excluded, safeguard", **_SELECTIVE),
    Cell("1 run in 30 disturbed and excluded, counted", **_DISTURBED, safeguard=False),
    Cell("1 run in 30 disturbed and excluded, safeguard", **_DISTURBED),
)
SEQUENTIAL = tuple(
    cell
    for cell in CELLS
    if not (cell.drift or cell.first_slower or cell.slow_mode) and cell.safeguard
)


@dataclass(frozen=True)
class Studies:
    """Simulated log ratios, shape (studies, LEVELS, blocks).

    ``ratios``: as the comparison counts them, NaN where a gate took out a run. ``put_back``: with these runs. ``tilt``:
    as in ``exclusions.Pairs``, the same for all levels, shape (studies, 1, blocks).
    """

    ratios: Floats
    put_back: Floats
    tilt: NDArray[np.int64]


def simulate(
    cell: Cell, studies: int, blocks: int, effect_percent: float, rng: np.random.Generator
) -> Studies:
    """So many studies of a cell, with a true difference of ``effect_percent``."""
    shape = (studies, blocks)
    when, first = _times(cell, shape, rng)
    put_back = np.full((studies, LEVELS, blocks), np.log1p(effect_percent / 100))
    out = []
    for sign, arm in ((-1.0, 0), (1.0, 1)):
        launch, failed = _launch(cell, arm, when[arm], first[arm], rng)
        runs = rng.standard_normal(put_back.shape) * cell.run / 100
        put_back += sign * (launch[:, None, :] + runs)
        out.append(failed)
    lost = (out[0] | out[1])[:, None, :]
    tilt = (out[1].astype(np.int64) - out[0])[:, None, :]
    return Studies(np.where(lost, np.nan, put_back), put_back, tilt)


def _launch(
    cell: Cell, arm: int, when: Floats, first: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """What the levels of each launch share, and whether it fails a gate; shape (studies, blocks)."""
    if cell.tails is None:
        typical = rng.standard_normal(when.shape)
    else:
        typical = rng.standard_t(cell.tails, when.shape) * np.sqrt((cell.tails - 2) / cell.tails)
    launch = typical * cell.launch[arm] / 100
    launch -= np.where(rng.random(when.shape) < cell.slow_mode, cell.mode_gap / 100, 0.0)
    launch += cell.drift / 100 * when
    launch -= np.where(first, cell.first_slower / 100, 0.0)
    disturbed = rng.random(when.shape) < cell.disturbed
    launch += np.where(disturbed, np.log1p(-cell.disturbed_by / 100), 0.0)
    slow = (typical < -cell.gate) & (arm == 1) if cell.gate is not None else False
    return launch, disturbed | slow


def _times(
    cell: Cell, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[tuple[Floats, Floats], tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Of the launches of (baseline, arm): when each took place (0 is the study's start, 1 its end), and whether it was
    the first of its block."""
    blocks = shape[1]
    last = max(2 * blocks - 1, 1)
    if cell.order == "apart":
        first = np.broadcast_to(np.arange(blocks) / last, shape)
        nowhere = np.zeros(shape, dtype=bool)
        return (first, first + blocks / last), (nowhere, nowhere)
    arm_first = np.zeros(shape, dtype=bool)
    if cell.order == "random":
        arm_first = rng.random(shape) < 0.5
    elif cell.order == "balanced":
        arm_first = np.argsort(rng.random(shape), axis=1) < blocks // 2
    start = 2 * np.arange(blocks) / last
    later = 1 / last
    when = start + np.where(arm_first, later, 0.0), start + np.where(arm_first, 0.0, later)
    return when, (~arm_first, arm_first)


@dataclass(frozen=True)
class Outcome:
    """What the comparison says of simulated studies, shape (studies, LEVELS): the verdict, and whether the adjusted
    test finds a difference (which is called "equivalent" where it is surely smaller than the margin)."""

    verdict: NDArray[np.str_]
    differs: NDArray[np.bool_]


def outcome(studies: Studies, cell: Cell, *, joint: bool) -> Outcome:
    """Every study through the comparison's own functions."""
    alpha, margin = 1 - CONFIDENCE, log_margin(MARGIN_PERCENT)
    options: Any = {"decisions_only": True, "joint": joint}
    judged = judge(studies.ratios, alpha, margin, **options)
    words = judged.verdict
    if cell.safeguard and studies.tilt.any():
        back = judge(studies.put_back, alpha, margin, **options).verdict
        words = np.where(exclusions.turned(words, back, studies.tilt), WITHHELD, words)
    differs = (judged.n >= FEWEST_PAIRS) & (judged.p_adjusted < alpha) & (words != WITHHELD)
    return Outcome(words, differs)


def calibrate(cell: Cell, blocks: int, studies: int, seed: int) -> dict[str, Any]:
    """One flat record: how often the statistics err, and how often they see what is there.

    Coverage is of the 95 % interval over all effects simulated. False positives are at no effect: per comparison
    without adjustment (``false_positive_rate``), and any adjusted test of a family of ``LEVELS`` levels that finds a
    difference and is not withheld, whether or not its verdict is "equivalent". False equivalence
    is at an effect of exactly the margin, where it is most likely. Power is per comparison, after the adjustment, at
    ``EFFECT_PERCENT``; the first cell has other sizes too. Columns that end in ``_holm`` are of the same studies with
    Holm's p-values in place of step-down max-t's. ``withheld`` is the share of all comparisons at no effect and at
    ``EFFECT_PERCENT`` that claim something and had it withheld.
    """
    rng = np.random.default_rng([seed, blocks])
    record: dict[str, Any] = {
        "cell": cell.name,
        "n_blocks": blocks,
        "studies": studies,
        "effect_percent": EFFECT_PERCENT,
        "sequential": False,
        "launches_saved": None,
    }
    covered, withheld = [], []
    for effect in (0.0, MARGIN_PERCENT, EFFECT_PERCENT):
        made = simulate(cell, studies, blocks, effect, rng)
        m = paired.moments(made.ratios.reshape(-1, blocks))
        low, high = paired.interval(m, CONFIDENCE)
        truth = np.log1p(effect / 100)
        tested = m.n > 1
        covered.append(np.mean(((low <= truth) & (truth <= high))[tested]))
        if effect == 0.0:
            raw = paired.t_test(m) < 1 - CONFIDENCE
            record["false_positive_rate"] = float(raw[tested].mean())
        for joint, suffix in ((True, ""), (False, "_holm")):
            said = outcome(made, cell, joint=joint)
            rates = _rates(said.verdict, effect)
            if effect == 0.0:
                rates["family_false_positive_rate"] = float(said.differs.any(axis=1).mean())
            record |= {f"{k}{suffix}": v for k, v in rates.items()}
            if joint and effect != MARGIN_PERCENT:
                withheld.append(np.mean(said.verdict == WITHHELD))
    record |= {"coverage": float(np.mean(covered)), "withheld": float(np.mean(withheld))}
    for effect in CURVE_PERCENT if cell == CELLS[0] else ():
        made = simulate(cell, studies, blocks, effect, rng)
        for joint, suffix in ((True, ""), (False, "_holm")):
            power = np.mean(outcome(made, cell, joint=joint).verdict == "faster")
            record[f"power_at_{effect:g}_percent{suffix}"] = float(power)
    return record


def _rates(words: NDArray[np.str_], effect: float) -> dict[str, float]:
    """What verdicts at one true effect say of the error rates and the power."""
    if effect == 0.0:
        wrong = (words == "faster") | (words == "slower")
        return {
            "family_false_positive_rate": float(wrong.any(axis=1).mean()),
            "equivalent_at_no_effect": float(np.mean(words == "equivalent")),
        }
    if effect == MARGIN_PERCENT:
        same = words == "equivalent"
        return {
            "false_equivalent_rate": float(same.mean()),
            "family_false_equivalent_rate": float(same.any(axis=1).mean()),
        }
    return {"power": float(np.mean(words == "faster"))}


def blocks_needed(cell: Cell, studies: int, seed: int) -> dict[str, Any]:
    """One flat record: the fewest blocks from 3 on with a power of ``POWER`` at ``EFFECT_PERCENT``, by procedure.

    None where ``MOST_BLOCKS`` do not reach it. ``launches_saved`` is the share of launches that max-t saves over Holm.
    """
    found: dict[str, int | None] = {"blocks_needed": None, "blocks_needed_holm": None}
    for blocks in range(3, MOST_BLOCKS + 1):
        made = simulate(
            cell, studies, blocks, EFFECT_PERCENT, np.random.default_rng([seed, blocks, 2])
        )
        for name, joint in (("blocks_needed", True), ("blocks_needed_holm", False)):
            if found[name] is None:
                power = np.mean(outcome(made, cell, joint=joint).verdict == "faster")
                found[name] = blocks if power >= POWER else None
        if None not in found.values():
            break
    ours, holm = found.values()
    return {
        "cell": cell.name,
        "studies": studies,
        "effect_percent": EFFECT_PERCENT,
        "power": POWER,
        **found,
        "launches_saved": None if ours is None or holm is None else 1 - ours / holm,
    }


def calibrate_sequential(
    cell: Cell, most: int, studies: int, seed: int, first: int = 6, every: int = 2
) -> dict[str, Any]:
    """The same as ``calibrate`` for studies that stop early; rates are of verdicts at any look.

    ``launches_saved`` is the mean share of the launches of ``most`` blocks that were not needed at
    ``EFFECT_PERCENT``, when a study goes on until each of its levels is settled. Coverage is that of
    the repeated confidence interval.
    """
    rng = np.random.default_rng([seed, most, 1])
    points = look_points(most, first, every)
    alpha, margin = 1 - CONFIDENCE, log_margin(MARGIN_PERCENT)
    record: dict[str, Any] = {
        "cell": f"{cell.name}, stopping early",
        "n_blocks": most,
        "studies": studies,
        "effect_percent": EFFECT_PERCENT,
        "sequential": True,
    }
    covered, withheld = [], []
    for effect in (0.0, MARGIN_PERCENT, EFFECT_PERCENT):
        made = simulate(cell, studies, most, effect, rng)
        truth = np.log1p(effect / 100)
        for joint, suffix in ((True, ""), (False, "_holm")):
            settled = settle(
                made.ratios,
                points,
                alpha=alpha,
                margin=margin,
                put_back=made.put_back,
                tilt=made.tilt if cell.safeguard else None,
                decisions_only=True,
                joint=joint,
            )
            rates = _rates(settled.verdict, effect)
            if effect == EFFECT_PERCENT:
                ends = np.where(settled.at > 0, settled.at, most).max(axis=1)
                rates["launches_saved"] = float(1 - ends.mean() / most)
            record |= {f"{k}{suffix}": v for k, v in rates.items()}
            if joint:
                covered.append(_covered(made.ratios, settled.at, settled.alpha, truth, most))
                if effect == 0.0:
                    wrong = claims(settled.verdict) & (settled.verdict != "equivalent")
                    record["false_positive_rate"] = float(wrong.mean())
                if effect != MARGIN_PERCENT:
                    withheld.append(np.mean(settled.verdict == WITHHELD))
    return record | {"coverage": float(np.mean(covered)), "withheld": float(np.mean(withheld))}


def _covered(
    ratios: Floats, at: NDArray[np.int64], alpha: Floats, truth: float, most: int
) -> float:
    """How often the interval of each level's last look, at that look's alpha, covers the truth."""
    ends = np.where(at > 0, at, most)
    seen = np.where(np.arange(most) < ends[:, :, None], ratios, np.nan)
    m = paired.moments(seen.reshape(-1, most))
    tested = m.n > 1
    inside = np.zeros(len(tested), dtype=bool)
    for level in np.unique(alpha):
        low, high = paired.interval(m, 1 - float(level))
        inside |= (alpha.ravel() == level) & (low <= truth) & (truth <= high)
    return float(inside[tested].mean())


def tasks(blocks: Sequence[int], studies: int, seed: int) -> list[tuple[Any, ...]]:
    """Everything that is simulated, as (function, arguments ...): every cell at every number of blocks, then the
    option to stop early at 10 blocks, then the blocks that each cell needs (on a tenth of the studies)."""
    return [
        *((calibrate, cell, n, studies, seed) for cell in CELLS for n in blocks),
        *((calibrate_sequential, cell, 10, studies, seed) for cell in SEQUENTIAL),
        *((blocks_needed, cell, max(studies // 10, 1), seed) for cell in CELLS),
    ]


def run(task: tuple[Any, ...]) -> dict[str, Any]:
    """One of the ``tasks``."""
    function, *arguments = task
    record: dict[str, Any] = function(*arguments)
    return record
