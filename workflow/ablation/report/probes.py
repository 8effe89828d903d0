"""What probes of the arms that cannot run have shown, beside what the support catalogue says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ablation.plan.plan import Plan
from ablation.report.content import NONE, Cell
from ablation.report.results import label, title

Probe = Mapping[str, Any]


def add_probes(plan: Plan, rows: list[list[Cell]], probes: Sequence[Probe]) -> None:
    """Append a cell with its probe to each row of the constraints, and a row for each other probe.

    The rows of arms that cannot run come first, in the order of the plan's `excluded`.
    """
    left = {(probe["model"], probe["arm"]): probe for probe in probes}
    for row, entry in zip(rows, plan.excluded, strict=False):
        probe = left.pop((entry.model, entry.arm), None)
        row.append(_cell(probe) if probe else Cell(NONE))
    for row in rows[len(plan.excluded) :]:
        row.append(Cell(NONE))
    for (model, arm), probe in left.items():
        claim = probe["claim"] or {}
        rows.append(
            [
                Cell(title(plan, model)),
                Cell(label(plan, arm)),
                Cell(str(claim.get("status") or "probed")),
                *(Cell(str(claim.get(name) or "")) for name in ("reason", "condition", "source")),
                _cell(probe),
            ]
        )


def _cell(probe: Probe) -> Cell:
    failure = probe["failure"] or {}
    kind = "bad" if probe["stale"] else "log"
    words = f"STALE ENTRY: {probe['text']}" if probe["stale"] else str(probe["text"])
    detail = f"class {failure['id']}" if failure else ""
    return Cell(words, kind=kind, detail=f"{detail} ({probe['log']})".strip())


def stale_entries(plan: Plan, probes: Sequence[Probe]) -> list[str]:
    """A sentence for each entry of the catalogue that a probe contradicts."""
    return [
        f"The catalogue's entry on {title(plan, probe['model'])} with {label(plan, probe['arm'])} is stale: it says "
        f"that this cannot run, and a probe {probe['text']}."
        for probe in probes
        if probe["stale"]
    ]
