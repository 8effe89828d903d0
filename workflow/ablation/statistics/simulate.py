"""Studies with known truth, to test the statistics: what they claim against what is so.

A launch's log throughput is the sum of a drift with time, the launch itself (shared by its levels) and
the run; what a block's launches share cancels in its pair and is left out. The truth is
``log(1 + effect)`` for the arm that is not the baseline. Everything is made for many studies at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ablation.statistics import paired
from ablation.statistics.paired import Floats
from ablation.statistics.sequential import look_points, settle
from ablation.statistics.verdict import log_margin, verdicts

LEVELS = 7
MARGIN_PERCENT = 2.0
CONFIDENCE = 0.95
# The effect whose power is the headline: what the published study claims for high concurrency.
EFFECT_PERCENT = 4.0


@dataclass(frozen=True)
class Cell:
    """A generative model. Percentages are standard deviations of the log throughput.

    ``launch``: between launches of (baseline, arm). ``run``: between levels of a launch. ``block``:
    between blocks, shared by both arms. ``tails``: degrees of freedom of the launches' t
    distribution (None: normal). ``slow_mode``: chance that a launch falls into a mode ``mode_gap``
    percent slower. ``drift``: the whole of it from the first launch to the last, in percent.
    ``blocked``: arms in random order within each block; else all launches of the baseline first.
    """

    name: str
    launch: tuple[float, float] = (1.0, 1.0)
    run: float = 0.3
    tails: float | None = None
    slow_mode: float = 0.0
    mode_gap: float = 0.0
    drift: float = 0.0
    blocked: bool = True


CELLS = (
    Cell("launches vary by 1 %"),
    Cell("levels vary by 1 % each on its own", launch=(0.1, 0.1), run=1.0),
    Cell("as published: 0.3 % and 5 %", launch=(0.3, 5.0), run=0.1),
    Cell("as published: 0.1 % and 1 %", launch=(0.1, 1.0), run=0.1),
    Cell("heavy tails (t, 3 df)", tails=3.0),
    Cell("launch modes (1 in 5 is 3 % slower)", launch=(0.3, 0.3), slow_mode=0.2, mode_gap=3.0),
    Cell("drift of 5 %, blocked order", drift=5.0),
    Cell("drift of 5 %, one arm first", drift=5.0, blocked=False),
)


def log_ratios(
    cell: Cell, studies: int, blocks: int, effect_percent: float, rng: np.random.Generator
) -> Floats:
    """``log(arm / baseline)`` of simulated studies: shape (studies, LEVELS, blocks)."""
    shape = (studies, blocks)
    difference = np.zeros((studies, LEVELS, blocks))
    when = _launch_times(cell, shape, rng)
    for sign, arm in ((-1.0, 0), (1.0, 1)):
        if cell.tails is None:
            launch = rng.standard_normal(shape)
        else:
            scale = np.sqrt((cell.tails - 2) / cell.tails)
            launch = rng.standard_t(cell.tails, shape) * scale
        launch = launch * cell.launch[arm] / 100
        launch -= np.where(rng.random(shape) < cell.slow_mode, cell.mode_gap / 100, 0.0)
        launch += cell.drift / 100 * when[arm]
        runs = rng.standard_normal((studies, LEVELS, blocks)) * cell.run / 100
        difference += sign * (launch[:, None, :] + runs)
    return np.asarray(difference + np.log1p(effect_percent / 100))


def _launch_times(
    cell: Cell, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """When each launch of (baseline, arm) took place: 0 is the study's start, 1 its end."""
    blocks = shape[1]
    last = max(2 * blocks - 1, 1)
    if not cell.blocked:
        first = np.broadcast_to(np.arange(blocks) / last, shape)
        return first, first + blocks / last
    start = 2 * np.arange(blocks) / last
    swap = rng.random(shape) < 0.5
    return start + np.where(swap, 1 / last, 0.0), start + np.where(swap, 0.0, 1 / last)


@dataclass(frozen=True)
class Outcome:
    """What the comparison said of simulated studies: arrays of shape (studies, LEVELS)."""

    covered: np.ndarray
    raw: np.ndarray
    differs: np.ndarray
    verdict: np.ndarray


def judge(ratios: Floats, truth_percent: float) -> Outcome:
    """Every study through the comparison's own functions; ``raw`` is p < alpha without Holm."""
    studies, levels, blocks = ratios.shape
    alpha, margin = 1 - CONFIDENCE, log_margin(MARGIN_PERCENT)
    m = paired.moments(ratios.reshape(-1, blocks))
    low, high = paired.interval(m, CONFIDENCE)
    truth = np.log1p(truth_percent / 100)
    p, tost = paired.t_test(m), paired.equivalence_test(m, margin)
    p_holm = np.concatenate([paired.holm(row) for row in p.reshape(studies, levels)])
    tost_holm = np.concatenate([paired.holm(row) for row in tost.reshape(studies, levels)])
    words = np.array(verdicts(m.n, m.mean > 0, p_holm, tost_holm, alpha))
    shape = (studies, levels)
    return Outcome(
        covered=((low <= truth) & (truth <= high)).reshape(shape),
        raw=(p < alpha).reshape(shape),
        differs=(p_holm < alpha).reshape(shape),
        verdict=words.reshape(shape),
    )


