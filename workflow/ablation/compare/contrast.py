"""Whether two studies find the same difference, and how their absolute values stand to each other.

A study's difference at a level is a mean of log ratios over its blocks, with a Student t interval. The
studies share no block and no launch, so they are independent, and the difference of their differences is
Welch's: with mean log ratios m, their standard errors e and numbers of blocks n,

    d = m1 - m2,  e^2 = e1^2 + e2^2,  df = e^4 / (e1^4 / (n1 - 1) + e2^4 / (n2 - 1))

and 100 (exp(d) - 1) is the difference of the differences in percent. Source: Welch (1947), Biometrika 34,
28-35. Each e is taken back from the interval in ``comparisons.parquet``:
e = (log(1 + high) - log(1 + low)) / 2 / t(n - 1). Absolute values: the same with the logarithm of each
arm's mean over launches and e = sd / (mean sqrt(n)) (delta method).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pandas import DataFrame
from scipy import stats

from ablation.compare.finished import Finished
from ablation.compare.folders import CompareError
from ablation.files import write_table
from ablation.statistics import paired, tables
from ablation.statistics.metrics import METRICS, PRIMARY
from ablation.statistics.paired import Floats
from ablation.statistics.verdict import FEWEST_PAIRS, WITHHELD, log_margin

SCHEMA = "ablation.compare/1"
KEY = ["model", "metric", "arm", "concurrency"]
SIDES = ("first", "second")
ROWS = pa.schema(
    [
        pa.field(name, kind, metadata={"unit": unit, "description": text})
        for name, kind, unit, text in (
            ("model", pa.string(), "", "model that both studies have"),
            ("metric", pa.string(), "", "column of aggregate/runs.parquet"),
            ("arm", pa.string(), "", "arm that is compared with the baseline"),
            ("concurrency", pa.int64(), "requests", "level: requests in flight"),
            ("n_first", pa.int64(), "blocks", "paired blocks of the first study"),
            ("n_second", pa.int64(), "blocks", "paired blocks of the second study"),
            ("difference_first_percent", pa.float64(), "%", "arm against baseline, first study"),
            ("low_first_percent", pa.float64(), "%", "its lower limit"),
            ("high_first_percent", pa.float64(), "%", "its upper limit"),
            ("verdict_first", pa.string(), "", "its verdict"),
            ("difference_second_percent", pa.float64(), "%", "arm against baseline, second study"),
            ("low_second_percent", pa.float64(), "%", "its lower limit"),
            ("high_second_percent", pa.float64(), "%", "its upper limit"),
            ("verdict_second", pa.string(), "", "its verdict"),
            ("overlap", pa.bool_(), "", "the two intervals overlap; null without both"),
            ("of_differences_percent", pa.float64(), "%", "100 (ratio first / ratio second - 1)"),
            ("of_differences_low_percent", pa.float64(), "%", "its lower limit (Welch)"),
            ("of_differences_high_percent", pa.float64(), "%", "its upper limit (Welch)"),
            ("p", pa.float64(), "1", "two-sided Welch test of equal differences"),
            ("p_holm", pa.float64(), "1", "p adjusted over the levels of (model, metric, arm)"),
            ("p_tost_holm", pa.float64(), "1", "two one-sided tests against the margin, adjusted"),
            (
                "agreement",
                pa.string(),
                "",
                "differ, agree (within the margin), not resolved, or withheld as a study's verdict is",
            ),
        )
    ]
)


@dataclass(frozen=True)
class Welch(paired.Moments):
    """A difference of two independent means; ``n`` is the smaller of both numbers."""

    freedom: Floats

    @property
    def df(self) -> Floats:
        """Welch's degrees of freedom."""
        return self.freedom


def welch(means: tuple[Floats, Floats], errors: tuple[Floats, Floats], n: tuple[Any, Any]) -> Welch:
    """First minus second. NaN where one side has no standard error."""
    first, second = errors
    error = np.hypot(first, second)
    free = [np.where(count > 1, count - 1.0, np.nan) for count in n]
    parts = first**4 / free[0] + second**4 / free[1]
    some = parts > 0
    df = np.where(some, error**4 / np.where(some, parts, 1.0), free[0] + free[1])
    smaller = np.minimum(*n).astype(np.int64)
    return Welch(smaller, means[0] - means[1], np.full(len(error), np.nan), error, df)


def confidence_of(first: Finished, second: Finished) -> float:
    """The stricter of both."""
    return max(float(study.plan.study.design.confidence) for study in (first, second))


def margin_of(first: Finished, second: Finished) -> float:
    """The narrower equivalence margin of both, in percent."""
    return min(
        float(study.plan.study.design.equivalence_margin_percent) for study in (first, second)
    )


def check(first: Finished, second: Finished) -> None:
    """Raises CompareError where the studies do not ask the same question in the same units."""
    factors = [study.plan.study.factor for study in (first, second)]
    for field in ("name", "baseline"):
        ours, theirs = (getattr(factor, field) for factor in factors)
        if ours != theirs:
            raise CompareError(
                f"{first.folder}/plan.json and {second.folder}/plan.json: factor.{field} is {ours!r} and "
                f"{theirs!r}; only studies of the same factor and baseline can be compared"
            )
    for table in ("arms", "comparisons"):
        units = [
            dict(zip(frame["metric"], frame["unit"], strict=True))
            for frame in (getattr(first, table), getattr(second, table))
        ]
        for metric in units[0]:
            if metric in units[1] and units[0][metric] != units[1][metric]:
                raise CompareError(
                    f"statistics/{table}.parquet: {metric} is in {units[0][metric]} in {first.folder} and in "
                    f"{units[1][metric]} in {second.folder}; derive both with the same version of the workflow"
                )
    if _joined(first.arms, second.arms).empty:
        raise CompareError(
            f"{first.folder} and {second.folder} have no model, arm and level in common; there is nothing "
            "to compare"
        )


