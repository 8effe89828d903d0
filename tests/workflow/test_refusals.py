"""What cannot be is refused, in one message, before a server starts."""

import re
import socket
import subprocess
import sys

import pandas as pd
import pytest

from tests.workflow.conftest import ROOT, SNAKEMAKE, jobs

pytestmark = pytest.mark.workflow

FULL = ["--configfile", "config/studies/aiter-mi325x.yaml"]


def snakemake(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(SNAKEMAKE), "--cores", "1", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_the_full_study_schedules_exactly_the_valid_configurations():
    output = snakemake("-n", "-F", "report", *FULL).stdout
    counts = jobs(output)
    assert counts["session"] == 30
    assert counts["run"] == 210
    sessions = re.findall(
        r"output: results/aiter-mi325x/sessions/([^/]+)/([^/]+)/block-\d+\.json", output
    )
    assert {cell: sessions.count(cell) for cell in set(sessions)} == {
        ("llama-3.1-405b", "off"): 6,
        ("llama-3.1-405b", "on"): 6,
        ("deepseek-v3.2", "on"): 6,
        ("kimi-k2.5", "off"): 6,
        ("qwen3-vl-235b", "off"): 6,
    }


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            "sessions/deepseek-v3.2/off/block-1.json",
            [
                "deepseek-v3.2 cannot run with aiter 'off' (required)",
                "sparse attention indexer",
                "source: vLLM",
            ],
        ),
        (
            "runs/deepseek-v3.2/off/block-1/concurrency-1.parquet",
            ["deepseek-v3.2 cannot run with aiter 'off' (required)", "source: vLLM"],
        ),
        (
            "sessions/kimi-k2.5/on/block-1.json",
            [
                "kimi-k2.5 cannot run with aiter 'on' (incompatible)",
                "145.27 GiB",
                "source: AITER Ablation Study",
            ],
        ),
        ("sessions/llama-3.1-405b/on/block-7.json", ["no block '7'", "it has 1 to 6"]),
        ("runs/llama-3.1-405b/on/block-1/concurrency-3.parquet", ["no level '3'", "[1, 5, 10"]),
        (
            "figures/timeline/llama-3.1-405b/on/block-9/concurrency-10.svg",
            ["no block '9'", "1 to 6"],
        ),
        ("sessions/llama-4/on/block-1.json", ["llama-4: no such model", "kimi-k2.5"]),
        ("sessions/kimi-k2.5/maybe/block-1.json", ["maybe: no such arm of factor aiter"]),
    ],
)
def test_an_impossible_target_says_why(target, words):
    done = snakemake("-n", f"results/aiter-mi325x/{target}", *FULL)
    assert done.returncode != 0
    assert "MissingRuleException" not in done.stdout
    for word in words:
        assert word in done.stdout


