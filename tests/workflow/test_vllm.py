"""A small study on real vLLM, from plan to report. Takes about two minutes; `-m "not vllm"` leaves it out."""

import json
import os
import re
import subprocess

import pandas as pd
import pytest
import yaml

from ablation.run.schema import read_run_parquet
from ablation.session.lock import HOST_LOCK
from tests.workflow.conftest import ROOT, SNAKEMAKE

pytestmark = [pytest.mark.workflow, pytest.mark.vllm]

# The default study with one block, two levels and fewer requests.
SMALL = {
    "title": "A small study on real vLLM",
    "design": {"blocks": 1, "levels": [1, 2]},
    "workload": {
        "input_tokens": 32,
        "output_tokens": 8,
        "requests": {"minimum": 8, "per_level": 4},
    },
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The study's folder and Snakemake's output. The one-armed models are left out to save time."""
    assert (ROOT / ".venv-vllm" / "bin" / "python").exists(), "run `make setup` first"
    folder = tmp_path_factory.mktemp("vllm")
    default = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    for part, value in SMALL.items():
        default[part] = default[part] | value if isinstance(value, dict) else value
    default["models"] = {
        name: default["models"][name] for name in ("llama-mini", "deepseek-sparse-mini")
    }
    # The trap: a CPU starts on CPU_ATTN instead, and says so with one INFO line. No expression asks for proof.
    default["factor"]["arms"]["triton"] = {"args": {"attention-backend": "TRITON_ATTN"}}
    # One probe of the model that cannot run.
    default["models"]["deepseek-sparse-mini"] = {"arms": ["on"]}
    (folder / "study.yaml").write_text(yaml.safe_dump(default))
    files = [
        "-s",
        str(ROOT / "Snakefile"),
        "-d",
        str(folder),
        "--configfile",
        str(folder / "study.yaml"),
    ]
    done = subprocess.run(
        [str(SNAKEMAKE), "--cores", "1", "report", "probe", *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ | {HOST_LOCK: str(folder / "host.lock")},
    )
    assert done.returncode == 0, done.stdout
    return folder / "results" / "default", done.stdout


def test_every_run_is_there_and_exact(finished):
    results, _ = finished
    runs = pd.read_parquet(results / "aggregate" / "runs.parquet")
    assert (runs["arm"] == "triton").sum() == 2
    runs = runs[runs["arm"] != "triton"]
    assert sorted(zip(runs["arm"], runs["concurrency"], strict=True)) == [
        ("off", 1), ("off", 2), ("on", 1), ("on", 2),
    ]  # fmt: skip
    assert (runs["failed_requests"] == 0).all()
    assert (runs["output_throughput_tok_s"] > 0).all()
    for path in (results / "runs").rglob("*.parquet"):
        rows, metadata = read_run_parquet(path)
        frame = rows.to_pandas()
        assert (frame["prompt_tokens"] == 32).all()
        assert (frame["output_tokens"] == 8).all()
        assert (frame["ttft_s"] > 0).all()
        assert metadata["provenance"]["versions"]["server"] == "0.32.0"


def test_the_answers_of_both_arms_are_the_same(finished):
    results, _ = finished
    table = pd.read_parquet(results / "statistics" / "accuracy.parquet")
    assert set(table["model"]) == {"llama-mini"}
    # An arm whose treatment did not happen has shown nothing of its answers.
    trap = table["arm"] == "triton"
    assert set(table.loc[trap, "verdict"]) == {"not observed"}
    table = table[~trap]
    assert set(table["verdict"]) == {"same"}
    assert (table["prompts"] == 16).all()
    # Other kernels round otherwise, but not by much: not the very same, and far from the limit.
    assert (table["max"] > 0).all()
    assert (table["median"] < table["limit_median"] / 3).all()


def test_the_treatment_is_proven_from_the_servers_log(finished):
    results, _ = finished
    for arm, isa in (("off", r"isa:Intel AVX$"), ("on", r"isa:Intel AVX(2|-512|10)")):
        evidence = json.loads(
            (results / "sessions" / "llama-mini" / arm / "block-1.json").read_text()
        )
        treatment = evidence["launches"][-1]["treatment"]
        assert treatment["passed"] is True
        assert re.search(isa, treatment["text"])
        assert evidence["launches"][-1]["exit"]["how"] == "stopped by the session"


def test_a_treatment_that_did_not_happen_fails_its_gate(finished):
    results, _ = finished
    runs = pd.read_parquet(results / "aggregate" / "runs.parquet")
    triton = runs[runs["arm"] == "triton"]
    assert not triton["usable"].any()
    assert all("treatment" in gates for gates in triton["gates_failed"])
    session = json.loads(
        (results / "sessions" / "llama-mini" / "triton" / "block-1.json").read_text()
    )
    launch = session["launches"][-1]
    assert launch["evidence"]["backends"]["attention"] == ["CPU_ATTN"]
    assert "cannot use TRITON_ATTN here; CPU_ATTN was used instead" in launch["treatment"]["text"]
    assert launch["failure"] is None


def test_a_probe_of_what_cannot_run(finished):
    results, output = finished
    probe = json.loads((results / "probes" / "deepseek-sparse-mini" / "on.json").read_text())
    assert probe["failure"]["id"] == "sparse-attention-unsupported"
    assert probe["stage"] == "weights"
    assert (probe["outcome"], probe["stale"]) == ("failed", False)
    assert "died while loading the weights: sparse attention unsupported" in output


def test_the_report_says_what_could_not_run_and_why(finished):
    results, output = finished
    assert "report: results/default/report/report.html" in output
    text = (results / "report" / "report.html").read_text()
    assert "Sparse Attention is not supported on CPU" in text
    assert "SIMULATED" not in text