def contrast(first: Finished, second: Finished) -> DataFrame:
    """One row for each comparison that both studies made: columns ``ROWS``. May be empty.

    Raises CompareError where the studies cannot be compared.
    """
    check(first, second)
    both = _joined(first.comparisons, second.comparisons)
    if both.empty:
        return DataFrame(columns=ROWS.names)
    alpha = 1 - confidence_of(first, second)
    means, errors, counts = [], [], []
    for study, side in ((first, "first"), (second, "second")):
        n = both[f"n_pairs_{side}"].to_numpy(dtype=np.float64)
        low, high = (np.log1p(both[f"{end}_percent_{side}"] / 100) for end in ("low", "high"))
        confidence = float(study.plan.study.design.confidence)
        t = stats.t.ppf((1 + confidence) / 2, np.where(n > 1, n - 1, np.nan))
        means.append(np.log(both[f"ratio_{side}"].to_numpy(dtype=np.float64)))
        errors.append((high - low).to_numpy(dtype=np.float64) / 2 / t)
        counts.append(n)
    m = welch((means[0], means[1]), (errors[0], errors[1]), (counts[0], counts[1]))
    low, high = paired.interval(m, 1 - alpha)
    margin = log_margin(margin_of(first, second))
    tests = {"p_holm": paired.t_test(m), "p_tost_holm": paired.equivalence_test(m, margin)}
    adjusted = {name: np.full(len(both), np.nan) for name in tests}
    for rows in both.groupby(KEY[:3], sort=False).indices.values():
        for name, p in tests.items():
            adjusted[name][rows] = paired.holm(p[rows])
    enough = m.n >= FEWEST_PAIRS
    table = DataFrame(
        {
            **{name: both[name] for name in KEY},
            **{f"n_{side}": both[f"n_pairs_{side}"] for side in SIDES},
            **{
                f"{name}_{side}{unit}": both[f"{name}{unit}_{side}"]
                for side in SIDES
                for name, unit in (
                    ("difference", "_percent"),
                    ("low", "_percent"),
                    ("high", "_percent"),
                    ("verdict", ""),
                )
            },
            "overlap": _overlap(both),
            "of_differences_percent": 100 * np.expm1(m.mean),
            "of_differences_low_percent": 100 * np.expm1(low),
            "of_differences_high_percent": 100 * np.expm1(high),
            "p": tests["p_holm"],
            **adjusted,
        }
    )
    withheld = np.any([both[f"verdict_{side}"] == WITHHELD for side in SIDES], axis=0)
    table["agreement"] = np.select(
        [
            withheld,
            enough & (adjusted["p_tost_holm"] < alpha),
            enough & (adjusted["p_holm"] < alpha),
        ],
        [WITHHELD, "agree", "differ"],
        "not resolved",
    )
    return DataFrame(table[ROWS.names])


def _overlap(both: DataFrame) -> list[bool | None]:
    limits = [
        "low_percent_first",
        "high_percent_first",
        "low_percent_second",
        "high_percent_second",
    ]
    return [
        None if np.isnan([a, b, c, d]).any() else bool(a <= d and c <= b)
        for a, b, c, d in both[limits].astype(float).itertuples(index=False)
    ]


def absolute(first: Finished, second: Finished) -> DataFrame:
    """Output throughput of each arm, first over second; may be empty.

    Columns model, arm, concurrency, mean_first and mean_second (tok/s), ratio, low, high (Welch on the
    logarithm of the means).
    """
    both = _joined(first.arms, second.arms)
    both = both[both["metric"] == PRIMARY].reset_index(drop=True)
    means, errors, counts = [], [], []
    for side in SIDES:
        n, mean, sd = (both[f"{c}_{side}"].to_numpy(dtype=np.float64) for c in ("n", "mean", "sd"))
        means.append(np.log(mean))
        errors.append(sd / (mean * np.sqrt(np.where(n > 0, n, np.nan))))
        counts.append(n)
    m = welch((means[0], means[1]), (errors[0], errors[1]), (counts[0], counts[1]))
    low, high = paired.interval(m, confidence_of(first, second))
    table: DataFrame = both[["model", "arm", "concurrency", "mean_first", "mean_second"]].copy()
    table["ratio"], table["low"], table["high"] = np.exp(m.mean), np.exp(low), np.exp(high)
    return table


def _joined(ours: DataFrame, theirs: DataFrame) -> DataFrame:
    """Rows of both by ``KEY``, in the first's order."""
    if ours.empty or theirs.empty:
        return DataFrame(columns=[*KEY])
    joined: DataFrame = ours.merge(theirs, on=KEY, suffixes=("_first", "_second"), sort=False)
    return DataFrame(joined[joined["metric"].isin(list(METRICS))].reset_index(drop=True))


def write(table: DataFrame, path: Path, first: Finished, second: Finished) -> None:
    """The contrast as parquet, beside its place and then moved there."""
    metadata = {
        "schema": SCHEMA,
        "first": {"folder": first.name, "config_hash": first.plan.config_hash},
        "second": {"folder": second.name, "config_hash": second.plan.config_hash},
        "confidence": confidence_of(first, second),
        "margin_percent": margin_of(first, second),
    }
    write_table(path, tables.to_table(table, ROWS), metadata)