def test_plan_prints_the_full_study_and_writes_it(tmp_path):
    done = subprocess.run(
        [str(SNAKEMAKE), "plan", "-s", str(ROOT / "Snakefile"), "-d", str(tmp_path), "--cores", "1",
         "--configfile", str(ROOT / FULL[1])],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "30 sessions" in done.stdout
    assert "178.7 GPU-hours" in done.stdout
    assert (tmp_path / "results" / "aiter-mi325x" / "plan.json").is_file()


def test_an_overlay_without_a_study_is_laid_over_the_default(tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("design: {blocks: 7}\n")
    counts = jobs(snakemake("-n", "-F", "report", "--configfile", str(overlay)).stdout)
    assert counts["session"] == 18


def test_a_key_that_stands_twice_is_refused_though_snakemake_takes_the_second(tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("design: {blocks: 7}\nseed: 3\ndesign: {levels: [1]}\n")
    done = snakemake("-n", "report", "--configfile", str(overlay))
    assert done.returncode != 0
    assert "overlay.yaml, line 3: the key design stands twice, in lines 1 and 3" in done.stdout


def test_a_script_gets_what_was_written_and_not_what_snakemake_read(tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("server: {env: {OMP_NUM_THREADS: 010}}\n")
    done = subprocess.run(
        [str(SNAKEMAKE), "plan", "-s", str(ROOT / "Snakefile"), "-d", str(tmp_path), "--cores", "1",
         "--configfile", str(overlay), "--config", "seed=4"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "OMP_NUM_THREADS=010" in done.stdout


def nothing_was_written(workspace) -> bool:
    files = [
        path.relative_to(workspace.folder)
        for path in workspace.results.rglob("*")
        if path.is_file()
    ]
    return all(path.name in ("plan.json", "plan.txt", "preflight.json") for path in files)


def test_a_typo_in_a_field(workspace):
    workspace.study["design"]["block"] = 3
    output = workspace.run("--cores", "1", "report", ok=False)
    assert "study.yaml: design.block: unknown field; did you mean 'blocks'?" in output
    assert not workspace.results.exists()


@pytest.fixture
def fake_vllm(workspace, tmp_path):
    """A Python that has vLLM 0.32.0 by its files; the server itself dies at start-up."""
    package = tmp_path / "site" / "vllm"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "_version.py").write_text("__version__ = '0.32.0'\n")
    (package / "envs.py").write_text('environment_variables = {"VLLM_ROCM_USE_AITER": lambda: 1}\n')
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\n"
        'case "$1" in -m) echo "ValueError: No available memory for the cache blocks."; exit 1;; esac\n'
        f'PYTHONPATH={tmp_path}/site exec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    workspace.study["server"] = {"python": str(python), "vllm": "0.32.0"}
    workspace.study["factor"]["arms"] = {"slow": {}, "fast": {"env": {"VLLM_ROCM_USE_AITER": 1}}}
    workspace.study["models"] = {"toy": {"path": str(model), "vocabulary": 100}}
    return workspace


def test_an_unknown_vllm_variable(fake_vllm):
    fake_vllm.study["factor"]["arms"]["fast"]["env"] = {"VLLM_ROCM_USE_AITTER": 1}
    output = fake_vllm.run("--cores", "1", "report", ok=False)
    assert (
        "factor.arms.fast.env: VLLM_ROCM_USE_AITTER: vLLM 0.32.0 does not know this variable"
        in output
    )
    assert "did you mean VLLM_ROCM_USE_AITER?" in output
    assert "Traceback" not in output
    assert nothing_was_written(fake_vllm)


PARSER = """
def make_arg_parser(parser):
    parser.add_argument("model_tag", nargs="?")
    for name in ("--model", "--served-model-name", "--host", "--port"):
        parser.add_argument(name)
    parser.add_argument("--disable-uvicorn-access-log", action="store_true")
    parser.add_argument("--max-model-len", type=int)
    return parser
"""


def test_an_unknown_server_argument(fake_vllm, tmp_path):
    """The parser stands for vLLM's own; tests/session/test_arguments.py asks the real one."""
    for folder, name, text in (
        (
            "utils",
            "argparse_utils",
            "from argparse import ArgumentParser as FlexibleArgumentParser",
        ),
        ("entrypoints/openai", "cli_args", PARSER),
    ):
        place = tmp_path / "site" / "vllm" / folder
        place.mkdir(parents=True)
        (place / f"{name}.py").write_text(text)
    fake_vllm.study["server"]["args"] = {"max-model-len": "long"}
    fake_vllm.study["factor"]["arms"]["fast"]["args"] = {"max-modle-len": 8}
    output = fake_vllm.run("--cores", "1", "report", ok=False)
    assert "server.args.max-model-len: 'long': vLLM 0.32.0: invalid int value: 'long'" in output
    assert (
        "factor.arms.fast.args.max-modle-len: 8: vLLM 0.32.0: unknown argument; did you mean 'max-model-len'?"
        in output
    )
    assert "Traceback" not in output
    assert nothing_was_written(fake_vllm)


def test_a_missing_model_folder(fake_vllm):
    fake_vllm.study["models"]["toy"]["path"] = "/models/none"
    output = fake_vllm.run("--cores", "1", "report", ok=False)
    assert "models.toy.path: /models/none: no config.json there" in output
    assert nothing_was_written(fake_vllm)


def test_another_version_of_vllm(fake_vllm):
    fake_vllm.study["server"]["vllm"] = "0.33.0"
    output = fake_vllm.run("--cores", "1", "report", ok=False)
    assert "the study is for vLLM 0.33.0" in output
    assert nothing_was_written(fake_vllm)


def test_a_port_in_use(fake_vllm):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        fake_vllm.study["server"]["port"] = other.getsockname()[1]
        output = fake_vllm.run("--cores", "1", "report", ok=False)
    assert f"server.port: {fake_vllm.study['server']['port']} on 127.0.0.1 is in use" in output
    assert nothing_was_written(fake_vllm)


def test_a_server_that_dies_at_start_up(fake_vllm):
    fake_vllm.study["design"] = {"blocks": 1, "levels": [1]}
    output = fake_vllm.run("--cores", "1", "report", ok=False)
    # This vLLM has no parser to ask: that is said, and refuses nothing.
    assert "server.args: the arguments were not checked before the launch" in output
    assert "outcome: 2 launches failed; everything else is in results/small/report." in output
    assert "toy/slow/block-1: too little memory for the KV cache: " in output
    assert "Traceback" not in output
    # The other arm was tried too, and both left their evidence; the report is there, and says so first.
    launches = fake_vllm.launches()
    assert len(launches) == 2
    assert all("No available memory" in (folder / "server.log").read_text() for folder in launches)
    assert not fake_vllm.measured()
    report = (fake_vllm.results / "report" / "report.md").read_text()
    assert "1 of 1 launches failed (block 1): too little memory for the KV cache" in report
    assert report.index("launches failed") < report.index("planned runs are here")
    runs = pd.read_parquet(fake_vllm.results / "aggregate" / "runs.parquet")
    assert not runs["usable"].any()
    assert runs["output_throughput_tok_s"].isna().all()
