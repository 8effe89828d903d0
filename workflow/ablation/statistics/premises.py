"""Premises of a comparison that its runs may not meet: measured together, with one build, the same model.

Where they do not hold the numbers stand and the verdict is withheld (``verdict.withhold``).
"""

from __future__ import annotations

from pandas import DataFrame

from ablation.plan.plan import Plan
from ablation.statistics.together import Pair, apart
from ablation.statistics.verdict import Doubt

# Column of the aggregate -> what it is called where blocks differ in it.
SAME_THROUGHOUT = {"build": "build of the server", "weights": "model files"}


def doubts_of(runs: DataFrame, plan: Plan) -> list[Doubt]:
    """Every comparison whose verdict is to be withheld, and why. ``runs`` is the aggregate."""
    return [*_reused(runs, plan), *_mixed(runs, plan)]


def pairs_apart(runs: DataFrame, plan: Plan) -> dict[Pair, str]:
    """Runs that are no pair with the baseline's of their block, since they were not measured together."""
    return apart(runs, plan.baseline, plan.study.design.sitting_gap_s)


def _reused(runs: DataFrame, plan: Plan) -> list[Doubt]:
    """With ``design.reuse``, levels that pair launches which were not measured together."""
    if not plan.study.design.reuse:
        return []
    found: dict[tuple[str, str, int], dict[str, list[int]]] = {}
    for (model, arm, block, level), why in pairs_apart(runs, plan).items():
        found.setdefault((model, arm, level), {}).setdefault(why, []).append(block)
    return [
        Doubt(
            model,
            arm,
            "design.reuse pairs launches that were not measured together ("
            + "; ".join(f"block {_list(blocks)}: {why}" for why, blocks in reasons.items())
            + ")",
            concurrency=level,
        )
        for (model, arm, level), reasons in found.items()
    ]


def _mixed(runs: DataFrame, plan: Plan) -> list[Doubt]:
    """Arms whose blocks were measured with two builds, or of which the model's files changed between blocks."""
    found = []
    for column, words in SAME_THROUGHOUT.items():
        if column not in runs:
            continue
        known = runs[runs["usable"].astype(bool) & runs[column].notna()]
        for model, entry in plan.models.items():
            own = known[known["model"] == model]
            for arm in entry.arms:
                if arm == plan.baseline:
                    continue
                for one in (arm, plan.baseline):
                    blocks = own[own["arm"] == one].groupby(column, sort=False)["block"].unique()
                    if len(blocks) > 1:
                        groups = " and ".join(_list(sorted(map(int, some))) for some in blocks)
                        found.append(
                            Doubt(
                                model,
                                arm,
                                f"blocks {groups} of {one} were measured with another {words}",
                            )
                        )
    return found


def _list(blocks: list[int]) -> str:
    return ", ".join(map(str, sorted(set(blocks))))
