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

SCHEMA = "ablation.statistics/1"

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
    ("low", _REAL, "see unit", "lower limit of the mean (Student t)"),
    ("high", _REAL, "see unit", "upper limit of the mean (Student t)"),
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
    ("p_holm", _REAL, "1", "p adjusted over the levels of (model, metric, arm)"),
    ("family_size", _INT, "levels", "levels that were tested in that family"),
    ("p_sign_flip", _REAL, "1", "two-sided sign-flip test of the log ratio"),
    ("sign_flip_floor", _REAL, "1", "smallest p that this many pairs can give"),
    ("p_tost", _REAL, "1", "two one-sided t tests against the margin, the larger p"),
    ("p_tost_holm", _REAL, "1", "p_tost adjusted over the same family"),
    ("equivalence_margin_percent", _REAL, "%", "margin m: the band is 1/(1+m) to 1+m"),
    ("hedges_g", _REAL, "1", "paired Hedges' g of the log ratios"),
    ("mde_percent", _REAL, "%", "effect found with 80 % power at this n and spread (no Holm)"),
    ("verdict", _TEXT, "", "faster, slower, equivalent or inconclusive (faster is better)"),
    (
        "more_blocks",
        _INT,
        "blocks",
        "estimate of blocks still needed; null: settled, or over 1,000",
    ),
    ("settled_at", _INT, "blocks", "look that settled the verdict; 0: open; null: no looks"),
    ("left_out", _TEXT, "", "why planned blocks take no part"),
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

DECISIONS = _fields(
    ("model", _TEXT, "", "model of the study"),
    ("arm", _TEXT, "", "arm that is compared with the baseline"),
    ("concurrency", _INT, "requests", "level: requests in flight"),
    ("blocks", _INT, "blocks", "complete blocks so far"),
    ("settled_at", _INT, "blocks", "look that settled the verdict; 0: open"),
    ("verdict", _TEXT, "", "verdict with the looks accounted for"),
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
    """A statistics table as a frame; ``frame.attrs["ablation"]`` is the file's metadata."""
    table = pq.read_table(path)
    frame: DataFrame = table.to_pandas(ignore_metadata=True)
    frame.attrs["ablation"] = json.loads((table.schema.metadata or {}).get(b"ablation", b"{}"))
    return frame
