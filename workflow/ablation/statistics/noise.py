"""The noise floor: what an A/A comparison shows, two arms with the same settings.

Whatever differs between them is order, drift, launches and chance. Its size stands beside every
difference of the same model, metric and level.
"""

from __future__ import annotations

from pandas import DataFrame

from ablation.plan.plan import Plan


def same_settings(plan: Plan) -> list[str]:
    """Arms other than the baseline whose settings are the baseline's; of endpoints, the same one visited twice."""
    arms = plan.arms
    return [
        arm for arm in arms if not arms[arm].changes(arms[plan.baseline]) and arm != plan.baseline
    ]


def noise_floor(comparisons: DataFrame, plan: Plan) -> DataFrame:
    """What the A/A comparisons show, one row for each (model, metric, concurrency, A/A arm).

    ``floor_percent`` is the larger end of the interval by size: a difference below it is one that
    two arms with the same settings may show. Empty when the study has no A/A arm.
    """
    names = same_settings(plan)
    if comparisons.empty or not names:
        return DataFrame()
    rows = comparisons[comparisons["arm"].isin(names)]
    columns = ["model", "metric", "concurrency", "arm", "difference_percent", "verdict"]
    return rows[columns].assign(
        floor_percent=rows[["low_percent", "high_percent"]].abs().max(axis=1, skipna=False)
    )
