"""The noise floor: what an A/A comparison shows, two arms with the same settings.

Whatever differs between them is order, drift, launches and chance. Its size stands beside every
difference of the same model, metric and level.
"""

from __future__ import annotations

from pandas import DataFrame

from ablation.plan.plan import Plan


def same_settings(plan: Plan) -> list[str]:
    """Arms other than the baseline whose environment, arguments and weights are the baseline's."""
    arms, baseline = plan.arms, plan.baseline

    def settings(arm: str) -> tuple[dict[str, str], ...]:
        told = arms[arm]
        return (
            dict(told.env),
            {key: str(value) for key, value in told.args.items()},
            dict(told.paths),
            {"url": str(told.url)},  # of an endpoint: the same one visited twice is A/A
        )

    return [arm for arm in arms if arm != baseline and settings(arm) == settings(baseline)]


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
