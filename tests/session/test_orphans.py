"""What a killed guard leaves behind is ended by the next holder of the lock; strangers are not touched."""

import os
import subprocess
import sys
import time

import psutil

from ablation.session.orphans import end_orphans, mark, orphans
from tests.workflow.conftest import wait_for

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_processes_of_an_earlier_launch_are_ended_and_strangers_live(tmp_path):
    lock, other = tmp_path / "host.lock", tmp_path / "another.lock"
    stubborn = [
        sys.executable,
        "-c",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
    ]
    left = subprocess.Popen(SLEEP, env=os.environ | mark(lock, "launch-1"), start_new_session=True)
    hard = subprocess.Popen(
        stubborn,
        env=os.environ | mark(lock, "launch-1"),
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert hard.stdout is not None
    hard.stdout.readline()
    strangers = [
        subprocess.Popen(SLEEP),
        subprocess.Popen(SLEEP, env=os.environ | mark(other, "launch-2")),
    ]
    try:
        wait_for(lambda: len(orphans(lock)) == 2, 10, "both")
        said: list[str] = []
        assert set(end_orphans(lock, said.append)) == {left.pid, hard.pid}
        assert "2 process(es) that an earlier launch left behind" in said[0]
        assert left.poll() is not None
        assert hard.poll() is not None
        assert all(stranger.poll() is None for stranger in strangers)
        assert end_orphans(lock, said.append) == []
    finally:
        for process in (left, hard, *strangers):
            process.kill()
            process.wait()
        hard.stdout.close()


def test_a_server_whose_guard_was_killed_is_found(make_server, tmp_path):
    lock = tmp_path / "host.lock"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    # A child that outlives the server's first process, as vLLM's engine does.
    child = f"import subprocess, sys, time; subprocess.Popen({SLEEP!r}, start_new_session=True); time.sleep(60)"
    server = make_server("-c", child, env=env | mark(lock, "launch-1"))
    with server:
        wait_for(lambda: len(orphans(lock)) >= 3, 10, "guard, server and child")
        guard = psutil.Process(server.pid).parent()
        for process in (guard, psutil.Process(server.pid)):
            process.kill()
        time.sleep(0.2)
        assert orphans(lock)
        end_orphans(lock, lambda _: None)
        wait_for(lambda: not orphans(lock), 10, "the end of all")
