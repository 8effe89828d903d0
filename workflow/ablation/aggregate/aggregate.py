"""All runs of a study in one table, one row a run.

results/{study}/aggregate/runs.parquet
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ablation.aggregate.distributions import Distributions
from ablation.files import write_table
from ablation.plan.plan import Plan, Session
from ablation.run.gate import FAILED, NOT_OBSERVED, PASSED, in_state
from ablation.run.schema import read_run_metadata
from ablation.study.load import StudyError

SCHEMA = "ablation.aggregate/2"


def _field(name: str, kind: pa.DataType, unit: str, description: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit, "description": description})


_IDENTITY = [
    _field("study", pa.string(), "", "study"),
    _field("model", pa.string(), "", "model"),
    _field("arm", pa.string(), "", "arm of the factor"),
    _field("block", pa.int32(), "", "replicate"),
    _field("concurrency", pa.int32(), "requests", "level: requests in flight"),
    _field("run_hash", pa.string(), "", "address of the raw record in the store"),
    _field("session_hash", pa.string(), "", "hash of what decides the launch"),
    _field("launch_id", pa.string(), "", "the launch that measured it"),
    _field("rank", pa.int32(), "", "place of the session in the plan's launch order"),
    _field("started_at", pa.timestamp("us", "UTC"), "", "first send of the data"),
    _field("ended_at", pa.timestamp("us", "UTC"), "", "last byte of the data"),
    _field("sitting", pa.string(), "", "execution of a block that the launch belongs to"),
    _field("host", pa.string(), "", "opaque id of the host"),
    _field("gpus", pa.string(), "", "opaque ids of its GPUs, and what chose among them"),
    _field("build", pa.string(), "", "digest of the server's software and the driver"),
    _field("weights", pa.string(), "", "digest of the model's files"),
    _field("client", pa.string(), "", "version of the load generator"),
    _field("launch_started_at", pa.timestamp("us", "UTC"), "", "when the server was launched"),
    _field("launch_ended_at", pa.timestamp("us", "UTC"), "", "when it had ended"),
    _field("usable", pa.bool_(), "", "no gate failed"),
    _field("gates_failed", pa.list_(pa.string()), "", "names of the gates that failed"),
    _field("gate_texts", pa.list_(pa.string()), "", "what those gates say"),
    _field("gates_passed", pa.list_(pa.string()), "", "names of the gates that passed"),
    _field(
        "gates_not_observed",
        pa.list_(pa.string()),
        "",
        "names of the gates that could not look: no pass, and no failure",
    ),
    _field("gates_not_observed_texts", pa.list_(pa.string()), "", "why those could not"),
]
_COUNTS = {
    "requests": "requests sent",
    "failed_requests": "requests that failed",
    "prompt_tokens": "prompt tokens by the server's usage",
    "output_tokens": "output tokens by the server's usage",
    "ttft_count": "first tokens inside the window",
    "itl_count": "token gaps inside the window",
}
_RATES = {
    "output_throughput_tok_s": ("tok/s", "output tokens per second in the window"),
    "total_throughput_tok_s": ("tok/s", "prompt and output tokens per second in the window"),
    "request_throughput_req_s": ("req/s", "requests ended per second in the window"),
    "output_throughput_run_tok_s": (
        "tok/s",
        "output tokens per second from first send to last byte",
    ),
    "goodput_req_s": (
        "req/s",
        "requests per second that met every objective; null without objectives",
    ),
    "window_s": ("s", "length of the window"),
    "achieved_concurrency": ("requests", "mean in flight in the window, by counting"),
    "achieved_concurrency_little": ("requests", "the same by Little's law"),
    "client_cpu_share": ("", "of one core, the busiest client process"),
    "event_loop_lag_p99_s": ("s", "lag of the client's event loop"),
    "send_delay_p99_s": ("s", "from a free slot to the bytes on the socket"),
}
_LATENCIES = {
    "ttft": "time to first token",
    "itl": "inter-token latency",
    "tpot": "time per output token after the first",
    "e2e": "end-to-end latency",
}
# Of all devices that the server uses, in the window; null where the launch was not or could not be sampled.
_TELEMETRY = {
    "energy_j": ("J", "energy"),
    "energy_per_output_token_j": ("J/tok", "energy per output token"),
    "power_mean_w": ("W", "mean power"),
    "power_max_w": ("W", "highest power sampled"),
    "clock_mean_mhz": ("MHz", "mean clock of the compute units"),
    "clock_min_mhz": ("MHz", "lowest clock sampled"),
    "temperature_max_c": ("°C", "highest temperature"),
    "memory_peak_gib": ("GiB", "highest memory use"),
    "utilisation_mean": ("", "mean fraction of time that any kernel ran"),
    "throttled_fraction": ("", "samples throttled by heat, a power brake or the hardware"),
    "power_capped_fraction": ("", "samples at the power limit"),
}
_ROOFLINE = {
    "roofline_memory_tok_s": ("tok/s", "most output throughput by memory bandwidth"),
    "roofline_compute_tok_s": ("tok/s", "most output throughput by peak arithmetic"),
    "roofline_fraction": ("", "output throughput over the memory bound"),
}

RUNS = pa.schema(
    [
        *_IDENTITY,
        *(_field(name, pa.int64(), "", text) for name, text in _COUNTS.items()),
        *(_field(name, pa.float64(), unit, text) for name, (unit, text) in _RATES.items()),
        *(
            _field(f"{name}_{part}_s", pa.float64(), "s", f"{text}, {part}")
            for name, text in _LATENCIES.items()
            for part in ("mean", "p50", "p90", "p99")
        ),
        _field(
            "batch_throughput_tok_s",
            pa.list_(pa.float64()),
            "tok/s",
            "output throughput in equal slices of the window",
        ),
        *(_field(name, pa.float64(), unit, text) for name, (unit, text) in _TELEMETRY.items()),
        *(_field(name, pa.float64(), unit, text) for name, (unit, text) in _ROOFLINE.items()),
        _field("energy_source", pa.string(), "", "counter, or power (trapezoid rule)"),
        _field("telemetry_text", pa.string(), "", "what telemetry was read by, or why not"),
        _field("roofline_text", pa.string(), "", "the GPU of the bounds, or why there is none"),
    ]
)


def aggregate(
    paths: Sequence[Path], plan: Plan, distributions: Distributions | None = None
) -> pa.Table:
    """One row a run, in the order of the plan; each file is read once, `distributions` gets it too.

    Which runs there must be is Snakemake's business (a study that decides early has fewer than its plan); that
    each was measured under exactly the plan's spec is checked here. Raises StudyError where one is stale,
    RunError where a file cannot be read.
    """
    planned = {level.run_hash: session for session in plan.sessions for level in session.levels}
    rows: dict[str, dict[str, Any]] = {}
    for path in paths:
        metadata = read_run_metadata(path)
        run_hash = metadata["run_hash"]
        if run_hash not in planned:
            raise StudyError(
                f"{path}: was measured under another configuration (run {run_hash}); delete this file and type the "
                "same command again: it is derived anew, and measured where the store lacks it"
            )
        rows[run_hash] = _row(metadata, planned[run_hash])
        if distributions is not None:
            distributions.add(path, metadata)
    return pa.Table.from_pylist(
        [rows[run_hash] for run_hash in planned if run_hash in rows], schema=RUNS
    )


def write_aggregate(table: pa.Table, path: Path, plan: Plan) -> None:
    """Write the table with its schema and provenance, whole or not at all."""
    metadata = {"schema": SCHEMA, "study": plan.name, "config_hash": plan.config_hash}
    write_table(path, table, metadata)


def _row(metadata: dict[str, Any], session: Session) -> dict[str, Any]:
    failed, unseen = (in_state(metadata["gates"], state) for state in (FAILED, NOT_OBSERVED))
    summary = metadata["summary"]
    row = {name: summary.get(name) for name in RUNS.names}
    row |= {
        name: metadata[name]
        for name in ("study", "model", "arm", "block", "concurrency", "run_hash", "launch_id")
    }
    row |= metadata["launch_facts"]
    times = {name: row.get(name) for name in ("launch_started_at", "launch_ended_at")}
    times |= {name: metadata[name] for name in ("started_at", "ended_at")}
    row |= {name: text and datetime.fromisoformat(text) for name, text in times.items()}
    return row | {
        "session_hash": session.session_hash,
        "rank": session.rank,
        "usable": metadata["usable"],
        "gates_failed": [gate["gate"] for gate in failed],
        "gate_texts": [gate["text"] for gate in failed],
        "gates_passed": [gate["gate"] for gate in in_state(metadata["gates"], PASSED)],
        "gates_not_observed": [gate["gate"] for gate in unseen],
        "gates_not_observed_texts": [gate["text"] for gate in unseen],
    }
