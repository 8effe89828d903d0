"""Do our client and `vllm bench serve` agree on a real vLLM server? In turn, against the same server.

    PYTHONPATH=workflow .venv/bin/python benchmarks/client_agreement.py MODEL_FOLDER

MODEL_FOLDER is a model that vLLM for CPUs can serve, with its tokenizer (`resources/models/...`). Both
clients drive 1, 8 and 32 in flight with the same lengths, alternating, several times; the ratio of their output
throughput is printed with the spread of each client's own repeats. Both are taken over the whole run, from the
first send to the last byte, which is what `vllm bench serve` reports; our window is beside it.

Where they differ, the server itself is the judge: its own histograms of E2E latency, read before and after each run,
say how long it took for the requests of either client. A client that reports more than the server took has added it;
a server that took longer under one client was slowed by that client, which shares the cores with it here.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from ablation.client.load import LoadSpec, drive
from ablation.client.record import read_record, write_record
from ablation.client.workload import Workload, fixed
from ablation.run.decode import decode
from ablation.run.gate import FAILED, in_state
from ablation.run.gates import judge
from ablation.run.metrics import summarise

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-vllm/bin/python"
LEVELS = {1: 40, 8: 240, 32: 640}
INPUT, OUTPUT = 64, 32
ENV = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
}
FLAGS = (
    "--served-model-name m --host 127.0.0.1 --enforce-eager --dtype bfloat16 --max-model-len 2048 "
    "--kv-cache-memory-bytes 256M --distributed-executor-backend uni --no-enable-prefix-caching "
    "--disable-uvicorn-access-log"
)


@contextmanager
def serving(model: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """vLLM for CPUs on a free port, ended with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    module = "vllm.entrypoints.openai.api_server"
    command = [
        str(PYTHON),
        "-m",
        module,
        "--model",
        str(model),
        "--port",
        str(port),
        *FLAGS.split(),
    ]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | ENV
        env["VLLM_RPC_BASE_PATH"] = folder
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=env, process_group=0
        )
        try:
            url = f"http://127.0.0.1:{port}"
            while not ready(url):
                if process.poll() is not None:
                    raise SystemExit((Path(folder) / "log").read_text()[-3000:])
                time.sleep(0.5)
            yield url, process
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def ready(url: str) -> bool:
    """Whether the server answers."""
    try:
        return httpx.get(f"{url}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def ours(url: str, level: int, vocabulary: int, process: Any, event_usage: bool) -> dict[str, Any]:
    """One run of our client: its summary; a failed gate is printed."""
    work = Workload(
        "m",
        isl=fixed(INPUT),
        osl=fixed(OUTPUT),
        vocab_size=vocabulary,
        event_usage=event_usage,
    )
    spec = LoadSpec(url, work, level, LEVELS[level], seed=time.time_ns(), workers=1, ramp_s=0)
    with tempfile.TemporaryDirectory() as folder:
        record = drive(spec, server_alive=lambda: process.poll() is None, scratch=Path(folder))
        write_record(Path(folder) / "record", record, {"spec": {"concurrency": level}})
        stored = read_record(Path(folder) / "record")
        rows = decode(stored)
        summary = summarise(rows, stored.run_json)
        for gate in in_state(judge(summary, rows, stored.run_json), FAILED):
            print(f"  gate {gate['gate']}: {gate['text']}")
    return summary


def server_e2e(url: str) -> tuple[float, float]:
    """Sum of the server's own E2E latencies (s) and their number, since its start."""
    text = httpx.get(f"{url}/metrics", timeout=10).text
    found = {}
    for part in ("sum", "count"):
        pattern = rf"^vllm:e2e_request_latency_seconds_{part}\{{.*\}} ([0-9.e+-]+)$"
        found[part] = sum(float(value) for value in re.findall(pattern, text, re.M))
    return found["sum"], found["count"]


def seen_by_server(
    url: str, drive_it: Callable[[], dict[str, Any]]
) -> tuple[dict[str, Any], float]:
    """What a client reports of a run, and the server's own mean E2E latency (ms) of it."""
    sum_before, count_before = server_e2e(url)
    reported = drive_it()
    time.sleep(1)  # the engine reports its last step late
    sum_after, count_after = server_e2e(url)
    return reported, 1e3 * (sum_after - sum_before) / (count_after - count_before)


def theirs(url: str, level: int, model: Path) -> dict[str, Any]:
    """One run of `vllm bench serve`."""
    script = Path(__file__).parent / "clients" / "peer_vllm.py"
    numbers = [str(n) for n in (level, LEVELS[level], INPUT, OUTPUT)]
    command = [str(PYTHON), str(script), url, *numbers, "m", str(model)]
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def spread(values: list[float]) -> str:
    """Mean and coefficient of variation."""
    return f"{statistics.mean(values):8.1f} (CoV {statistics.stdev(values) / statistics.mean(values):.1%})"


def main() -> None:
    """Alternate the clients, print the comparison."""
    parser = argparse.ArgumentParser(description="our client against vllm bench serve on real vLLM")
    parser.add_argument("model", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--levels", type=int, nargs="+", default=list(LEVELS))
    parser.add_argument("--event-usage", action="store_true", help="ask for usage in every event")
    args = parser.parse_args()
    vocabulary = json.loads((args.model / "config.json").read_text())["vocab_size"]
    with serving(args.model) as (url, process):
        for level in args.levels:
            found: dict[str, list[float]] = defaultdict(list)
            for repeat in range(args.repeats + 1):
                mine, mine_ms = seen_by_server(
                    url, partial(ours, url, level, vocabulary, process, args.event_usage)
                )
                other, other_ms = seen_by_server(url, partial(theirs, url, level, args.model))
                if repeat == 0:
                    continue  # both warm
                found["run"].append(mine["output_throughput_run_tok_s"])
                found["window"].append(mine["output_throughput_tok_s"])
                found["peer"].append(other["output_tok_s"])
                found["e2e"].append(mine["e2e_mean_s"] * 1e3)
                found["e2e_server"].append(mine_ms)
                found["peer_e2e"].append(other["e2e_mean_s"] * 1e3)
                found["peer_e2e_server"].append(other_ms)
            report(level, found)


def report(level: int, found: dict[str, list[float]]) -> None:
    """Print what was found at a level."""
    mean = {name: statistics.mean(values) for name, values in found.items()}
    print(
        f"{level:3} in flight, output tok/s: ours {spread(found['run'])}, in the window "
        f"{spread(found['window'])}; vllm bench serve {spread(found['peer'])}; "
        f"ratio {mean['run'] / mean['peer']:.3f}"
    )
    for name, prefix in (("ours", ""), ("vllm bench serve", "peer_")):
        client, server = mean[f"{prefix}e2e"], mean[f"{prefix}e2e_server"]
        print(
            f"    E2E ms under {name:16}: the client says {client:8.2f}, the server says {server:8.2f}: "
            f"{client - server:+.2f} between them"
        )
    print(
        f"    the server itself took {mean['peer_e2e_server'] / mean['e2e_server'] - 1:+.1%} under vllm bench serve",
        flush=True,
    )


if __name__ == "__main__":
    main()
