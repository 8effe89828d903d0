"""How much launches differ, the noise floor, and early stopping."""

from __future__ import annotations

import math
from typing import Any

from pandas import DataFrame

from ablation.plan.plan import Plan
from ablation.report.content import (
    NONE,
    Cell,
    Column,
    Section,
    Table,
    count,
    number,
    percent_spread,
    spread,
)
from ablation.report.results import label, title
from ablation.statistics.metrics import PRIMARY
from ablation.statistics.noise import noise_floor
from ablation.statistics.position import LARGE
from ablation.statistics.sequential import decidable
from ablation.statistics.variability import MODE_P


def variability(
    plan: Plan, comparisons: DataFrame, table: DataFrame, position: DataFrame | None = None
) -> Section:
    """Within and between launches, modes, the arms' variances, the A/A floor, and the place in the block."""
    section = Section("variability", "How much do launches differ?")
    if table.empty:
        section.sentences = ["The spread of the launches was not computed."]
        return section
    rows, modes, unequal = [], [], []
    records: list[Any] = table.to_dict("records")
    for row in records:
        where = f"{title(plan, row['model'])}, {label(plan, row['arm'])} at {row['concurrency']}"
        low = [int(block) for block in row["low_blocks"]]
        if low:
            modes.append(f"{where}: blocks {', '.join(map(str, low))} form a slower mode.")
        p = row["p_variance"]
        if not math.isnan(p) and p < 1 - plan.study.design.confidence:
            unequal.append(
                f"{where}: the variance is {row['variance_ratio']:.3g} times the baseline's."
            )
        share = row["between_share"]
        rows.append(
            [
                Cell(title(plan, row["model"])),
                Cell(label(plan, row["arm"])),
                count(row["concurrency"]),
                count(row["n"]),
                number(row["within_percent"], 3),
                number(row["between_percent"], 3),
                Cell(NONE) if math.isnan(share) else Cell(f"{100 * share:.0f} %", sort=share),
                Cell("two modes", kind="warn")
                if low
                else Cell(NONE if math.isnan(row["p_one_mode"]) else "one"),
                spread(
                    row["variance_ratio"], row["variance_ratio_low"], row["variance_ratio_high"], 3
                ),
                number(p, 2),
            ]
        )
    titles = ["Model", "Arm", "Concurrency", "n", "Within a launch (%)", "Between launches (%)"]
    titles += ["Share between", "Modes", "Variance, arm / baseline", "p"]
    section.sentences = [
        "Within: slices of a run's window. Between: launches of the same arm, without the part within. "
        "More requests help against the first, only more blocks against the second. Two modes are said "
        f"from 6 launches on, at p < {MODE_P:g} (Engelman and Hartigan 1969); variances are compared by "
        "block (Pitman and Morgan 1939).",
        *_noise(plan, comparisons),
    ]
    section.items = [*modes, *unequal]
    section.tables.append(
        Table(
            id="variability",
            caption="Spread of output throughput",
            columns=[Column(t, i not in (0, 1, 7)) for i, t in enumerate(titles)],
            rows=rows,
            source=f"results/{plan.name}/statistics/variability.parquet",
        )
    )
    if position is not None and not position.empty:
        _places(plan, section, position)
    return section


