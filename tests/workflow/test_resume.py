"""Kills, resumes and neighbours."""

import contextlib
import os
import signal
import subprocess
import time

import pandas as pd
import pytest

from tests.workflow.conftest import Workspace, checksums, wait_for

pytestmark = pytest.mark.workflow

# All that is measured, without the figures and reports that other tests look at.
TABLE = "results/small/aggregate/runs.parquet"


def test_kill_in_the_middle_of_a_level_then_the_same_command(workspace, tmp_path):
    # Slow enough to be caught in the second level of a session, after one session is finished.
    workspace.study["server"]["args"] = {"ttft-ms": 20, "itl-ms": 10}
    store = workspace.results / "store"
    log = tmp_path / "first.log"
    snakemake = workspace.start("--cores", "2", TABLE, log=log)
    try:
        wait_for(lambda: len(list(store.glob("[0-9a-f]*/run.json"))) == 3, 90, "the third record")
        wait_for(workspace.processes, what="a server")
        time.sleep(0.2)
    finally:
        snakemake.send_signal(signal.SIGKILL)
        snakemake.wait()
    wait_for(lambda: not workspace.processes(), 10, "the end of every server and client")
    measured, launches = workspace.measured(), len(workspace.launches())
    assert not list(store.glob(".partial*"))

    output = workspace.run("--cores", "2", TABLE)
    assert "unlock" not in output.lower()
    assert measured.items() < workspace.measured().items()
    assert len(workspace.measured()) == 3 * 14
    # One launch for what the kill cut short, one for each session not begun: none for the finished one.
    assert len(workspace.launches()) == launches + 6


def test_a_finished_run_is_not_touched_by_a_resume(workspace, tmp_path):
    first = [
        f"results/small/runs/toy/{arm}/block-1/concurrency-1.parquet" for arm in ("slow", "fast")
    ]
    workspace.run("--cores", "1", *first)
    runs, measured = checksums(workspace.runs()), workspace.measured()
    times = {path: path.stat().st_mtime_ns for path in workspace.runs()}
    workspace.run("--cores", "2", TABLE)
    assert runs.items() < checksums(workspace.runs()).items()
    assert measured.items() < workspace.measured().items()
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in times.items())


def test_interrupting_ends_the_servers(workspace, tmp_path):
    workspace.study["server"]["args"] = {"ttft-ms": 20, "itl-ms": 10}
    workspace.study["design"]["blocks"] = 1
    snakemake = workspace.start("--cores", "2", TABLE, log=tmp_path / "log")
    wait_for(
        lambda: list((workspace.results / "store").glob("[0-9a-f]*/run.json")),
        90,
        "the first record",
    )
    # As a terminal does: Snakemake and its jobs get Ctrl-C; a job about to start gets the next.
    for _ in range(12):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(snakemake.pid, signal.SIGINT)
            snakemake.wait(10)
            break
    assert snakemake.poll() is not None
    wait_for(lambda: not workspace.processes(), 10, "the end of every server and client")
    measured = workspace.measured()
    workspace.run("--cores", "2", TABLE)
    assert measured.items() < workspace.measured().items()


def test_sessions_of_two_folders_never_overlap(tmp_path):
    both = [Workspace(tmp_path / name, tmp_path / "host.lock") for name in ("one", "two")]
    running = [w.start("--cores", "4", TABLE, log=tmp_path / f"{w.folder.name}.log") for w in both]
    assert [process.wait(300) for process in running] == [0, 0], (tmp_path / "one.log").read_text()
    frames = []
    for workspace in both:
        runs = pd.read_parquet(workspace.results / "aggregate" / "runs.parquet")
        frames.append(runs.assign(folder=workspace.folder.name))
    runs = pd.concat(frames)
    spans = runs.groupby(["folder", "launch_id"]).agg(
        begin=("started_at", "min"), end=("ended_at", "max")
    )
    spans = spans.sort_values("begin")
    assert len(spans) == 14
    assert (spans["begin"].to_numpy()[1:] >= spans["end"].to_numpy()[:-1]).all()
    # Each waited for the other: the folders take turns rather than one after the other.
    assert "waiting for this host, in use by small:" in "".join(
        (tmp_path / f"{name}.log").read_text() for name in ("one", "two")
    )


def test_a_second_snakemake_in_the_same_folder_is_refused(workspace, tmp_path):
    first = workspace.start("--cores", "2", TABLE, log=tmp_path / "log")
    wait_for(
        lambda: workspace.launches() if workspace.results.exists() else None, 60, "the first launch"
    )
    assert "another Snakemake is at work in this folder" in workspace.run(
        "--cores", "2", TABLE, ok=False
    )
    first.send_signal(signal.SIGKILL)
    first.wait()
    wait_for(lambda: not workspace.processes(), 10, "the end of every server and client")
    # Its lock died with it.
    workspace.run("--cores", "1", "results/small/plan.json")
