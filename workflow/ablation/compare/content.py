"""What the comparison of two studies says: what differs first, then whether their findings agree."""

from __future__ import annotations

from typing import Any

from pandas import DataFrame

from ablation.compare.contrast import confidence_of, margin_of
from ablation.compare.differences import Fact, facts
from ablation.compare.finished import Finished
from ablation.compare.folders import SEPARATOR
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
from ablation.report.limit import limit
from ablation.report.results import label, title
from ablation.statistics.metrics import METRICS, PRIMARY

KIND_OF = {
    "agree": "good",
    "differ": "bad",
    "not resolved": "inconclusive",
    "withheld": "withheld",
}
# Different by nature: their names, and when they ran.
NATURAL = {"study", "title", "description", "config hash", "first launch", "last launch"}


def build_context(
    first: Finished, second: Finished, contrasts: DataFrame, absolutes: DataFrame
) -> dict[str, Any]:
    """All that the comparison says, for the same templates as a study's report.

    ``contrasts`` and ``absolutes`` are those of ``contrast.py``.
    """
    known = facts(first, second)
    sections = [
        _differing(first, second, [fact for fact in known if fact.differs]),
        _agreement(first, second, contrasts),
        _absolute(first, second, absolutes),
        _others(first, second, contrasts),
        _only(first, second),
        _same(first, [fact for fact in known if not fact.differs]),
        _method(first, second),
    ]
    limit(sections)
    simulated = [study.name for study in (first, second) if study.plan.simulated]
    return {
        "title": f"{first.name} against {second.name}",
        "study": f"{first.name}{SEPARATOR}{second.name}",
        "description": f"{first.name}: {first.plan.title}. {second.name}: {second.plan.title}.",
        "simulated": bool(simulated),
        "simulated_text": f"{' and '.join(simulated)}: not measured on a real server.",
        "factor": first.plan.study.factor.title,
        "sections": sections,
    }


def _differing(first: Finished, second: Finished, differing: list[Fact]) -> Section:
    section = Section("differences", "What differs between the two studies")
    telling = [fact for fact in differing if fact.what not in NATURAL]
    kinds = list(dict.fromkeys(fact.kind for fact in telling))
    if telling:
        section.sentences = [
            f"They differ in {len(telling)} respects ({', '.join(kinds)}). A difference between their "
            "results can come from each of them: two studies cannot tell which."
        ]
    else:
        section.sentences = [
            "Nothing differs that they state but names and dates: the second repeats the first."
        ]
    if any(fact.kind == "treatment" for fact in telling):
        section.sentences.append(
            "The arms are not told the same: an arm of the same name is another treatment in each study."
        )
    if differing:
        section.tables = [_facts_table("differences", "What differs", first, second, differing)]
    return section


def _facts_table(
    name: str, caption: str, first: Finished, second: Finished, rows: list[Fact]
) -> Table:
    def kind(fact: Fact) -> str:
        return "log" if fact.kind in ("command", "environment") else ""

    return Table(
        id=name,
        caption=caption,
        columns=[Column("What"), Column("Kind"), Column(first.name), Column(second.name)],
        rows=[
            [
                Cell(fact.what),
                Cell(fact.kind),
                Cell(fact.first, kind(fact)),
                Cell(fact.second, kind(fact)),
            ]
            for fact in rows
        ],
        source="plan.json and sessions of "
        + " and ".join(str(study.folder) for study in (first, second)),
    )


