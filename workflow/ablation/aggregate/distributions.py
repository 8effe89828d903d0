"""How the latencies of a study are distributed: one row for each model, arm, level and metric.

results/{study}/aggregate/distributions.parquet

Pooled over the usable launches from the sketch in each run's metadata, so that no run's rows are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from ablation.files import write_table
from ablation.plan.plan import Plan
from ablation.run.metrics import sketches
from ablation.run.schema import read_run_parquet
from ablation.run.sketch import ACCURACY, pool, quantiles

SCHEMA = "ablation.distributions/1"
METRICS = ("ttft", "itl", "tpot", "e2e")
# 0.1 %, every per cent, 99.9 %.
ORDERS = [0.001, *(percent / 100 for percent in range(1, 100)), 0.999]


def _field(name: str, kind: pa.DataType, unit: str, description: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit, "description": description})


DISTRIBUTIONS = pa.schema(
    [
        _field("model", pa.string(), "", "model"),
        _field("arm", pa.string(), "", "arm of the factor"),
        _field("concurrency", pa.int32(), "requests", "level: requests in flight"),
        _field("metric", pa.string(), "", "ttft_s, itl_s, tpot_s or e2e_s"),
        _field("n", pa.int32(), "launches", "usable launches with an observation"),
        _field(
            "observations",
            pa.float64(),
            "requests; itl_s: tokens after a request's first",
            "observations in the windows of those launches",
        ),
        _field("orders", pa.list_(pa.float64()), "1", "orders of the quantiles: a fixed grid"),
        _field(
            "quantiles_s",
            pa.list_(pa.float64()),
            "s",
            f"quantiles of all observations together, to within {100 * ACCURACY:g} %",
        ),
        _field("blocks", pa.list_(pa.int32()), "", "blocks of those launches"),
        _field("launch_medians_s", pa.list_(pa.float64()), "s", "median of each of those launches"),
    ]
)


class Distributions:
    """Gathers runs one by one and keeps only counts: memory grows with the cells, not with the runs."""

    def __init__(self) -> None:
        self._pools: dict[tuple[str, str, int, str], dict[int, float]] = {}
        self._medians: dict[tuple[str, str, int, str], dict[int, float]] = {}

    def add(self, path: Path, metadata: dict[str, Any]) -> None:
        """Take in a run's metadata; its rows are read only where an older version wrote it.

        A run that failed a gate is left out.
        """
        if not metadata["usable"]:
            return
        summary = metadata["summary"]
        if "itl_sketch" not in summary:
            summary = summary | sketches(read_run_parquet(path)[0], summary)
        for metric in METRICS:
            found = summary[f"{metric}_sketch"]
            if not found["bins"]:
                continue
            key = (metadata["model"], metadata["arm"], int(metadata["concurrency"]), f"{metric}_s")
            total = self._pools.setdefault(key, {})
            for index, count in pool([found]).items():
                total[index] = total.get(index, 0.0) + count
            median = summary[f"{metric}_p50_s"]
            self._medians.setdefault(key, {})[int(metadata["block"])] = float(median)

    def table(self) -> pa.Table:
        """Schema DISTRIBUTIONS, sorted by model, arm, level and metric."""
        rows = []
        for key in sorted(self._pools):
            model, arm, concurrency, metric = key
            medians = sorted(self._medians[key].items())
            rows.append(
                {
                    "model": model,
                    "arm": arm,
                    "concurrency": concurrency,
                    "metric": metric,
                    "n": len(medians),
                    "observations": sum(self._pools[key].values()),
                    "orders": ORDERS,
                    "quantiles_s": quantiles(self._pools[key], ORDERS).tolist(),
                    "blocks": [block for block, _ in medians],
                    "launch_medians_s": [median for _, median in medians],
                }
            )
        return pa.Table.from_pylist(rows, schema=DISTRIBUTIONS)

    def write(self, path: Path, plan: Plan) -> None:
        """Write the table with its schema and provenance, whole or not at all."""
        metadata = {"schema": SCHEMA, "study": plan.name, "config_hash": plan.config_hash}
        write_table(path, self.table(), metadata)
