"""The runs in long form: one row for each run and metric.

results/{study}/report/tidy.parquet and tidy.csv: the same rows, schema ``ablation.tidy/1``

Made from the aggregate: every column of numbers there that is not a run's identity is a metric, under
its column's name. A run that lacks a metric (goodput without objectives) has no row of it; a run whose
gates failed has its rows, with ``usable`` false. The statistics leave those out, and so should a mean.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from ablation.aggregate.aggregate import SCHEMA as SCHEMA_READ
from ablation.errors import UserError
from ablation.files import whole
from ablation.plan.plan import Plan

SCHEMA = "ablation.tidy/1"
# Columns of numbers that say which run it is.
IDENTITY = ("block", "concurrency", "rank")


def _field(name: str, kind: pa.DataType, unit: str, description: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit, "description": description})


TIDY = pa.schema(
    [
        _field("study", pa.string(), "", "study"),
        _field("simulated", pa.bool_(), "", "true: nothing was measured on a real server"),
        _field("model", pa.string(), "", "model"),
        _field("arm", pa.string(), "", "arm of the factor"),
        _field("block", pa.int32(), "", "replicate: arms of one block are a pair"),
        _field("concurrency", pa.int32(), "requests", "level: requests in flight"),
        _field("launch_id", pa.string(), "", "the server launch that measured it"),
        _field("rank", pa.int32(), "", "place of the session in the plan's launch order"),
        _field("usable", pa.bool_(), "", "no gate failed"),
        _field("gates_failed", pa.string(), "", "names of the gates that failed, by comma"),
        _field(
            "gates_not_observed",
            pa.string(),
            "",
            "names of the gates that could not look, by comma; unknown where that was not kept",
        ),
        _field("metric", pa.string(), "", "column of aggregate/runs.parquet"),
        _field("value", pa.float64(), "see unit", "the metric's value for this run"),
        _field("unit", pa.string(), "", "unit of value; 1 for a count or a share"),
    ]
)


def tidy(runs: pa.Table, plan: Plan) -> pa.Table:
    """The long form of an aggregate: metrics in its column order, within them runs in its row order.

    Raises UserError where the table is not an aggregate of the version that this code reads.
    """
    metadata = _metadata(runs)
    if metadata.get("schema") != SCHEMA_READ:
        raise UserError(
            f"the aggregate has schema {metadata.get('schema')!r}, {SCHEMA_READ!r} is read here; delete "
            f"results/{plan.name}/aggregate/runs.parquet and type the same command again"
        )
    metrics = [field for field in runs.schema if _is_metric(field)]
    shared: dict[str, pa.Array] = {
        name: runs[name].combine_chunks()
        for name in ("study", "model", "arm", "launch_id", "usable", *IDENTITY)
    }
    for name in ("gates_failed", "gates_not_observed"):
        shared[name] = _joined(runs, name)
    shared["simulated"] = pa.array(np.full(len(runs), plan.simulated))
    parts = []
    for field in metrics:
        own = {
            "metric": pa.array([field.name] * len(runs), pa.string()),
            "value": runs[field.name].combine_chunks().cast(pa.float64()),
            "unit": pa.array([_unit(field)] * len(runs), pa.string()),
        }
        part = pa.table([(shared | own)[name] for name in TIDY.names], schema=TIDY)
        parts.append(part.filter(pc.invert(pc.is_null(part["value"], nan_is_null=True))))
    payload = json.dumps(metadata | {"schema": SCHEMA, "simulated": plan.simulated})
    table = pa.concat_tables(parts) if parts else TIDY.empty_table()
    return table.replace_schema_metadata({b"ablation": payload.encode()})


def write_tidy(table: pa.Table, parquet: Path, csv: Path) -> None:
    """Both files, each whole or not at all. The CSV has a header, a comma, and a point in its numbers."""
    with whole(parquet) as partial:
        pq.write_table(table, partial, compression="zstd")
    options = pyarrow.csv.WriteOptions(quoting_style="needed")
    with whole(csv) as partial:
        pyarrow.csv.write_csv(table, partial, options)


def _joined(runs: pa.Table, name: str) -> pa.Array:
    """A column of lists of names as text; `unknown` where an aggregate of before has no such list."""
    lists = runs[name].to_pylist() if name in runs.column_names else [None] * len(runs)
    return pa.array(["unknown" if one is None else ",".join(one) for one in lists], pa.string())


def _metadata(table: pa.Table) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((table.schema.metadata or {}).get(b"ablation", b"{}"))
    return found


def _is_metric(field: pa.Field) -> bool:
    number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    return number and field.name not in IDENTITY


def _unit(field: pa.Field) -> str:
    return (field.metadata or {}).get(b"unit", b"").decode() or "1"
