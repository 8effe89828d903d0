"""What a client does to the measurement: ours and its peers against planted truth.

    make bench-client

Ours, `vllm bench serve`, plain httpx, and a bare protocol that only stamps (what Python itself costs).
Each client in turn drives the reference server (first token after 50 ms, then one every 20 ms, 100
tokens) at 1, 10, 100 and 500 in flight; what it reports is held against what the server really sent
and when. Then, at 500, the server sends as fast as it can, several events to a write, as vLLM does
under load: the most events a second that a client takes.

Prints a table and writes ``benchmarks/results/client.json``: flat records, one a client and level.

    ttft_error_ms_*         reported minus true, of the mean, the median and the 99th percentile
    itl_error_ms_mean       mean distance between the reported and the true distribution (Wasserstein-1,
                            https://en.wikipedia.org/wiki/Wasserstein_metric), so that errors up and
                            down do not cancel; _p50 and _p99 are of the quantiles
    throughput_ratio_to_ideal   reported output tokens per second / level * 100 / (50 + 99 * 20) ms
    cpu_us_per_event        CPU of the client while it drives
    repeats                 of the run; each figure is the median over them
    server_bottleneck       the server was late against its own schedule: read the row with care
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from ablation.client.load import LoadSpec, drive
from ablation.client.record import read_record, write_record
from ablation.client.workload import Workload, fixed
from ablation.run.decode import decode
from ablation.run.metrics import column, summarise

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
TTFT_MS, ITL_MS, TOKENS, INPUT = 50.0, 20.0, 100, 64
REQUESTS = {1: 10, 10: 50, 100: 500, 500: 2000}
# At the highest level, where it matters: CPU times of a virtual machine vary by a quarter. httpx takes too long.
REPEATS, ONCE = 3, ("httpx",)
# 500 streams of 8 events to a write, each due 5 ms after the last: 800,000 events a second, if it could.
FLOOD = ("--ttft-ms", "20", "--itl-ms", "0.625", "--events-per-write", "8")
FLOOD_LEVEL, FLOOD_TOKENS, FLOOD_REQUESTS = 500, 800, 1500

FLOOR = "bare protocol"
CLIENTS = ("ours", FLOOR, "vllm bench serve", "httpx")

Measured = dict[str, Any]


class Skipped(Exception):
    """A client that cannot run here; the message says why."""


@contextmanager
def server(*args: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A reference server for one client at one level."""
    command = [sys.executable, "-m", "ablation.reference", "--port", "0", *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], process
        finally:
            process.kill()


def ours(url: str, level: int, requests: int, osl: int, process: Any) -> Measured:
    """Our client: what a run's parquet would say."""
    work = Workload("reference", isl=fixed(INPUT), osl=fixed(osl))
    spec = LoadSpec(url, work, level, requests, seed=1, workers=1)
    with tempfile.TemporaryDirectory() as folder:
        record = drive(spec, server_alive=lambda: process.poll() is None, scratch=Path(folder))
        write_record(Path(folder) / "record", record, {"spec": {"concurrency": level}})
        stored = read_record(Path(folder) / "record")
        rows = decode(stored)
        summary = summarise(rows, stored.run_json)
    events = [np.diff(times) for times in rows["event_s"].to_pylist()]
    return {
        "ttft_s": column(rows, "ttft_s"),
        "itl_s": np.concatenate(events),
        "events": summary["events"],
        "seconds": summary["run_s"],
        "output_tok_s": summary["output_throughput_tok_s"],
        "cpu_s": sum(worker["cpu_s"] for worker in record.client["workers"]),
    }


def peer(script: str, python: Path, url: str, level: int, requests: int, osl: int) -> Measured:
    """A client that runs as a program of its own."""
    if not python.exists():
        raise Skipped(f"{python.relative_to(ROOT)} is not there; `make setup` makes it")
    command = [str(python), str(Path(__file__).parent / "clients" / script), url]
    command += [str(number) for number in (level, requests, INPUT, osl)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=1800, env=env
    )
    if done.returncode:
        raise Skipped((done.stderr.strip().splitlines() or ["no word"])[-1][:200])
    measured: Measured = json.loads(done.stdout.splitlines()[-1])
    measured.setdefault("output_tok_s", requests * osl / measured["seconds"])
    return measured


def drive_client(client: str, url: str, level: int, requests: int, osl: int, own: Any) -> Measured:
    """One client at one level. Raises Skipped."""
    if client == "ours":
        return ours(url, level, requests, osl, own)
    if client == "vllm bench serve":
        return peer("peer_vllm.py", ROOT / ".venv-vllm/bin/python", url, level, requests, osl)
    if client == FLOOR:
        return peer("peer_bare.py", Path(sys.executable), url, level, requests, osl)
    return peer("peer_httpx.py", Path(sys.executable), url, level, requests, osl)