def _agreement(first: Finished, second: Finished, contrasts: DataFrame) -> Section:
    section = Section("agreement", "Do they find the same difference?")
    main = contrasts[contrasts["metric"] == PRIMARY]
    if main.empty:
        section.sentences = ["No comparison of output throughput stands in both studies."]
        return section
    margin = margin_of(first, second)
    keys = main[["model", "arm"]].drop_duplicates().astype(str).to_dict("records")
    for key in keys:
        model, arm = key["model"], key["arm"]
        own = main[(main["model"] == model) & (main["arm"] == arm)]
        words = [
            f"{verdict} at {', '.join(str(level) for level in levels)}"
            for verdict in KIND_OF
            if (levels := own.loc[own["agreement"] == verdict, "concurrency"].tolist())
        ]
        section.sentences.append(
            f"{title(first.plan, model)}, {label(first.plan, arm)} against "
            f"{label(first.plan, first.plan.baseline)}: {'; '.join(words)}."
        )
    section.sentences.append(
        f"Agree: shown to be within {margin:g} % of each other. Differ: shown not to be the same. Not "
        "resolved: the blocks of both allow neither; that intervals overlap does not show that they agree."
        + (
            " Withheld: a study withholds its own verdict there, and its report says why."
            if (main["agreement"] == "withheld").any()
            else ""
        )
    )
    for model, own in main.groupby(main["model"].astype(str), sort=False):
        section.tables.append(_contrast_table(first, second, str(model), own, f"agree-{model}"))
    return section


def _contrast_table(
    first: Finished, second: Finished, model: str, rows: DataFrame, name: str, metric: bool = False
) -> Table:
    body = []
    for row in rows.to_dict("records"):
        overlap = {True: "yes", False: "no"}.get(row["overlap"], NONE)
        cells = [
            Cell(METRICS[row["metric"]].title)
            if metric
            else Cell(str(row["concurrency"]), sort=float(row["concurrency"])),
            *([count(row["concurrency"])] if metric else []),
            Cell(label(first.plan, row["arm"])),
        ]
        for side in ("first", "second"):
            limits = (row[f"{part}_{side}_percent"] for part in ("difference", "low", "high"))
            verdict = str(row[f"verdict_{side}"])
            cells += [
                percent_spread(*limits),
                Cell(verdict, kind=verdict, detail=f"{row[f'n_{side}']} blocks"),
            ]
        ends = (row[f"of_differences_{part}percent"] for part in ("", "low_", "high_"))
        cells += [
            Cell(overlap),
            percent_spread(*ends),
            number(row["p_holm"], 2),
            Cell(row["agreement"], kind=KIND_OF[row["agreement"]]),
        ]
        body.append(cells)
    return Table(
        id=name,
        caption=f"{title(first.plan, model)}: "
        + ("latency and other metrics" if metric else "output throughput, arm against baseline"),
        columns=[
            *([Column("Metric")] if metric else []),
            Column("Concurrency", metric),
            Column("Arm"),
            Column(first.name, True),
            Column(f"Verdict, {first.name}"),
            Column(second.name, True),
            Column(f"Verdict, {second.name}"),
            Column("Intervals overlap"),
            Column("Difference of the differences", True),
            Column("p (Holm)", True),
            Column("Agreement"),
        ],
        rows=body,
        source="comparison.parquet beside this report, from statistics/comparisons.parquet of both",
    )


def _where(study: Finished) -> str:
    """How many hosts and sets of GPUs a study's launches were made on, as far as they recorded it."""
    launches = study.launches
    hosts = {host for launch in launches if (host := (launch.get("hardware") or {}).get("host"))}
    gpus = {
        tuple(ids)
        for launch in launches
        if (ids := (launch.get("hardware") or {}).get("gpu_ids")) is not None
    }
    if not hosts:
        return f"{study.name}: its {len(launches)} launches did not record their host."
    places = f"{len(hosts)} host{'s' if len(hosts) > 1 else ''}"
    if len(gpus) > 1:
        places += f" with {len(gpus)} sets of GPUs"
    return f"{study.name}: {len(launches)} launches on {places}."


