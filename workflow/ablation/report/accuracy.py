"""Is the faster arm still right? The answers of the arms beside those of the baseline's own launches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pandas import DataFrame

from ablation.accuracy.sentences import nats
from ablation.plan.plan import Plan
from ablation.report.content import NONE, Cell, Column, Section, Table, count
from ablation.report.results import label, title

KIND = {"same": "good", "different": "bad", "not observed": "warn"}


def accuracy(plan: Plan, table: DataFrame) -> Section:
    """The verdicts on the arms' answers, with what they rest on."""
    section = Section("accuracy", "Are the answers still right?")
    if table.empty:
        section.sentences = ["No model ran the baseline and another arm, so no answers compare."]
        return section
    section.sentences = [
        "Every launch answered the same prompts greedily before its levels. A distance is the mean difference "
        "of the log-probabilities of the most probable tokens, in nats; its median and 95 % quantile over "
        "the prompts must stay within a limit: a floor for correct kernels of this data type, or a multiple of "
        "what the baseline's own launches differ by. The same does not mean right: both arms may err alike."
    ]
    section.items = list(dict.fromkeys(str(text) for text in table["text"]))
    rows = [_row(plan, record) for record in table.to_dict("records")]
    section.tables.append(
        Table(
            id="accuracy",
            caption="Answers of each arm against the baseline's",
            columns=[
                Column("Model"),
                Column("Arm"),
                Column("Tokens"),
                Column("Answers"),
                Column("Launches", True),
                Column("Prompts", True),
                Column("Distance", True),
                Column("Baseline with itself", True),
                Column("Limit", True),
                Column("p (permutation)", True),
                Column("First tokens equal", True),
            ],
            rows=rows,
            source=f"results/{plan.name}/statistics/accuracy.parquet",
        )
    )
    return section


def summary(plan: Plan, table: DataFrame | None) -> list[str]:
    """A line for each arm, for the head of the report; none where no answers were asked for."""
    if table is None or table.empty:
        return []
    arms = table.drop_duplicates(["model", "arm"]).to_dict("records")
    return [
        f"{title(plan, str(row['model']))}, {label(plan, str(row['arm']))}: the answers "
        + {
            "same": "are those of the baseline, within the limits of the study.",
            "different": "differ from the baseline's.",
            "not observed": "were not observed, so nothing is known of its accuracy.",
        }[str(row["verdict"])]
        for row in arms
    ]


def _row(plan: Plan, row: Mapping[Any, Any]) -> list[Cell]:
    verdict = str(row["phase_verdict"])
    launches = f"{row['n_arm']} and {row['n_baseline']}"
    missing = int(row["missing"])
    return [
        Cell(title(plan, str(row["model"]))),
        Cell(label(plan, str(row["arm"]))),
        Cell("first" if row["phase"] == "prefill" else "later"),
        Cell(verdict, kind=KIND[verdict]),
        Cell(launches, detail=f"{missing} without" if missing else ""),
        count(row["prompts"]),
        _pair(row["median"], row["p95"]),
        _pair(row["noise_median"], row["noise_p95"]),
        _pair(row["limit_median"], row["limit_p95"]),
        _number(row["p_permutation"]),
        _share(row["equal_first"], row["equal_first_noise"]),
    ]


def _pair(median: float, p95: float) -> Cell:
    if math.isnan(median):
        return Cell(NONE)
    return Cell(nats(median), sort=median, detail=f"95 %: {nats(p95)}")


def _number(value: float) -> Cell:
    return Cell(NONE) if math.isnan(value) else Cell(f"{value:.3f}", sort=value)


def _share(value: float, noise: float) -> Cell:
    if math.isnan(value):
        return Cell(NONE)
    detail = "" if math.isnan(noise) else f"baseline with itself {100 * noise:.0f} %"
    return Cell(f"{100 * value:.0f} %", sort=value, detail=detail)