def compare(measured: Measured, truth: dict[str, Any], requests: int) -> dict[str, float]:
    """Errors in ms of what was reported, against the last `requests` streams that were sent."""
    streams = sorted(truth["streams"], key=lambda s: s["number"])[-requests:]
    ttft = np.array([s["sent_ns"][0] - s["received_ns"] for s in streams]) / 1e6
    itl = np.concatenate([np.diff(s["sent_ns"]) for s in streams]) / 1e6
    got_ttft, got_itl = np.asarray(measured["ttft_s"]) * 1e3, np.asarray(measured["itl_s"]) * 1e3
    at = np.linspace(0.0005, 0.9995, 1000)
    distance = np.abs(np.quantile(got_itl, at) - np.quantile(itl, at)).mean()
    found = {"ttft_true_ms_mean": ttft.mean(), "ttft_reported_ms_mean": got_ttft.mean()}
    found["ttft_error_ms_mean"] = got_ttft.mean() - ttft.mean()
    found["itl_error_ms_mean"] = distance
    for name, q in (("p50", 0.5), ("p99", 0.99)):
        found[f"ttft_error_ms_{name}"] = np.quantile(got_ttft, q) - np.quantile(ttft, q)
        found[f"itl_error_ms_{name}"] = np.quantile(got_itl, q) - np.quantile(itl, q)
    return {name: float(value) for name, value in found.items()}


def scheduled(client: str, level: int) -> dict[str, Any]:
    """One client at one level, against the planted schedule. Raises Skipped."""
    requests = REQUESTS[level]
    with server("--ttft-ms", str(TTFT_MS), "--itl-ms", str(ITL_MS)) as (url, process):
        measured = drive_client(client, url, level, requests, TOKENS, process)
        truth = httpx.get(f"{url}/truth", timeout=120).json()
    ideal = level * TOKENS / ((TTFT_MS + (TOKENS - 1) * ITL_MS) / 1e3)
    return {
        "case": "schedule",
        "client": client,
        "concurrency": level,
        **compare(measured, truth, requests),
        "throughput_ratio_to_ideal": measured["output_tok_s"] / ideal,
        "cpu_us_per_event": measured["cpu_s"] / measured["events"] * 1e6,
        "events_per_s": measured["events"] / measured["seconds"],
        "server_late_p99_ms": truth["late_p99_ms"],
        "server_bottleneck": truth["bottleneck"],
    }


def repeated(client: str, level: int) -> dict[str, Any]:
    """The median of every figure over some repeats of `scheduled`. Raises Skipped."""
    repeats = 1 if client in ONCE or level < max(REQUESTS) else REPEATS
    runs = [scheduled(client, level) for _ in range(repeats)]
    medians = {
        name: float(np.median([run[name] for run in runs]))
        for name, value in runs[0].items()
        if isinstance(value, float)
    }
    late = any(run["server_bottleneck"] for run in runs)
    return runs[0] | medians | {"server_bottleneck": late, "repeats": repeats}


def flooded(client: str, requests: int = FLOOD_REQUESTS) -> dict[str, Any]:
    """The most events a second that one client takes. Raises Skipped."""
    with server(*FLOOD) as (url, process):
        measured = drive_client(client, url, FLOOD_LEVEL, requests, FLOOD_TOKENS, process)
        truth = httpx.get(f"{url}/truth", timeout=120).json()
    return {
        "case": "flood",
        "client": client,
        "concurrency": FLOOD_LEVEL,
        "cpu_us_per_event": measured["cpu_s"] / measured["events"] * 1e6,
        "events_per_s": measured["events"] / measured["seconds"],
        "client_cpu_share": measured["cpu_s"] / measured["seconds"],
        "server_cpu_share": truth["cpu_share"],
    }


DERIVE = """
import json, resource, sys, time
from pathlib import Path
import pandas as pd
from ablation.client.record import read_record
from ablation.run.decode import decode
from ablation.run.metrics import mark_window, summarise
from ablation.run.schema import write_run_parquet
began = time.monotonic()
record, path = read_record(Path(sys.argv[1])), Path(sys.argv[2])
rows = decode(record)
summary = summarise(rows, record.run_json)
write_run_parquet(path, mark_window(rows, summary), {"summary": summary})
derived = time.monotonic()
frame = pd.read_parquet(path)
read = time.monotonic() - derived
print(json.dumps({
    "events": int(frame["events"].sum()),
    "decode_s": derived - began,
    "decode_max_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "parquet_mb": path.stat().st_size / 1e6,
    "pandas_read_s": read,
}))
"""