def _absolute(first: Finished, second: Finished, absolutes: DataFrame) -> Section:
    section = Section("absolute", "Absolute throughput")
    section.sentences = [
        "Caution: everything in the table of differences above is in these ratios, the machine and its "
        "day included. They say how fast each study ran, not why; only the differences within a study, "
        "whose pairs were measured together, are a comparison of the arms.",
        *(_where(study) for study in (first, second)),
    ]
    if absolutes.empty:
        section.sentences.append("No model, arm and level has a mean in both studies.")
        return section
    for model, own in absolutes.groupby("model", sort=False):
        section.tables.append(
            Table(
                id=f"absolute-{model}",
                caption=f"{title(first.plan, str(model))}: output throughput of each arm",
                columns=[
                    Column("Concurrency"),
                    Column("Arm"),
                    Column(f"{first.name} (tok/s)", True),
                    Column(f"{second.name} (tok/s)", True),
                    Column("Ratio, first to second", True),
                ],
                rows=[
                    [
                        Cell(str(row["concurrency"]), sort=float(row["concurrency"])),
                        Cell(label(first.plan, row["arm"])),
                        number(row["mean_first"]),
                        number(row["mean_second"]),
                        spread(row["ratio"], row["low"], row["high"], 3),
                    ]
                    for row in own.to_dict("records")
                ],
                source="statistics/arms.parquet of both",
            )
        )
    return section


def _others(first: Finished, second: Finished, contrasts: DataFrame) -> Section:
    section = Section("latency", "Latency and other metrics", folded=True)
    others = contrasts[contrasts["metric"] != PRIMARY]
    if others.empty:
        section.sentences = ["No other metric stands in both studies."]
        return section
    section.sentences = ["Less is better for a latency, so a negative difference is faster."]
    for model, own in others.groupby("model", sort=False):
        section.tables.append(
            _contrast_table(first, second, str(model), own, f"other-{model}", metric=True)
        )
    return section


def _only(first: Finished, second: Finished) -> Section:
    """Models, arms and levels that one study lacks."""
    section = Section("only", "In one study only")
    for study, other in ((first, second), (second, first)):
        lacks = other.plan
        models = [name for name in study.plan.models if name not in lacks.models]
        arms = [a for a in study.plan.arms if a not in lacks.arms]
        levels = [str(level) for level in study.plan.levels if level not in lacks.levels]
        for what, names in (("models", models), ("arms", arms), ("levels", levels)):
            if names:
                section.items.append(f"Only {study.name} has the {what} {', '.join(names)}.")
    if not section.items:
        section.sentences = ["Both have the same models, arms and levels."]
    return section


def _same(first: Finished, same: list[Fact]) -> Section:
    section = Section("same", "What is the same in both", folded=True)
    section.tables = [
        Table(
            id="same",
            caption="What both state alike",
            columns=[Column("What"), Column("Kind"), Column("Value")],
            rows=[[Cell(fact.what), Cell(fact.kind), Cell(fact.first)] for fact in same],
            source="plan.json and sessions of both",
        )
    ]
    return section


def _method(first: Finished, second: Finished) -> Section:
    section = Section("method", "How this was computed")
    confidence = 100 * confidence_of(first, second)
    section.sentences = [
        "Each study's difference at a level is the mean over its blocks of log(arm / baseline), with mean "
        "m, standard error e (taken back from its t interval) and n blocks. The studies share no launch. "
        "Difference of the differences: 100 (exp(m1 - m2) - 1) %, with Welch's interval: e² = e1² + e2², "
        "df = e⁴ / (e1⁴ / (n1 - 1) + e2⁴ / (n2 - 1)) (Welch 1947). p is Welch's, by Holm over the levels of "
        "a model, metric and arm.",
        "Agree: two one-sided Welch tests against the margin (the narrower of both studies), by Holm over "
        "the same family (not jointly as within a study: the tables do not show how the levels of both "
        "correlate). No word from fewer than 3 blocks in either. Absolute ratios: Welch on the "
        "logarithm of each arm's mean over launches, e = sd / (mean √n) (delta method).",
        f"Intervals of the contrasts: {confidence:g} %; those of a study are its own.",
    ]
    section.code = [
        (
            "This comparison again",
            f"snakemake --cores 1 results/compare/{first.name}{SEPARATOR}{second.name}/report.html",
        )
    ]
    return section