def calibrate(cell: Cell, blocks: int, studies: int, seed: int) -> dict[str, Any]:
    """One flat record: how often the statistics err, and how often they see what is there.

    Coverage is of the 95 % interval over all effects simulated. False positives are at no effect:
    per comparison without Holm (``false_positive_rate``), and any in a family of ``LEVELS`` levels after
    it. False equivalence is at an effect of exactly the margin, where it is most likely. Power is
    per comparison, after Holm, at ``EFFECT_PERCENT``; other sizes have columns of their own.
    """
    rng = np.random.default_rng([seed, blocks])

    def at(effect: float) -> Outcome:
        return judge(log_ratios(cell, studies, blocks, effect, rng), effect)

    none, edge, some = at(0.0), at(MARGIN_PERCENT), at(EFFECT_PERCENT)
    curve = {
        f"power_at_{effect:g}_percent": float(np.mean(at(effect).verdict == "faster"))
        for effect in (1.0, 2.0, 3.0, 6.0, 10.0)
    }
    false_same = edge.verdict == "equivalent"
    return {
        "cell": cell.name,
        "n_blocks": blocks,
        "studies": studies,
        "effect_percent": EFFECT_PERCENT,
        "coverage": float(np.mean([none.covered, edge.covered, some.covered])),
        "false_positive_rate": float(none.raw.mean()),
        "family_false_positive_rate": float(none.differs.any(axis=1).mean()),
        "false_equivalent_rate": float(false_same.mean()),
        "family_false_equivalent_rate": float(false_same.any(axis=1).mean()),
        "power": float(np.mean(some.verdict == "faster")),
        "equivalent_at_no_effect": float(np.mean(none.verdict == "equivalent")),
        **curve,
        "launches_saved": None,
        "sequential": False,
    }


def calibrate_sequential(
    cell: Cell, most: int, studies: int, seed: int, first: int = 6, every: int = 2
) -> dict[str, Any]:
    """The same for studies that stop early; rates are of verdicts at any look.

    ``launches_saved`` is the mean share of the launches of ``most`` blocks that were not needed at
    ``EFFECT_PERCENT``, when a study goes on until each of its levels is settled. Coverage is that of
    the repeated confidence interval.
    """
    rng = np.random.default_rng([seed, most, 1])
    points = look_points(most, first, every)
    alpha, margin = 1 - CONFIDENCE, log_margin(MARGIN_PERCENT)

    def at(effect: float) -> tuple[np.ndarray, np.ndarray, float]:
        ratios = log_ratios(cell, studies, most, effect, rng)
        words, ends, covered = [], [], 0
        truth = np.log1p(effect / 100)
        for study in ratios:
            settled = settle(study, points, alpha=alpha, margin=margin)
            words.append(settled.verdict)
            ends.append(np.where(settled.at > 0, settled.at, most).max())
            for i, at_ in enumerate(settled.at):
                m = paired.moments(study[i : i + 1, : int(at_) or most])
                low, high = paired.interval(m, 1 - float(settled.alpha[i]))
                covered += bool(low[0] <= truth <= high[0])
        return np.array(words), np.array(ends), covered / ratios[:, :, 0].size

    none, _, cover_none = at(0.0)
    edge, _, cover_edge = at(MARGIN_PERCENT)
    some, ends, cover_some = at(EFFECT_PERCENT)
    wrong = np.isin(none, ["faster", "slower"])
    false_same = edge == "equivalent"
    return {
        "cell": f"{cell.name}, stopping early",
        "n_blocks": most,
        "studies": studies,
        "effect_percent": EFFECT_PERCENT,
        "coverage": float(np.mean([cover_none, cover_edge, cover_some])),
        "false_positive_rate": float(wrong.mean()),
        "family_false_positive_rate": float(wrong.any(axis=1).mean()),
        "false_equivalent_rate": float(false_same.mean()),
        "family_false_equivalent_rate": float(false_same.any(axis=1).mean()),
        "power": float(np.mean(some == "faster")),
        "equivalent_at_no_effect": float(np.mean(none == "equivalent")),
        "launches_saved": float(1 - ends.mean() / most),
        "sequential": True,
    }


def records(
    blocks: Sequence[int], studies: int, seed: int, sequential_studies: int | None = None
) -> list[dict[str, Any]]:
    """Every cell at every number of blocks, then the sequential option at 10 blocks."""
    fixed = [calibrate(cell, n, studies, seed) for cell in CELLS for n in blocks]
    few = sequential_studies or studies
    return [*fixed, *(calibrate_sequential(cell, 10, few, seed) for cell in CELLS[:5])]