def big() -> dict[str, Any]:
    """Two million events, each in a read of its own: memory of the client and of the decoding."""
    with (
        tempfile.TemporaryDirectory() as folder,
        server("--ttft-ms", "20", "--itl-ms", "12.5") as (url, process),
    ):
        work = Workload("reference", isl=fixed(INPUT), osl=fixed(400))
        spec = LoadSpec(url, work, 500, 5000, seed=1, workers=1)
        record = drive(spec, server_alive=lambda: process.poll() is None, scratch=Path(folder))
        write_record(Path(folder) / "record", record, {"spec": {"concurrency": 500}})
        raw = sum(path.stat().st_size for path in (Path(folder) / "record").iterdir())
        command = [sys.executable, "-c", DERIVE, f"{folder}/record", f"{folder}/run.parquet"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    (worker,) = record.client["workers"]
    return {
        "case": "two million events",
        "client": "ours",
        "concurrency": 500,
        "client_max_rss_mb": worker["max_rss_bytes"] / (1 << 20),
        "raw_record_mb": raw / 1e6,
        **json.loads(done.stdout),
    }


COLUMNS = {
    "concurrency": ("in flight", "{}"),
    "client": ("client", "{}"),
    "ttft_true_ms_mean": ("true TTFT", "{:.1f}"),
    "ttft_reported_ms_mean": ("reported", "{:.1f}"),
    "ttft_error_ms_mean": ("error: mean", "{:+.2f}"),
    "ttft_error_ms_p50": ("p50", "{:+.2f}"),
    "ttft_error_ms_p99": ("p99", "{:+.2f}"),
    "itl_error_ms_mean": ("ITL error: mean", "{:.3f}"),
    "itl_error_ms_p99": ("p99", "{:+.2f}"),
    "throughput_ratio_to_ideal": ("tok/s to ideal", "{:.4f}"),
    "cpu_us_per_event": ("CPU us/event", "{:.1f}"),
    "events_per_s": ("events/s", "{:,.0f}"),
}


def line(record: dict[str, Any] | None = None) -> str:
    """A row of the table, or its head."""
    cells = []
    for name, (title, form) in COLUMNS.items():
        width = 18 if name == "client" else max(len(title), 8)
        text = title if record is None else form.format(record[name])
        cells.append(text.ljust(width) if name == "client" else text.rjust(width))
    late = record is not None and record["server_bottleneck"]
    return "  ".join(cells) + ("  (the server was late)" if late else "")


def main() -> None:
    """Run every client at every level, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--levels", type=int, nargs="+", default=list(REQUESTS), metavar="N")
    parser.add_argument("--clients", nargs="+", default=list(CLIENTS), choices=CLIENTS)
    parser.add_argument("--output", type=Path, default=RESULTS / "client.json")
    args = parser.parse_args()
    records: list[dict[str, Any]] = []
    print(f"at {max(REQUESTS)} the median of {REPEATS} runs, of {', '.join(ONCE)} one")
    print(line(), flush=True)
    for level in args.levels:
        for client in args.clients:
            try:
                records.append(repeated(client, level))
                print(line(records[-1]), flush=True)
            except Skipped as why:
                print(f"{level:>9}  {client}: skipped: {why}", flush=True)
    print("\nthe most events a second, 500 in flight, 8 events to a write")
    for client in args.clients:
        try:
            # The slower ones get fewer requests: a rate needs no more.
            records.append(flooded(client, FLOOD_REQUESTS if client == "ours" else 500))
            r = records[-1]
            print(
                f"{client:18}{r['events_per_s']:>10,.0f} events/s  {r['cpu_us_per_event']:6.1f} us/event  "
                f"client {r['client_cpu_share']:.0%} of a core, server {r['server_cpu_share']:.0%}",
                flush=True,
            )
        except Skipped as why:
            print(f"{client:18}skipped: {why}", flush=True)
    if "ours" in args.clients:
        records.append(big())
        print(f"\n{json.dumps(records[-1])}", flush=True)
    print_ratios([r for r in records if r["case"] == "schedule"], max(args.levels))
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    print(f"written to {args.output}")


def print_ratios(records: list[dict[str, Any]], level: int) -> None:
    """Side by side at one level: each client's TTFT error over ours; our CPU time over the bare protocol's.

    The bare protocol is no client that one could use: its CPU time is the least that this machine allows in this
    hour, and that varies by a half on shared cores.
    """
    at = {r["client"]: r for r in records if r["concurrency"] == level}
    if (own := at.get("ours")) is None:
        return
    for client, record in at.items():
        if client not in ("ours", FLOOR):
            ratio = abs(record["ttft_error_ms_mean"] / own["ttft_error_ms_mean"])
            print(f"TTFT error at {level}: {client} / ours = {ratio:.0f}")
    if floor := at.get(FLOOR):
        ratio = own["cpu_us_per_event"] / floor["cpu_us_per_event"]
        print(f"CPU time an event at {level}: ours / {FLOOR} = {ratio:.2f}")


if __name__ == "__main__":
    main()
