"""A whole study on the reference server, from plan to report, and what later edits cost."""

import json
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.figures.registry import FIGURES
from ablation.run.schema import read_run_parquet
from ablation.statistics.paired import holm
from tests.workflow.conftest import Workspace, checksums, jobs

pytestmark = pytest.mark.workflow

SESSIONS = 7  # toy: 2 arms x 3 blocks; fixed: 1 arm x 1 block
LEVELS = 2
TABLE = "results/small/aggregate/runs.parquet"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Workspace, str]:
    folder = tmp_path_factory.mktemp("study")
    workspace = Workspace(folder / "here", folder / "host.lock")
    return workspace, workspace.run("--cores", "2", "report")


def test_from_plan_to_report(finished):
    workspace, output = finished
    assert jobs(output)["session"] == SESSIONS
    assert jobs(output)["run"] == SESSIONS * LEVELS
    assert "report: results/small/report/report.html" in output
    assert len(workspace.launches()) == SESSIONS
    assert not workspace.processes()
    tidy = pd.read_csv(workspace.results / "report" / "tidy.csv")
    assert tidy["simulated"].all()
    assert (tidy.groupby("metric").size() <= SESSIONS * LEVELS).all()


def test_progress_is_shown(finished):
    _, output = finished
    assert "[1/7, about " in output
    assert f"[{SESSIONS}/7, about " in output
    assert "level 4: 8 warm-up and 16 requests" in output


def test_sessions_ran_in_the_order_of_the_plan(finished):
    workspace, _ = finished
    runs = pd.read_parquet(workspace.results / "aggregate" / "runs.parquet").sort_values(
        "started_at"
    )
    assert runs["rank"].is_monotonic_increasing
    assert runs["usable"].all(), runs[["gates_failed", "gate_texts"]]


def test_every_number_is_read_back_from_the_runs(finished):
    workspace, _ = finished
    runs = pd.read_parquet(workspace.results / "aggregate" / "runs.parquet").set_index("run_hash")
    for path in workspace.runs():
        rows, metadata = read_run_parquet(path)
        frame = rows.to_pandas()
        row = runs.loc[metadata["run_hash"]]
        window = [metadata["summary"][f"window_{end}_s"] for end in ("start", "end")]
        assert row["requests"] == len(frame)
        assert row["ttft_mean_s"] == pytest.approx(
            frame.loc[frame["first_token_s"].between(*window), "ttft_s"].mean()
        )
        assert (frame["output_tokens"] == 8).all()
        assert metadata["provenance"]["command"]


def test_the_verdict_and_the_word_simulated(finished):
    workspace, _ = finished
    comparisons = pd.read_parquet(workspace.results / "statistics" / "comparisons.parquet")
    throughput = comparisons[comparisons["metric"] == "output_throughput_tok_s"]
    runs = pd.read_parquet(workspace.results / "aggregate" / "runs.parquet")
    by_block = runs[runs["model"] == "toy"].pivot(
        index="block", columns=["concurrency", "arm"], values="output_throughput_tok_s"
    )
    # How sure three pairs can be is the machine's affair: the verdict is the one that these runs give.
    tests = {
        level: stats.ttest_rel(np.log(by_block[level, "fast"]), np.log(by_block[level, "slow"]))
        for level in (1, 4)
    }
    bounds = holm(np.array([test.pvalue for test in tests.values()]))
    for (level, test), bound in zip(tests.items(), bounds, strict=True):
        (row,) = throughput[throughput["concurrency"] == level].to_dict("records")
        assert row["p"] == pytest.approx(test.pvalue)
        assert row["ratio"] > 1
        assert test.pvalue - 1e-9 <= row["p_adjusted"] <= bound + 1e-9
        assert row["verdict"] == ("faster" if row["p_adjusted"] < 0.05 else "inconclusive")
    for name in ("report.html", "report.md"):
        text = (workspace.results / "report" / name).read_text()
        assert "SIMULATED" in text
        assert "It has no kernel without the treatment." in text


def test_snakemakes_own_report_needs_no_network(finished, monkeypatch):
    workspace, _ = finished
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setitem(workspace.environment, name, "http://127.0.0.1:9")  # nobody listens
    workspace.run("--report", "out.zip", "report")
    with zipfile.ZipFile(workspace.folder / "out.zip") as archive:
        names = {name.rsplit("/", 1)[1] for name in archive.namelist()}
        page = archive.read("out/report.html").decode()
    assert {"report.html", "difference.svg", "throughput.svg"} <= names
    for words in ("Difference from the baseline", "paired by block, with intervals", "small"):
        assert words in page
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']?https?:", page)


