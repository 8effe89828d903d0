"""Snakemake itself, run in a folder of its own on the workflow of this checkout."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from ablation.session.lock import HOST_LOCK

ROOT = Path(__file__).resolve().parents[2]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")

# A study on the reference server: simulated, with answers that differ, and with a planted difference so
# large (three times) that a machine that stalls seldom hides it.
STUDY = {
    "study": "small",
    "title": "A simulated study",
    "seed": 5,
    "factor": {
        "name": "speed",
        "title": "Speed of the reference server",
        "baseline": "slow",
        "arms": {
            "slow": {"args": {"slowdown": 3.0}, "evidence": "reference server"},
            "fast": {
                "args": {"slowdown": 1.0, "logprob-error": 0.5},
                "evidence": "reference server",
            },
        },
    },
    "models": {
        "toy": {"path": "toy", "vocabulary": 1000},
        "fixed": {"catalogue": "fixed", "blocks": 1},
    },
    "design": {"blocks": 3, "levels": [1, 4]},
    "workload": {
        "input_tokens": 16,
        "output_tokens": 8,
        "requests": {"minimum": 12, "per_level": 4},
        "ramp_s": 0.02,
    },
    "server": {"kind": "reference", "vllm": "0.0.0", "args": {"ttft-ms": 5, "itl-ms": 2}},
    "expect": {"start_s": 1, "stop_s": 0.2, "output_tok_s": {1: 300}},
    # Other tests and servers may run on the same cores: these runs are about files, not about time.
    "gates": {
        "event_loop_lag_p99_max_s": 5,
        "send_delay_p99_max_s": 5,
        "client_cpu_share_max": 5,
        "trend_max": 9,
        "achieved_concurrency_min": 0.1,
        "littles_law_max": 9,
    },
    "catalogue": "models.yaml",
}
CATALOGUE = {
    "models": {
        "fixed": {
            "title": "A model that needs the fast arm",
            "architecture": "none",
            "hub": "nobody/fixed",
            "support": [
                {
                    "factor": "speed",
                    "status": "required",
                    "arms": ["fast"],
                    "when": {"platform": ["cpu"]},
                    "reason": "It has no kernel without the treatment.",
                    "source": "tests/workflow/conftest.py",
                }
            ],
        }
    }
}


class Workspace:
    """A folder with a study in it."""

    def __init__(self, folder: Path, host_lock: Path) -> None:
        self.folder = folder
        self.study = json.loads(json.dumps(STUDY))
        self.environment = os.environ | {HOST_LOCK: str(host_lock)}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "models.yaml").write_text(yaml.safe_dump(CATALOGUE))
        self.results = folder / "results" / "small"

    def command(self, *arguments: str) -> list[str]:
        (self.folder / "study.yaml").write_text(yaml.safe_dump(self.study))
        files = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(self.folder)]
        return [str(SNAKEMAKE), *arguments, *files, "--configfile", str(self.folder / "study.yaml")]

    def start(self, *arguments: str, log: Path) -> subprocess.Popen:
        """Snakemake in the background, at the head of a process group as a shell starts it."""
        with log.open("w") as output:
            return subprocess.Popen(
                self.command(*arguments),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                process_group=0,
                # What a shell starts with & ignores Ctrl-C, and so would all that these tests start.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def run(self, *arguments: str, ok: bool = True) -> str:
        """Snakemake's whole output."""
        done = subprocess.run(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
            check=False,
        )
        assert (done.returncode == 0) == ok, done.stdout
        return done.stdout

    def launches(self) -> list[Path]:
        return sorted((self.results / "store").glob("launch-*"))

    def measured(self) -> dict[str, str]:
        """Every file of every raw record -> its checksum."""
        files = [
            path
            for run in (self.results / "store").glob("[0-9a-f]*/run.json")
            for path in run.parent.iterdir()
        ]
        return checksums(files)

    def runs(self) -> list[Path]:
        return sorted((self.results / "runs").rglob("*.parquet"))

    def processes(self) -> list[psutil.Process]:
        """Servers and clients of this folder that live."""
        found = []
        for process in psutil.process_iter(["cmdline", "cwd"]):
            words = " ".join(process.info["cmdline"] or [])
            if process.info["cwd"] == str(self.folder) and re.search(r"ablation|guard\.py", words):
                found.append(process)
        return found


def checksums(paths: list[Path]) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def wait_for(condition, within_s: float = 60.0, what: str = "it"):
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {within_s:.0f} s for {what} in vain")


def jobs(output: str) -> dict[str, int]:
    """Rule -> number of jobs, from the table that Snakemake prints; empty where nothing is to be done."""
    table = re.search(r"^job +count\n-+ +-+\n((?:\w+ +\d+\n)+)", output, re.M)
    if table is None:
        assert "Nothing to be done" in output, output
        return {}
    counts = {
        name: int(count) for name, count in (line.split() for line in table.group(1).splitlines())
    }
    counts.pop("total")
    return counts


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "here", tmp_path / "host.lock")