def _places(plan: Plan, section: Section, table: DataFrame) -> None:
    """Does it matter which launch of a block comes first? Added to the section: a sentence, a table, warnings."""
    alpha, margin = 1 - plan.study.design.confidence, plan.study.design.equivalence_margin_percent
    section.sentences.append(
        "Place in the block: launches in each place against the first ones, arms and blocks accounted for "
        "(Hills and Armitage 1979). The order is random, so an effect of the place widens the intervals; where the "
        "order was not balanced, it also biases the difference of these blocks, by what the last column says."
    )
    rows = []
    records: list[Any] = table.to_dict("records")
    for row in records:
        model, value, p = title(plan, row["model"]), row["difference_percent"], row["p"]
        large = p < alpha and abs(value) >= LARGE * margin
        if large:
            section.items.append(
                f"{model}: launches in place {row['place']} of a block differ from the first ones by "
                f"{value:+.2f} % (p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}); in the differences of the arms "
                f"this is {row['bias_percent']:+.2f} % at most. Look for what the first launch warms up or uses up."
            )
        balanced = row["balanced"]
        rows.append(
            [
                Cell(model),
                count(row["place"]),
                count(row["n_blocks"]),
                percent_spread(value, row["low_percent"], row["high_percent"]),
                Cell(NONE) if math.isnan(p) else Cell(f"{p:.3f}", kind="warn" if large else ""),
                Cell(
                    ", ".join(
                        f"{label(plan, arm)} {n}"
                        for arm, n in zip(row["arms"], row["first"], strict=True)
                    )
                ),
                Cell(NONE if balanced is None else "yes" if balanced else "no"),
                percent_spread(row["bias_percent"], math.nan, math.nan),
            ]
        )
    section.tables.append(
        Table(
            id="position",
            caption="Output throughput by the launch's place in its block, against the first",
            columns=[
                Column("Model"),
                Column("Place", True),
                Column("Blocks", True),
                Column("Difference", True),
                Column("p", True),
                Column("Launched first, by arm"),
                Column("Order balanced"),
                Column("In the difference of the arms", True),
            ],
            rows=rows,
            source=f"results/{plan.name}/statistics/position.parquet",
        )
    )


def _noise(plan: Plan, comparisons: DataFrame) -> list[str]:
    """The A/A floor of each model, or what stands in for it."""
    floor = noise_floor(comparisons, plan)
    if floor.empty:
        return [
            "No arm repeats the baseline's settings (A/A): the detectable effect in the tables by level "
            "stands in for the noise floor."
        ]
    rows = floor[floor["metric"] == PRIMARY]
    return [
        f"A/A floor, {title(plan, str(model))}: two arms with the same settings may differ by up to "
        f"{own['floor_percent'].max():.1f} % at some level; a smaller difference can be noise."
        for model, own in rows.groupby("model", sort=False)
        if own["floor_percent"].notna().any()
    ]


def early(plan: Plan, decisions: DataFrame | None) -> Section | None:
    """Which verdicts were settled before the last block, and the launches that saved."""
    if decisions is None or (decisions.empty and plan.study.design.sequential is None):
        return None
    section = Section("early", "Stopping early")
    section.items = [
        f"{title(plan, model)}: all blocks were measured, since nothing about it can be decided early: "
        + (
            "every other arm repeats the baseline's settings (A/A)."
            if plan.baseline in entry.arms
            else "it does not run the baseline."
        )
        for model, entry in plan.models.items()
        if len(entry.arms) > 1 and not decidable(plan, model)
    ]
    if decisions.empty:
        return section if section.items else None
    saved = int(decisions.drop_duplicates("model")["saved"].sum())
    section.sentences = [
        f"Blocks were added only until each level's verdict was settled: {saved} launches saved. Looks "
        "are paid for by an alpha-spending function (Lan and DeMets 1983), so the error rate holds; the "
        "interval is that of the settling look at its own level. Only throughput decides; p-values of "
        "the other metrics are those of a fixed number of blocks.",
    ]
    rows = []
    for row in decisions.to_dict("records"):
        at = int(row["settled_at"])
        rows.append(
            [
                Cell(title(plan, row["model"])),
                Cell(label(plan, row["arm"])),
                count(row["concurrency"]),
                Cell(row["verdict"], kind=row["verdict"], detail=row["withheld_because"]),
                Cell(f"{at} blocks" if at else "open", sort=float(at)),
                Cell(NONE)
                if math.isnan(row["low_percent"])
                else Cell(f"[{row['low_percent']:+.2f}, {row['high_percent']:+.2f}] %"),
            ]
        )
    section.tables.append(
        Table(
            id="early",
            caption="When each verdict was settled",
            columns=[
                Column("Model"),
                Column("Arm"),
                Column("Concurrency", True),
                Column("Verdict"),
                Column("Settled at", True),
                Column("Interval over the looks", True),
            ],
            rows=rows,
            source=f"results/{plan.name}/statistics/decisions.parquet",
        )
    )
    return section
