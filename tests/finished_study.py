"""The results folder of a finished synthetic study, as far as a comparison or a report reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pandas import DataFrame

from ablation.plan.plan import Plan, plan_json
from ablation.statistics import compare, summarise, tables
from tests.synthetic import make_sessions


def write_finished(
    folder: Path,
    plan: Plan,
    runs: DataFrame,
    sessions: list[dict[str, Any]] | None = None,
) -> Path:
    """Plan, sessions and statistics under `folder`, which is given back."""
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(plan_json(plan))
    for session in make_sessions(plan) if sessions is None else sessions:
        path = (
            folder
            / "sessions"
            / session["model"]
            / session["arm"]
            / f"block-{session['block']}.json"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(session))
    statistics = folder / "statistics"
    tables.write(summarise(runs, plan), tables.ARMS, statistics / "arms.parquet")
    tables.write(compare(runs, plan), tables.COMPARISONS, statistics / "comparisons.parquet")
    return folder
