"""telemetry.parquet in a launch's folder of the store: one row a device and sample."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ablation.files import write_table
from ablation.telemetry.reading import NotObserved, Reading

VERSION = "ablation.telemetry/1"
FILE = "telemetry.parquet"
# Written anew so often that a crash costs seconds, and so seldom that it stays below a hundredth of one core.
WRITE_EVERY_S = 10.0
MOST_OF_A_CORE = 0.01


def _field(name: str, kind: pa.DataType, unit: str, description: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit, "description": description})


TELEMETRY = pa.schema(
    [
        _field("monotonic_ns", pa.int64(), "ns", "CLOCK_MONOTONIC, as the raw records' stamps"),
        _field("unix_ns", pa.int64(), "ns", "the same moment, by the wall clock"),
        _field("kind", pa.string(), "", "gpu, cpu (a package) or dram"),
        _field("device", pa.int32(), "", "index in the vendor's order"),
        _field("name", pa.string(), "", "what the driver calls it"),
        _field("power_w", pa.float64(), "W", "as the driver gives it; RAPL: since the last sample"),
        _field("energy_j", pa.float64(), "J", "counter that only grows, from any start"),
        _field("clock_mhz", pa.float64(), "MHz", "compute units (SM, gfx)"),
        _field("memory_clock_mhz", pa.float64(), "MHz", "memory"),
        _field("temperature_c", pa.float64(), "°C", "GPU core, or its hot spot (AMD)"),
        _field("memory_used_gib", pa.float64(), "GiB", "by all processes on the device"),
        _field("utilisation", pa.float64(), "", "fraction of time that any kernel ran"),
        _field("throttle", pa.string(), "", "active reasons joined by |, empty for none"),
        _field("power_limit_w", pa.float64(), "W", "limit in force"),
    ]
)


class TelemetryFile:
    """Collects readings and writes them, whole each time."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        """`about` goes into the file's metadata, as it is when the file is written."""
        self.path = path
        self.about = about
        self.samples = 0
        self._rows: list[Reading] = []
        self._batches: list[pa.RecordBatch] = []
        # Wall minus monotonic clock: one offset for the file, so that a step of the wall clock cannot mix the order.
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._next_s = time.monotonic() + WRITE_EVERY_S

    def add(self, readings: Iterable[Reading]) -> None:
        """Add readings; nothing is written yet."""
        before = len(self._rows)
        self._rows.extend(readings)
        self.samples += len(self._rows) - before

    def write_when_due(self) -> None:
        """Write, where it is time to."""
        if time.monotonic() < self._next_s:
            return
        cpu = time.process_time()
        self.write()
        spent = time.process_time() - cpu
        self._next_s = time.monotonic() + max(WRITE_EVERY_S, spent / MOST_OF_A_CORE)

    def write(self) -> None:
        """Write all readings so far beside the file's place, then rename. Nothing without a reading."""
        if self._rows:
            self._batches.append(self._batch(self._rows))
            self._rows = []
        if not self._batches:
            return
        about = {**self.about, "schema": VERSION, "samples": self.samples}
        write_table(self.path, pa.Table.from_batches(self._batches), about)

    def _batch(self, readings: list[Reading]) -> pa.RecordBatch:
        columns: dict[str, list[Any]] = {
            "monotonic_ns": [r.monotonic_ns for r in readings],
            "unix_ns": [r.monotonic_ns + self._offset_ns for r in readings],
            "kind": [r.device.kind for r in readings],
            "device": [r.device.index for r in readings],
            "name": [r.device.name for r in readings],
        }
        columns |= {
            name: [getattr(r, name) for r in readings]
            for name in TELEMETRY.names
            if name not in columns
        }
        return pa.RecordBatch.from_pydict(columns, schema=TELEMETRY)


def read_telemetry(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """The samples and what the file says of itself. Raises NotObserved where there is none, or it cannot be read."""
    if not path.is_file():
        raise NotObserved("the launch has no telemetry")
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise NotObserved(f"{path.name} is unreadable: {error}") from error
    about: dict[str, Any] = json.loads((table.schema.metadata or {}).get(b"ablation", b"{}"))
    if about.get("schema") != VERSION:
        raise NotObserved(f"{path.name}: schema {about.get('schema')!r} where {VERSION!r} is read")
    return table, about