def test_a_faster_arm_that_is_wrong_is_said_to_be(finished):
    workspace, _ = finished
    table = pd.read_parquet(workspace.results / "statistics" / "accuracy.parquet")
    assert list(table["phase"]) == ["prefill", "decode"]
    assert set(table["verdict"]) == {"different"}
    assert set(table["n_arm"]) == set(table["n_baseline"]) == {3}
    answers = list((workspace.results / "store").glob("launch-*/accuracy.parquet"))
    assert len(answers) == SESSIONS
    text = (workspace.results / "report" / "report.md").read_text()
    comparisons = pd.read_parquet(workspace.results / "statistics" / "comparisons.parquet")
    throughput = comparisons[comparisons["metric"] == "output_throughput_tok_s"]
    faster = "faster" in set(throughput["verdict"])
    who = "fast is faster, but its answers" if faster else "the answers of fast"
    assert f"{who} differ from those of slow" in text
    assert "Its answers differ from the baseline's." in text


def test_again_there_is_nothing_to_do(finished):
    workspace, _ = finished
    assert jobs(workspace.run("--cores", "2", "report")) == {}


def test_one_figure_alone(finished):
    workspace, _ = finished
    figure = workspace.results / "figures" / "throughput.svg"
    before = figure.read_bytes()
    figure.unlink()
    assert jobs(workspace.run("--cores", "1", "results/small/figures/throughput.svg")) == {
        "throughput_figure": 1
    }
    assert figure.read_bytes() == before
    assert len(workspace.launches()) == SESSIONS


def test_every_figure_alone_gives_the_same_bytes(finished):
    workspace, _ = finished
    before = checksums(sorted((workspace.results / "figures").glob("*.*g")))
    assert len(before) == 2 * len(FIGURES)
    timeline = "figures/timeline/toy/fast/block-2/concurrency-4.svg"
    counts = jobs(
        workspace.run(
            "--cores", "1", "figures", f"results/small/{timeline}", "--forcerun",
            *(f"{name}_figure" for name in ("latency", "timeline", "startup")),
        )
    )  # fmt: skip
    assert {name for name in counts if name.endswith("_figure")} >= {
        "latency_figure",
        "startup_figure",
    }
    assert counts["timeline_of_run"] == 1
    assert checksums(sorted((workspace.results / "figures").glob("*.*g"))) == before
    assert "SIMULATED" in (workspace.results / timeline).read_text()


def test_editing_a_gate_measures_nothing(finished):
    workspace, _ = finished
    measured, launches = workspace.measured(), workspace.launches()
    workspace.study["gates"]["failed_max"] = 0.5
    counts = jobs(workspace.run("--cores", "2", "report"))
    assert "session" not in counts
    assert counts["run"] == SESSIONS * LEVELS
    assert counts["write_report"] == 1
    assert workspace.launches() == launches
    assert workspace.measured() == measured


def test_other_accuracy_settings_measure_nothing(finished):
    workspace, _ = finished
    measured, launches = workspace.measured(), workspace.launches()
    workspace.study["accuracy"] = {"median_floor": 5, "p95_floor": 5, "prompts": 8}
    counts = jobs(workspace.run("--cores", "2", "report"))
    assert "session" not in counts
    assert "run" not in counts
    assert counts["accuracy"] == counts["write_report"] == 1
    assert workspace.launches() == launches
    assert workspace.measured() == measured
    table = pd.read_parquet(workspace.results / "statistics" / "accuracy.parquet")
    assert set(table["verdict"]) == {"same"}


def test_editing_the_workload_measures_anew_and_back_costs_nothing(finished):
    workspace, _ = finished
    measured, runs = workspace.measured(), checksums(workspace.runs())
    workspace.study["workload"]["output_tokens"] = 6
    assert jobs(workspace.run("--cores", "2", TABLE))["session"] == SESSIONS
    assert len(workspace.launches()) == 2 * SESSIONS
    assert measured.items() < workspace.measured().items()
    assert checksums(workspace.runs()) != runs
    workspace.study["workload"]["output_tokens"] = 8
    workspace.run("--cores", "2", TABLE)
    assert len(workspace.launches()) == 2 * SESSIONS
    assert checksums(workspace.runs()) == runs


def test_measuring_one_run_again(finished):
    """The README's recipe: move the record away, force its sitting: both arms, unless the arm is the block's last."""
    workspace, _ = finished
    sitting = workspace.results / "sittings/toy/block-2.json"
    last = json.loads(sitting.read_text())["order"][-1] == "fast"
    _, metadata = read_run_parquet(
        workspace.results / "runs/toy/fast/block-2/concurrency-4.parquet"
    )
    record = workspace.results / "store" / metadata["record"]
    record.rename(workspace.folder / "old-record")
    before, launches = workspace.measured(), len(workspace.launches())
    workspace.run("--cores", "2", TABLE, "--forcerun", str(sitting.relative_to(workspace.folder)))
    assert len(workspace.launches()) == launches + (1 if last else 2)
    assert (record / "run.json").is_file()
    assert before.items() < workspace.measured().items()
