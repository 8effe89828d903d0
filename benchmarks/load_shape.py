"""How much do the number of requests and the ramp change what is measured of a server? In turn, on one that runs.

    PYTHONPATH=workflow .venv/bin/python benchmarks/load_shape.py URL MODEL --vocabulary 128256 \\
        --concurrency 10 --isl 2048 --osl 128 --loads 30:1 60:1 240:1 60:0

MODEL is the name under which it is served; a load is its requests and its ramp in seconds. Each is driven `--repeats`
times, in turn. Printed for each: output throughput counted in the window, by Little's law from the requests that
ended in it (`ablation.run.metrics`), and from the first send to the last byte. The longest run is the truth; the
first column nears it as the others grow, the second should be near it from the start.

`--json FILE` writes flat records. Those of `docs/h100-attention.md` are in `benchmarks/results/load-shape.json`, with
host, GPU and launch, and beside another client that ran in turn (its throughput from first send to last byte).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from ablation.client.load import LoadSpec, drive
from ablation.client.record import read_record, write_record
from ablation.client.workload import Workload, fixed
from ablation.run.decode import decode
from ablation.run.metrics import summarise

COLUMNS = {
    "counted_tok_s": "output_throughput_tok_s",
    "littles_law_tok_s": "output_throughput_little_tok_s",
    "whole_run_tok_s": "output_throughput_run_tok_s",
    "first_tokens_in_window": "ttft_count",
    "window_s": "window_s",
    "e2e_mean_s": "e2e_mean_s",
}


def one(url: str, work: Workload, level: int, requests: int, ramp_s: float, seed: int) -> Any:
    """One load, as a flat record."""
    spec = LoadSpec(
        url, work, level, requests, seed=seed, warmup_requests=level, workers=1, ramp_s=ramp_s
    )
    with tempfile.TemporaryDirectory() as folder:
        record = drive(spec, server_alive=lambda: True, scratch=Path(folder))
        write_record(Path(folder) / "record", record, {"spec": {"concurrency": level}})
        stored = read_record(Path(folder) / "record")
        summary = summarise(decode(stored), stored.run_json)
    found = {name: summary[source] for name, source in COLUMNS.items()}
    return {"concurrency": level, "requests": requests, "ramp_s": ramp_s} | found


def table(records: list[dict[str, Any]]) -> str:
    """Means by load, as text."""
    groups: dict[tuple[int, float], list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        groups[record["requests"], record["ramp_s"]].append(record)
    lines = [f"{'requests':>8} {'ramp s':>6} {'counted':>9} {'Little':>9} {'whole run':>9}   tok/s"]
    for (requests, ramp_s), rows in groups.items():
        cells = []
        for name in list(COLUMNS)[:3]:
            known = [row[name] for row in rows if row[name] is not None]
            cells.append(f"{statistics.mean(known):9.1f}" if known else f"{'-':>9}")
        lines.append(f"{requests:8} {ramp_s:6.1f} {' '.join(cells)}")
    return "\n".join(lines)


def load(text: str) -> tuple[int, float]:
    """`30:1` as 30 requests, ramped over 1 s."""
    requests, _, ramp_s = text.partition(":")
    return int(requests), float(ramp_s or 0)


def main() -> None:
    """Drive, print, write."""
    parser = argparse.ArgumentParser(description="requests and ramp against what is measured")
    parser.add_argument("url")
    parser.add_argument("model")
    parser.add_argument("--vocabulary", type=int, required=True)
    parser.add_argument("--concurrency", type=int, default=10)
    parser.add_argument("--isl", type=int, default=2048)
    parser.add_argument("--osl", type=int, default=128)
    parser.add_argument("--loads", type=load, nargs="+", default=[(30, 1.0), (60, 1.0), (240, 1.0)])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    work = Workload(
        args.model, isl=fixed(args.isl), osl=fixed(args.osl), vocab_size=args.vocabulary
    )
    records = []
    for repeat in range(args.repeats):
        for place, (requests, ramp_s) in enumerate(args.loads):
            seed = 1000 * repeat + place
            records.append(one(args.url, work, args.concurrency, requests, ramp_s, seed))
            print(json.dumps(records[-1]), flush=True)
    print(table(records))
    if args.json:
        args.json.write_text("[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n")


if __name__ == "__main__":
    main()
