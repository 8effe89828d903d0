"""Do our client and `vllm bench serve` agree on a real vLLM server? In turn, against the same server.

    PYTHONPATH=workflow .venv/bin/python benchmarks/client_agreement.py MODEL_FOLDER

MODEL_FOLDER is a model that vLLM for CPUs can serve, with its tokenizer (`resources/models/...`). Both
clients drive 1, 8 and 32 in flight with the same lengths, alternating, several times; the ratio of their output
throughput is printed with the spread of each client's own repeats. Both are taken over the whole run, from the
first send to the last byte, which is what `vllm bench serve` reports; our window is beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from ablation.client.load import LoadSpec, drive
from ablation.client.record import read_record, write_record
from ablation.client.workload import Workload, fixed
from ablation.run.decode import decode
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
            command, stdout=log, stderr=subprocess.STDOUT, env=env, start_new_session=True
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
        for gate in judge(summary, rows, stored.run_json):
            if not gate["passed"]:
                print(f"  gate {gate['gate']}: {gate['text']}")
    return summary


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
            run, window, ttft, peer, peer_ttft = [], [], [], [], []
            for repeat in range(args.repeats + 1):
                mine = ours(url, level, vocabulary, process, args.event_usage)
                other = theirs(url, level, args.model)
                if repeat == 0:
                    continue  # both warm
                run.append(mine["output_throughput_run_tok_s"])
                window.append(mine["output_throughput_tok_s"])
                ttft.append(mine["ttft_mean_s"] * 1e3)
                peer.append(other["output_tok_s"])
                peer_ttft.append(statistics.mean(other["ttft_s"]) * 1e3)
            print(
                f"{level:3} in flight, output tok/s: ours {spread(run)}, in the window {spread(window)}; "
                f"vllm bench serve {spread(peer)}; ratio {statistics.mean(run) / statistics.mean(peer):.3f}; "
                f"TTFT ms {spread(ttft)} against {spread(peer_ttft)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
