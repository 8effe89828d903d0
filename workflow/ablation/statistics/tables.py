"""The tables of the statistics room: their schema (units inside), and how they are written.

A table is written beside its place and then moved, and the same rows give the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pandas import DataFrame

from ablation.files import write_table

SCHEMA = "ablation.statistics/2"
# Tables that an earlier version wrote, and what has become of their columns.
EARLIER = "ablation.statistics/1"
_RENAMED = {"p_holm": "p_adjusted", "p_tost_holm": "p_tost_adjusted"}

_INT, _REAL, _TEXT = pa.int64(), pa.float64(), pa.string()


def _fields(*rows: tuple[str, pa.DataType, str, str]) -> pa.Schema:
    return pa.schema(
        [
            pa.field(name, type_, metadata={"unit": unit, "description": description})
            for name, type_, unit, description in rows
        ]
    )


ARMS = _fields(
    ("model", _TEXT, "", "model of the study"),
    ("arm", _TEXT, "", "arm of the factor"),
    ("concurrency", _INT, "requests", "level: requests in flight"),
    ("metric", _TEXT, "", "column of aggregate/runs.parquet"),
    ("unit", _TEXT, "", "unit of mean, low, high and sd"),
    ("n", _INT, "launches", "usable launches with a value"),
    ("mean", _REAL, "see unit", "mean over launches"),
    ("low", _REAL, "see unit", "lower limit of the mean (Student t, on the logarithm)"),
    ("high", _REAL, "see unit", "upper limit of the mean (Student t, on the logarithm)"),
    ("sd", _REAL, "see unit", "standard deviation over launches"),
    ("cov_percent", _REAL, "%", "coefficient of variation over launches"),
    ("cov_low_percent", _REAL, "%", "its lower limit (Vangel 1996)"),
    ("cov_high_percent", _REAL, "%", "its upper limit (Vangel 1996)"),
    ("n_excluded", _INT, "runs", "runs that exist and take no part"),
    ("n_missing", _INT, "runs", "planned blocks without a run"),
    ("note", _TEXT, "", "why runs take no part"),
)

COMPARISONS = _fields(
    ("model", _TEXT, "", "model of the study"),
    ("concurrency", _INT, "requests", "level: requests in flight"),
    ("metric", _TEXT, "", "column of aggregate/runs.parquet"),
    ("unit", _TEXT, "", "unit of mean_arm and mean_baseline"),
    ("arm", _TEXT, "", "arm that is compared"),
    ("baseline", _TEXT, "", "arm that it is compared with"),
    ("n_pairs", _INT, "blocks", "blocks in which both arms have a usable value"),
    ("blocks", pa.list_(_INT), "", "those blocks"),
    ("n_planned", _INT, "blocks", "blocks of the plan"),
    ("mean_arm", _REAL, "see unit", "arithmetic mean of the arm over those blocks"),
    ("mean_baseline", _REAL, "see unit", "arithmetic mean of the baseline over those blocks"),
    ("ratio", _REAL, "1", "geometric mean of arm / baseline over those blocks"),
    ("difference_percent", _REAL, "%", "100 (ratio - 1)"),
    ("low_percent", _REAL, "%", "lower limit of difference_percent (Student t, not adjusted)"),
    ("high_percent", _REAL, "%", "upper limit of difference_percent (Student t, not adjusted)"),
    ("p", _REAL, "1", "two-sided paired t test of the log ratio"),
    ("p_adjusted", _REAL, "1", "p adjusted over the levels of (model, metric, arm)"),
    ("family_size", _INT, "levels", "levels that were tested in that family"),
    ("p_sign_flip", _REAL, "1", "two-sided sign-flip test of the log ratio"),
    ("sign_flip_floor", _REAL, "1", "smallest p that this many pairs can give"),
    ("p_tost", _REAL, "1", "two one-sided t tests against the margin, the larger p"),
    ("p_tost_adjusted", _REAL, "1", "p_tost adjusted over the same family"),
    ("equivalence_margin_percent", _REAL, "%", "margin m: the band is 1/(1+m) to 1+m"),
    ("hedges_g", _REAL, "1", "paired Hedges' g of the log ratios"),
    (
        "mde_percent",
        _REAL,
        "%",
        "effect found with 80 % power at this n and spread (one level alone)",
    ),
    (
        "verdict",
        _TEXT,
        "",
        "faster, slower, equivalent, inconclusive or withheld (faster is better)",
    ),
    ("withheld_because", _TEXT, "", "why no verdict is given; empty where one is"),
    (
        "more_blocks",
        _INT,
        "blocks",
        "estimate of blocks still needed; null: settled, or over 1,000",
    ),
    ("settled_at", _INT, "blocks", "look that settled the verdict; 0: open; null: no looks"),
    ("left_out", _TEXT, "", "why planned blocks take no part"),
    ("excluded_arm", _INT, "runs", "runs of the arm that a gate took out"),
    ("excluded_baseline", _INT, "runs", "runs of the baseline that a gate took out"),
    ("p_excluded", _REAL, "1", "McNemar's exact test of as many in both arms, by block"),
    (
        "n_put_back",
        _INT,
        "blocks",
        "pairs with the runs put back that only gates of timing took out",
    ),
    ("put_back_percent", _REAL, "%", "difference_percent with them; null: none was put back"),
    ("put_back_low_percent", _REAL, "%", "its lower limit"),
    ("put_back_high_percent", _REAL, "%", "its upper limit"),
    ("put_back_verdict", _TEXT, "", "verdict with them, of a fixed number of blocks"),
    ("exclusions", _TEXT, "", "what is said of exclusions beside the verdict"),
    ("observations", _INT, "", "fewest observations of a run behind a quantile"),
    ("quantile_confidence", _REAL, "1", "that the largest of so many exceeds the quantile"),
    ("text", _TEXT, "", "the row as one sentence"),
)

VARIABILITY = _fields(
    ("model", _TEXT, "", "model of the study"),
    ("arm", _TEXT, "", "arm of the factor"),
    ("concurrency", _INT, "requests", "level: requests in flight"),
    ("metric", _TEXT, "", "column of aggregate/runs.parquet"),
    ("n", _INT, "launches", "usable launches with a value"),
    ("within_percent", _REAL, "%", "spread of slices of a window within a launch"),
    ("between_percent", _REAL, "%", "spread between launches without the part within"),
    ("between_share", _REAL, "1", "share of the variance that lies between launches"),
    ("p_one_mode", _REAL, "1", "p of one group of launches (Engelman and Hartigan 1969)"),
    ("low_blocks", pa.list_(_INT), "", "blocks of the lower mode, if there are two"),
    ("variance_ratio", _REAL, "1", "variance of the log, arm / baseline, over paired blocks"),
    ("variance_ratio_low", _REAL, "1", "its lower limit (Pitman and Morgan 1939)"),
    ("variance_ratio_high", _REAL, "1", "its upper limit"),
    ("p_variance", _REAL, "1", "p of equal variances"),
)

POSITION = _fields(
    ("model", _TEXT, "", "model of the study"),
    ("metric", _TEXT, "", "column of aggregate/runs.parquet"),
    ("place", _INT, "", "place of a launch in its block, from 2 on, against place 1"),
    ("n_blocks", _INT, "blocks", "blocks in which every arm has a usable run at every level"),
    ("difference_percent", _REAL, "%", "launches in this place against those in place 1"),
    ("low_percent", _REAL, "%", "its lower limit (Student t)"),
    ("high_percent", _REAL, "%", "its upper limit (Student t)"),
    ("p", _REAL, "1", "two-sided t test of no effect of the place"),
    ("arms", pa.list_(_TEXT), "", "the arms"),
    ("first", pa.list_(_INT), "blocks", "how often each of them was launched first"),
    ("balanced", pa.bool_(), "", "every arm as often in every place, to within one block"),
    ("bias_percent", _REAL, "%", "what the effect adds to a difference from the baseline, at most"),
)

DECISIONS = _fields(
    ("model", _TEXT, "", "model of the study"),
    ("arm", _TEXT, "", "arm that is compared with the baseline"),
    ("concurrency", _INT, "requests", "level: requests in flight"),
    ("blocks", _INT, "blocks", "complete blocks so far"),
    ("settled_at", _INT, "blocks", "look that settled the verdict; 0: open"),
    ("verdict", _TEXT, "", "verdict with the looks accounted for"),
    ("withheld_because", _TEXT, "", "why no verdict is given; empty where one is"),
    ("low_percent", _REAL, "%", "lower limit, repeated confidence interval"),
    ("high_percent", _REAL, "%", "upper limit, repeated confidence interval"),
    ("stop", pa.bool_(), "", "the model needs no more blocks"),
    ("saved", _INT, "launches", "planned launches of the model that are not needed"),
)


def to_table(frame: DataFrame, schema: pa.Schema, **metadata: Any) -> pa.Table:
    """The frame in this schema and column order; ``metadata`` joins the file's ``ablation`` key.

    An empty frame gives an empty table. A frame that lacks a column of the schema is refused.
    """
    columns = []
    for field in schema:
        if frame.empty:
            columns.append(pa.array([], type=field.type))
            continue
        if field.name not in frame:
            raise ValueError(f"the table lacks its column {field.name}")
        values = frame[field.name].tolist()
        if not pa.types.is_list(field.type):
            values = [None if _missing(value) else value for value in values]
        if field.type == _INT:
            values = [None if value is None else int(value) for value in values]
        columns.append(pa.array(values, type=field.type))
    payload = json.dumps({"schema": SCHEMA, **metadata}, sort_keys=True).encode()
    return pa.Table.from_arrays(columns, schema=schema.with_metadata({b"ablation": payload}))


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def write(frame: DataFrame, schema: pa.Schema, path: Path, **metadata: Any) -> None:
    """Write the table as parquet, whole or not at all."""
    write_table(path, to_table(frame, schema), {"schema": SCHEMA, **metadata})


def read(path: Path) -> DataFrame:
    """A statistics table as a frame; ``frame.attrs["ablation"]`` is the file's metadata.

    A table of the schema before this one gets its columns' present names, and those that it lacks, empty.
    """
    table = pq.read_table(path)
    frame: DataFrame = table.to_pandas(ignore_metadata=True)
    frame.attrs["ablation"] = json.loads((table.schema.metadata or {}).get(b"ablation", b"{}"))
    return _present(frame) if frame.attrs["ablation"].get("schema") == EARLIER else frame


def _present(frame: DataFrame) -> DataFrame:
    """A table of the schema before this one in the present schema."""
    said = frame.attrs["ablation"] | {"schema": SCHEMA}
    frame = frame.rename(columns=_RENAMED)
    schema = COMPARISONS if "p_adjusted" in frame else DECISIONS if "saved" in frame else None
    if schema is COMPARISONS:
        said["adjusted_by"] = "Holm"
    for field in schema or ():
        if field.name not in frame:
            frame[field.name] = "" if field.type == _TEXT else np.nan
    frame.attrs["ablation"] = said
    return frame
