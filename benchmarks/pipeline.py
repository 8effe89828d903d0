"""The whole pipeline against known truth: the reference server with a planted difference, from plan to verdict.

    python benchmarks/pipeline.py            (part of `make calibration`)

Two studies run through Snakemake as any study does: one with a planted +4 % in throughput, one with none. Launches
of the simulated server vary by 0.3 % (SD of a factor drawn anew for each). Writes
benchmarks/results/pipeline.json, flat records: planted_percent, concurrency, blocks, difference_percent, low_percent,
high_percent, verdict, usable_runs, runs.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "pipeline.json"
BLOCKS = 6


def study(name: str, slowdown: float) -> dict:
    """A study whose baseline is slower by the given factor."""
    return {
        "study": name,
        "title": "A planted difference",
        "factor": {
            "name": "planted",
            "title": "Planted speed of the reference server",
            "baseline": "slow",
            "arms": {
                "slow": {"args": {"slowdown": slowdown}},
                "fast": {"args": {"slowdown": 1.0}},
            },
        },
        "models": {"toy": {"path": "toy", "vocabulary": 4096}},
        "design": {"blocks": BLOCKS, "levels": [1, 8]},
        "workload": {
            "input_tokens": 64,
            "output_tokens": 32,
            "requests": {"minimum": 20, "per_level": 8},
            "ramp_s": 0.1,
        },
        "server": {
            "kind": "reference",
            "vllm": "0.0.0",
            "args": {"ttft-ms": 40, "itl-ms": 8, "launch-sd": 0.003},
        },
        "expect": {"start_s": 1, "stop_s": 0.2, "output_tok_s": {1: 110, 8: 880}},
    }


def run(folder: Path, name: str, slowdown: float) -> list[dict]:
    """Run one study and read its verdicts back."""
    config = folder / f"{name}.yaml"
    config.write_text(yaml.safe_dump(study(name, slowdown)))
    snakemake = Path(sys.executable).with_name("snakemake")
    command = [snakemake, "--cores", "1", "report", "-s", ROOT / "Snakefile", "-d", folder]
    done = subprocess.run(
        [*map(str, command), "--configfile", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(done.stdout[-3000:])
    results = folder / "results" / name
    table = pd.read_parquet(results / "statistics" / "comparisons.parquet")
    runs = pd.read_parquet(results / "aggregate" / "runs.parquet")
    rows = table[table["metric"] == "output_throughput_tok_s"]
    return [
        {
            "planted_percent": round(100 * (slowdown - 1), 6),
            "concurrency": int(row.concurrency),
            "blocks": int(row.n_pairs),
            "difference_percent": row.difference_percent,
            "low_percent": row.low_percent,
            "high_percent": row.high_percent,
            "verdict": row.verdict,
            "usable_runs": int(runs.loc[runs["concurrency"] == row.concurrency, "usable"].sum()),
            "runs": int((runs["concurrency"] == row.concurrency).sum()),
        }
        for row in rows.itertuples()
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = run(folder, "planted", 1.04) + run(folder, "nothing", 1.0)
    RESULT.write_text(json.dumps(records, indent=1) + "\n")
    print(pd.DataFrame(records).to_string(index=False, float_format=lambda x: f"{x:.2f}"))


if __name__ == "__main__":
    main()
