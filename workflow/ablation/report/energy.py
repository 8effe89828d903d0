"""Power, energy, clocks and throttling; and how far from the memory's bandwidth: where they were observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    unique,
)
from ablation.report.results import label, title, verdict_cell
from ablation.statistics.metrics import ENERGY, PRIMARY

MOST_REASONS = 3
MEMORY_BOUND = "roofline_memory_tok_s"


def sections(
    plan: Plan,
    sessions: Sequence[Mapping[str, Any]],
    runs: DataFrame,
    arms: DataFrame,
    comparisons: DataFrame,
) -> list[Section]:
    """What was observed has a section of its own; of what was not, one section says why."""
    found, lacking = [], []
    if has(runs, ENERGY):
        found.append(_energy(plan, sessions, runs, arms, comparisons))
    else:
        lacking.append(f"Power and energy: {why_not(runs, 'telemetry_text')}.")
    if has(runs, MEMORY_BOUND):
        found.append(_roofline(plan, runs))
    else:
        lacking.append(f"Bound by memory bandwidth: {why_not(runs, 'roofline_text')}.")
    if lacking:
        found.append(Section("unobserved", "Power, energy and memory bandwidth", lacking))
    return found


def has(runs: DataFrame, column: str) -> bool:
    """Whether any run has a value of this column."""
    return column in runs and bool(runs[column].notna().any())


def why_not(runs: DataFrame, column: str) -> str:
    """The reasons that runs without a value give, without a final stop."""
    if not len(runs):
        return "not observed: there is no run"
    if column not in runs:
        return "not observed: the runs were measured before it was"
    texts = unique(str(text) for text in runs[column].dropna() if text)
    if not texts:
        return "not observed: the runs were measured before it was"
    more = f"; and {len(texts) - MOST_REASONS} other reasons" if len(texts) > MOST_REASONS else ""
    return "; ".join(texts[:MOST_REASONS]) + more


def _energy(
    plan: Plan,
    sessions: Sequence[Mapping[str, Any]],
    runs: DataFrame,
    arms: DataFrame,
    comparisons: DataFrame,
) -> Section:
    section = Section("energy", "Power and energy")
    sources = ", ".join(unique(str(s) for s in runs["energy_source"].dropna()))
    section.sentences = [
        "All devices of the server, over each run's window: prompts and idle moments are in it. Energy by "
        f"{sources} (counter: the device's own; power: trapezoid rule over its samples); less is better. "
        "At the power limit is where a device under full load belongs, and no gate; throttled means slowed by "
        "heat, a power brake or the hardware, and fails one.",
        *_of_launches(sessions),
    ]
    without = runs[runs[ENERGY].isna()]
    if len(without):
        section.sentences.append(
            f"{len(without):,} of {len(runs):,} runs have no energy: {why_not(without, 'telemetry_text')}."
        )
    for model, entry in plan.models.items():
        if entry.arms and has(runs[runs["model"] == model], ENERGY):
            section.tables.append(_energy_table(plan, model, runs, arms, comparisons))
    return section


def _of_launches(sessions: Sequence[Mapping[str, Any]]) -> list[str]:
    """How it was sampled, what the devices draw when idle, and what all launches took."""
    told = [
        launch["telemetry"]
        for session in sessions
        for launch in session["launches"]
        if (launch.get("telemetry") or {}).get("reader")
    ]
    if not told:
        return []
    shares = [t["cpu_share"] for t in told if t.get("cpu_share") is not None]
    cost = f"; the sampler used at most {100 * max(shares):.1f} % of a core" if shares else ""
    texts = unique(str(t["text"]) for t in told)
    said = "; ".join(texts[:MOST_REASONS]) + ("; and others" if texts[MOST_REASONS:] else "")
    words = [f"{said[0].upper()}{said[1:]}{cost}."]
    idle = [t["idle_power_w"] for t in told if t.get("idle_power_w") is not None]
    energy = [t["energy_j"] for t in told if t.get("energy_j") is not None]
    if idle:
        words.append(
            f"Before a server had loaded anything, the devices drew {sum(idle) / len(idle):.0f} W "
            f"({min(idle):.0f} to {max(idle):.0f} W)."
        )
    if energy:
        words.append(
            f"{len(energy):,} launches, loading and warm-up included, took {sum(energy) / 3.6e6:.3g} kWh."
        )
    return words


def _energy_table(
    plan: Plan, model: str, runs: DataFrame, arms: DataFrame, comparisons: DataFrame
) -> Table:
    rows = []
    means = _means(runs, model)
    joules = _rows(arms, model, ENERGY)
    pairs = _rows(comparisons, model, ENERGY)
    for level in plan.levels:
        for arm in plan.models[model].arms:
            here = means.get((arm, level))
            if here is None:
                continue
            own, pair = joules.get((arm, level)), pairs.get((arm, level))
            rows.append(
                [
                    Cell(str(level), sort=float(level)),
                    Cell(label(plan, arm)),
                    count(here["n"]),
                    Cell(NONE) if own is None else spread(own["mean"], own["low"], own["high"]),
                    *_difference(pair),
                    number(here["power_mean_w"]),
                    number(here["power_max_w"]),
                    number(here["clock_mean_mhz"]),
                    number(here["clock_min_mhz"]),
                    _share(here["throttled_fraction"], bad=True),
                    _share(here["power_capped_fraction"]),
                    number(here["memory_peak_gib"], 3),
                ]
            )
    titles = ["Concurrency", "Arm", "Runs", "Energy (J/tok)", "Difference", "Verdict", "Power (W)"]
    titles += ["Highest (W)", "Clock (MHz)", "Lowest (MHz)", "Throttled", "At power limit"]
    titles += ["Memory (GiB)"]
    return Table(
        id=f"energy-{model}",
        caption=f"{title(plan, model)}: energy per output token, power, clocks and throttling",
        columns=[Column(name, name not in ("Arm", "Verdict")) for name in titles],
        rows=rows,
        source=f"results/{plan.name}/statistics/arms.parquet and comparisons.parquet, rows with "
        f"metric = {ENERGY}; power and the rest: results/{plan.name}/aggregate/runs.parquet, means of "
        "usable runs (highest, lowest: over them)",
    )


def _difference(pair: Mapping[str, Any] | None) -> list[Cell]:
    if pair is None:
        return [Cell(NONE), Cell(NONE)]
    return [
        percent_spread(pair["difference_percent"], pair["low_percent"], pair["high_percent"]),
        verdict_cell(pair),
    ]


def _share(value: float, *, bad: bool = False) -> Cell:
    if value != value:
        return Cell(NONE)
    return Cell(f"{100 * value:.1f} %", kind="bad" if bad and value > 0 else "", sort=value)


def _means(runs: DataFrame, model: str) -> dict[tuple[str, int], dict[str, Any]]:
    """(arm, level) -> n, and each quantity over the usable runs: means; extremes of what is an extreme."""
    how = {
        "power_mean_w": "mean",
        "power_max_w": "max",
        "clock_mean_mhz": "mean",
        "clock_min_mhz": "min",
        "throttled_fraction": "mean",
        "power_capped_fraction": "mean",
        "memory_peak_gib": "max",
        PRIMARY: "mean",
        MEMORY_BOUND: "mean",
        "roofline_compute_tok_s": "mean",
    }
    own = runs[(runs["model"] == model) & runs["usable"].astype(bool)]
    found = {}
    for _, group in own.groupby(["arm", "concurrency"], sort=False):
        arm, level = group["arm"].iloc[0], group["concurrency"].iloc[0]
        told = {name: float(group[name].agg(kind)) for name, kind in how.items() if name in group}
        found[str(arm), int(level)] = {"n": len(group), **told}
    return found


def _rows(frame: DataFrame, model: str, metric: str) -> dict[tuple[str, int], Any]:
    if frame.empty:
        return {}
    own = frame[(frame["model"] == model) & (frame["metric"] == metric)]
    records: list[Any] = own.to_dict("records")
    return {(str(row["arm"]), int(row["concurrency"])): row for row in records}


def _roofline(plan: Plan, runs: DataFrame) -> Section:
    section = Section("roofline", "How far from what the GPU could do", folded=True)
    computed = runs[runs[MEMORY_BOUND].notna()]
    gpus = "; ".join(unique(str(text) for text in computed["roofline_text"]))
    section.sentences = [
        "Memory: every decode step reads the active weights and the KV cache of all requests in flight, and "
        "gives each one token; at the peak bandwidth that is the most output tokens per second, prefill taken "
        "to cost nothing. Arithmetic: every token, prompts included, costs 2 operations a parameter; at the "
        "dense peak that is the most. What reaches neither is held up by something else: launches of "
        f"kernels, scheduling, sampling, or both in turn. Computed for {gpus}."
    ]
    without = runs[runs[MEMORY_BOUND].isna()]
    if len(without):
        section.sentences.append(
            f"{len(without):,} of {len(runs):,} runs have no bound: {why_not(without, 'roofline_text')}."
        )
    for model, entry in plan.models.items():
        if entry.arms and has(runs[runs["model"] == model], MEMORY_BOUND):
            section.tables.append(_roofline_table(plan, model, runs))
    return section


def _roofline_table(plan: Plan, model: str, runs: DataFrame) -> Table:
    means, rows = _means(runs, model), []
    for level in plan.levels:
        for arm in plan.models[model].arms:
            here = means.get((arm, level))
            if here is None:
                continue
            rate, memory = here[PRIMARY], here[MEMORY_BOUND]
            compute = here["roofline_compute_tok_s"]
            rows.append(
                [
                    Cell(str(level), sort=float(level)),
                    Cell(label(plan, arm)),
                    number(rate),
                    number(memory),
                    _share(rate / memory),
                    number(compute),
                    _share(rate / compute),
                ]
            )
    titles = ["Concurrency", "Arm", "Achieved (tok/s)", "Memory bound (tok/s)", "Of it"]
    titles += ["Arithmetic bound (tok/s)", "Of that"]
    return Table(
        id=f"roofline-{model}",
        caption=f"{title(plan, model)}: output throughput against its bounds",
        columns=[Column(name, name != "Arm") for name in titles],
        rows=rows,
        source=f"results/{plan.name}/aggregate/runs.parquet, means of usable runs",
    )
