"""The gates one by one: in how many runs each passed, failed, or could not look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pandas import DataFrame

from ablation.report.content import Cell, Column, Table, count
from ablation.run.gates import GATES

STATES = {"gates_passed": "Passed", "gates_failed": "Failed", "gates_not_observed": "Not observed"}
UNKNOWN = (
    "These runs were gathered before it was kept apart whether a gate passed or could not look: one that did not fail "
    "may not have been observed."
)


def tells_states(runs: DataFrame) -> bool:
    """True where the aggregate tells for each run which gates passed and which could not look."""
    return set(STATES) <= set(runs.columns) and bool(runs["gates_passed"].notna().all())


def states_table(study: str, runs: DataFrame) -> Table:
    """One row a gate: runs that it passed, failed, and could not look at, and why not. Runs must tell their states."""
    counts = {name: _counts(runs[name]) for name in STATES}
    why: dict[str, Counter[str]] = {}
    for names, texts in zip(
        runs["gates_not_observed"], runs["gates_not_observed_texts"], strict=True
    ):
        for name, text in zip(names, texts, strict=True):
            why.setdefault(str(name), Counter())[str(text)] += 1
    known = set().union(*counts.values())
    rows = []
    for gate in [*(g for g in GATES if g in known), *sorted(known - set(GATES))]:
        passed, failed, unseen = (counts[name][gate] for name in STATES)
        rows.append(
            [
                Cell(gate),
                count(passed),
                Cell(f"{failed:,}", kind="bad" if failed else "", sort=float(failed)),
                Cell(f"{unseen:,}", kind="warn" if unseen else "", sort=float(unseen)),
                Cell(_reason(why.get(gate, Counter()))),
            ]
        )
    return Table(
        id="gates-states",
        caption="What each gate said: in how many runs",
        columns=[
            Column("Gate"),
            *(Column(title, True) for title in STATES.values()),
            Column("Why not observed"),
        ],
        rows=rows,
        source=f"results/{study}/aggregate/runs.parquet, {', '.join(STATES)}",
    )


def _counts(lists: Iterable[Iterable[str]]) -> Counter[str]:
    return Counter(str(name) for names in lists for name in names)


def _reason(texts: Counter[str]) -> str:
    """The reason of most runs; how many others there are."""
    if not texts:
        return ""
    (text, _), *others = texts.most_common()
    more = f" (and {len(others):,} other reason{'s' if len(others) > 1 else ''})" if others else ""
    return f"{text.removeprefix('not observed: ')}{more}"
