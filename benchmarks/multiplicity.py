"""Which adjustment over the levels holds its error, and which gives the most power? Candidates on simulated studies.

    PYTHONPATH=workflow .venv/bin/python benchmarks/multiplicity.py

Writes ``benchmarks/results/multiplicity.md``, the tables that docs/multiplicity.md quotes. The chosen procedure is in
``ablation.statistics.multiplicity``; the others are here, as short as they can be. The second table is about runs that
gates take out: what the limit of ``exclusions.LOPSIDED`` does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablation.statistics import paired
from ablation.statistics.family import judge
from ablation.statistics.multiplicity import step_down
from ablation.statistics.paired import Floats, holm
from ablation.statistics.simulate import CELLS, LEVELS, MARGIN_PERCENT, Cell, Studies, simulate
from ablation.statistics.verdict import WITHHELD, claims, log_margin

RESULTS = Path(__file__).parent / "results"
ALPHA = 0.05
DRAWS = 999
AT_ONCE = 300
NAMES = (
    "launches vary by 1 %",
    "levels vary by 1 % each on its own",
    "launches vary by 1 % (t, 4 df), runs by 0.1 %",
    "as published: 0.3 % and 5 %",
    "heavy tails (t, 3 df)",
    "launch modes (1 in 5 is 3 % slower)",
)
# The levels of the mixed case that have a difference, of this size.
SOME, SOME_PERCENT = slice(4, LEVELS), 2.0
SLOWER = (0.25, 1.0, 1.5)

Adjust = Callable[[Floats, np.random.Generator], Floats]


def t_of(x: Floats) -> Floats:
    """|t| of each level, shape (studies, levels)."""
    return np.abs(x.mean(axis=2) / x.std(axis=2, ddof=1)) * np.sqrt(x.shape[2])


def against(seen: Floats, reference: Floats, extra: int) -> Floats:
    """Step-down adjusted p of ``seen`` (studies, levels) against a reference (studies, levels, draws)."""
    order = np.argsort(-seen, axis=1)
    seen = np.take_along_axis(seen, order, axis=1)
    reference = np.take_along_axis(reference, order[:, :, None], axis=1)
    largest = np.maximum.accumulate(reference[:, ::-1], axis=1)[:, ::-1]
    hits = (largest >= seen[:, :, None] - 1e-9).sum(axis=2)
    p = np.maximum.accumulate((hits + extra) / (reference.shape[2] + extra), axis=1)
    back = np.empty_like(p)
    np.put_along_axis(back, order, p, axis=1)
    return back


def by_holm(x: Floats, _: np.random.Generator) -> Floats:
    """Holm on the p-values of the t tests."""
    return holm(paired.t_test(paired.moments(x.reshape(-1, x.shape[2]))).reshape(x.shape[:2]))


def by_rotation(x: Floats, _: np.random.Generator) -> Floats:
    """What a study does."""
    p = paired.t_test(paired.moments(x.reshape(-1, x.shape[2]))).reshape(x.shape[:2])
    return step_down(x, p, ALPHA, two_sided=True)


def by_sign_flips(x: Floats, _: np.random.Generator) -> Floats:
    """Max-t over all sign flips of whole blocks (Romano and Wolf 2005): exact for symmetric noise, with a floor."""
    signs = paired._sign_patterns(x.shape[2])
    unit = x / np.linalg.norm(x, axis=2, keepdims=True)
    return against(np.abs(unit.sum(axis=2)), np.abs(unit @ signs.T), 0)


def by_multivariate_t(x: Floats, rng: np.random.Generator) -> Floats:
    """Max-t of the multivariate t with the correlation seen (Hothorn, Bretz and Westfall 2008)."""
    blocks = x.shape[2]
    residual = (x - x.mean(axis=2, keepdims=True)) / x.std(axis=2, ddof=1, keepdims=True)
    normal = rng.standard_normal((len(x), blocks, DRAWS))
    scale = np.sqrt(rng.chisquare(blocks - 1, (len(x), 1, DRAWS)) / (blocks - 1))
    return against(t_of(x), np.abs(residual / np.sqrt(blocks - 1) @ normal) / scale, 1)


def by_bootstrap(x: Floats, rng: np.random.Generator) -> Floats:
    """Max-t of whole blocks drawn again from the centred log ratios (Westfall and Young 1993)."""
    blocks = x.shape[2]
    residual = x - x.mean(axis=2, keepdims=True)
    drawn = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=DRAWS).T / blocks
    mean = residual @ drawn
    variance = (residual**2 @ drawn - mean**2) * blocks / (blocks - 1)
    some = variance > 1e-20
    t = np.abs(mean) * np.sqrt(blocks / np.where(some, variance, 1.0))
    return against(t_of(x), np.where(some, t, np.inf), 1)


def by_wild_bootstrap(x: Floats, _: np.random.Generator) -> Floats:
    """Max-t over sign flips of the centred log ratios."""
    blocks = x.shape[2]
    residual = x - x.mean(axis=2, keepdims=True)
    mean = residual @ paired._sign_patterns(blocks).T / blocks
    variance = (np.mean(residual**2, axis=2, keepdims=True) - mean**2) * blocks / (blocks - 1)
    t = np.abs(mean) * np.sqrt(blocks / np.maximum(variance, 1e-30))
    return against(t_of(x), t, 0)


CANDIDATES: dict[str, Adjust] = {
    "Holm": by_holm,
    "max-t, rotations": by_rotation,
    "max-t, sign flips": by_sign_flips,
    "max-t, multivariate t": by_multivariate_t,
    "max-t, bootstrap": by_bootstrap,
    "max-t, flipped residuals": by_wild_bootstrap,
}


def rejected(adjust: Adjust, x: Floats, seed: int) -> NDArray[np.bool_]:
    """Which levels an adjustment calls different."""
    rng = np.random.default_rng(seed)
    parts = [adjust(x[i : i + AT_ONCE], rng) for i in range(0, len(x), AT_ONCE)]
    return np.concatenate(parts) < ALPHA


def compared(studies: int, blocks: tuple[int, ...], seed: int) -> str:
    """Family error and power of every candidate, as a Markdown table."""
    lines = [
        "| simulated launches | blocks | procedure | any false | any false, others differ | power at 4 % | "
        "power at 2 %, some differ |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for cell in (cell for cell in CELLS if cell.name in NAMES):
        for n in blocks:
            rng = np.random.default_rng([seed, n])
            none, all_ = (simulate(cell, studies, n, effect, rng).ratios for effect in (0.0, 4.0))
            mixed = simulate(cell, studies, n, 0.0, rng).ratios
            mixed[:, SOME] += np.log1p(SOME_PERCENT / 100)
            for name, adjust in CANDIDATES.items():
                some = rejected(adjust, mixed, seed)
                shares = (
                    rejected(adjust, none, seed).any(axis=1).mean(),
                    some[:, : SOME.start].any(axis=1).mean(),
                    rejected(adjust, all_, seed).mean(),
                    some[:, SOME].mean(),
                )
                told = " | ".join(f"{100 * share:.1f} %" for share in shares)
                lines.append(f"| {cell.name} | {n} | {name} | {told} |")
    return "\n".join(lines) + "\n"


def _false(words: NDArray[np.str_]) -> float:
    return float(np.isin(words, ["faster", "slower"]).any(axis=1).mean())


def _judged(made: Studies) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    margin = log_margin(MARGIN_PERCENT)
    counted, back = (
        judge(x, ALPHA, margin, decisions_only=True).verdict for x in (made.ratios, made.put_back)
    )
    return counted, back


def _limited(made: Studies, limit: int) -> tuple[NDArray[np.str_], float]:
    """Verdicts with claims withheld from this difference of exclusions on, and the share of claims that lost theirs."""
    counted, back = _judged(made)
    lopsided = np.abs(made.tilt.sum(axis=2)) >= limit
    turned = claims(counted) & (counted != back) & lopsided
    return np.where(turned, WITHHELD, counted), float(turned.sum() / max(claims(counted).sum(), 1))


def limits(studies: int, blocks: tuple[int, ...], seed: int) -> str:
    """What a limit of 1 or of 2 runs does to false and to good verdicts, as two Markdown tables."""
    lines = [
        "| no true effect, launches vary by 2 %; fails a gate | blocks | counted as it is | limit 1 | limit 2 |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for gate in SLOWER:
        cell = Cell("", launch=(2.0, 2.0), gate=gate)
        for n in blocks:
            made = simulate(cell, studies, n, 0.0, np.random.default_rng([seed, n]))
            errors = [_false(_limited(made, limit)[0]) for limit in (n + 1, 1, 2)]
            told = " | ".join(f"{100 * error:.1f} %" for error in errors)
            lines.append(f"| the arm's launches slower by {gate:g} sd | {n} | {told} |")
    for n in blocks:
        one = _without_slowest(studies, n, np.random.default_rng([seed, n]))
        errors = [_false(_limited(one, limit)[0]) for limit in (n + 1, 1, 2)]
        told = " | ".join(f"{100 * error:.1f} %" for error in errors)
        lines.append(f"| the slowest launch of the arm, always | {n} | {told} |")
    lines += [
        "",
        "| launches vary by 1 %; 1 run in 30, of either arm, is disturbed and excluded, slower by | blocks | true "
        "effect | verdicts lost at limit 1 | at limit 2 |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for disturbed in (3.0, 20.0):
        cell = replace(Cell(""), disturbed=1 / 30, disturbed_by=disturbed)
        for n in blocks:
            for effect in (0.0, 4.0):
                made = simulate(cell, studies, n, effect, np.random.default_rng([seed, n]))
                told = " | ".join(f"{100 * _limited(made, limit)[1]:.1f} %" for limit in (1, 2))
                lines.append(f"| {disturbed:g} % | {n} | {effect:g} % | {told} |")
    return "\n".join(lines) + "\n"


def _without_slowest(studies: int, blocks: int, rng: np.random.Generator) -> Studies:
    """The worst that one exclusion can do: of every study the arm's slowest launch is lost, at all levels."""
    parts = (Cell("", launch=(0.0, 2.0)), Cell("", launch=(2.0, 0.0), run=0.0))
    arm, baseline = (simulate(cell, studies, blocks, 0.0, rng).ratios for cell in parts)
    lost = np.zeros((studies, 1, blocks), dtype=bool)
    place = arm.mean(axis=1, keepdims=True).argmin(axis=2)
    np.put_along_axis(lost, place[:, :, None], True, axis=2)
    put_back = arm + baseline
    return Studies(np.where(lost, np.nan, put_back), put_back, lost.astype(np.int64))


def main() -> None:
    """Run the simulations and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=4000, help="simulated studies a row")
    parser.add_argument("--blocks", type=int, nargs="+", default=[6, 10])
    parser.add_argument("--seed", type=int, default=20260311)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    blocks = tuple(options.blocks)
    error = 100 * np.sqrt(ALPHA * (1 - ALPHA) / options.studies)
    text = (
        f"{options.studies:,} simulated studies a row, {LEVELS} levels each; a share of 5 % has a standard error of "
        f"{error:.2f} points. Where some differ, {LEVELS - SOME.start} of the {LEVELS} levels do, by "
        f"{SOME_PERCENT:g} %.\n\n{compared(options.studies, blocks, options.seed)}\n"
        "False verdicts with and without the check of exclusions (statistics/exclusions.py), and what it costs. Limit: "
        "how many runs more of one arm have to be excluded for a verdict to be withheld where it turns.\n\n"
        f"{limits(options.studies, blocks, options.seed)}"
    )
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "multiplicity.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
