"""The closed loop against the reference server: what it sends, what it keeps, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ablation.client import CLIENT_VERSION
from ablation.client.load import LoadError, Progress, ServerDied, drive
from tests.reference_server import ENV, measured, serving, spec, stored


@pytest.mark.parametrize("workers", [1, 3])
def test_a_level_is_driven_as_asked(tmp_path: Path, workers: int) -> None:
    with serving("--itl-ms", "5") as server:
        record, rows = measured(server, tmp_path, workers=workers, ramp_s=0.02)
        truth = server.truth()
    assert rows["request"].to_pylist() == list(range(40))
    assert rows["error_class"].null_count == 40
    assert set(rows["output_tokens"].to_pylist()) == {8}
    assert set(rows["prompt_tokens"].to_pylist()) == {16}
    assert set(rows["worker"].to_pylist()) == set(range(workers))
    assert truth["peak_active"] == 4
    assert len(truth["streams"]) == 48
    assert record.warmup["requests"] == 8
    counters = record.server_counters
    assert counters["before"]["generation_tokens"] == 64
    assert counters["after"]["generation_tokens"] == 64 + 320
    assert record.client["connections_reopened"] == 0
    assert record.client["versions"]["client"] == str(CLIENT_VERSION)
    assert len(record.client["workers"]) == workers
    assert not list(tmp_path.glob("load-*"))


def test_requests_are_scheduled_sent_and_answered_in_that_order(tmp_path: Path) -> None:
    with serving() as server:
        _, rows = measured(server, tmp_path)
    for row in rows.to_pylist():
        assert row["scheduled_s"] <= row["sent_s"] <= row["first_byte_s"] <= row["first_token_s"]
        assert row["first_token_s"] <= row["event_s"][-1] <= row["ended_s"]
        assert row["event_s"] == sorted(row["event_s"])
        assert row["events"] == len(row["event_s"]) == 8
    assert min(rows["sent_s"].to_pylist()) == 0


def test_progress_is_told(tmp_path: Path) -> None:
    seen: list[Progress] = []
    with serving("--itl-ms", "40") as server:
        load = spec(server, requests=12)
        drive(load, server_alive=server.alive, on_progress=seen.append, scratch=tmp_path).discard()
    assert {p.phase for p in seen} == {"warmup", "data"}
    last = seen[-1]
    assert (last.total, last.failed) == (12, 0)
    assert last.in_flight <= 4
    assert last.done <= 12


def test_too_few_requests_are_refused() -> None:
    with serving() as server, pytest.raises(LoadError, match="ask for at least 12"):
        spec(server, requests=3)


def test_nobody_listens(tmp_path: Path) -> None:
    with serving() as server:
        server.process.kill()
        server.process.wait()
        with pytest.raises(LoadError, match="no connection"):
            drive(spec(server), server_alive=lambda: True, scratch=tmp_path)
        with pytest.raises(LoadError, match="ended before the load"):
            drive(spec(server), server_alive=lambda: False, scratch=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_useless_warm_up_ends_the_level(tmp_path: Path) -> None:
    with serving("--fault", "status:1") as server, pytest.raises(LoadError, match="HTTP 500"):
        drive(spec(server), server_alive=server.alive, scratch=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("after", [4, 20])
def test_a_dying_server_ends_the_level_at_once_and_leaves_its_evidence(
    tmp_path: Path, after: int
) -> None:
    with serving("--itl-ms", "20", "--fault", f"death:{after}") as server:
        load = spec(server, requests=400)
        with pytest.raises(ServerDied) as caught:
            drive(load, server_alive=server.alive, scratch=tmp_path)
    _, rows = stored(caught.value.record, tmp_path, 4)
    if after == 4:  # in the warm-up
        assert len(rows) == 0
        return
    classes = rows["error_class"].to_pylist()
    assert 0 < len(classes) < 40
    assert set(classes) == {None, "server_death"}
    cut = rows.to_pylist()[-1]
    assert cut["events"] > 0  # what had come of the last requests is kept


def test_a_server_that_fails_every_request_does_not_cost_them_all(tmp_path: Path) -> None:
    with serving("--fault", "refuse:9") as server:  # the first of the data
        _, rows = measured(server, tmp_path, requests=400, max_failures=6, timeout_s=5)
    assert 3 < rows["error_class"].to_pylist().count("refused") < 20


def children_gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 10
    while any(psutil.pid_exists(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(psutil.pid_exists(pid) for pid in pids)


DRIVER = """
import signal, sys
from pathlib import Path
from tests.reference_server import Served, spec
from ablation.client.load import drive

def end(*_):
    raise SystemExit(7)

signal.signal(signal.SIGTERM, end)
load = spec(Served(None, sys.argv[1]), requests=4000, concurrency=4, workers=2)
drive(load, server_alive=lambda: True, scratch=Path(sys.argv[2]),
      on_progress=lambda p: print(p.phase, flush=True))
"""


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("phase", ["warmup", "data"])
def test_no_worker_outlives_its_parent(tmp_path: Path, sent: signal.Signals, phase: str) -> None:
    root = Path(__file__).parents[2]
    with serving("--itl-ms", "100") as server:
        command = [sys.executable, "-c", DRIVER, server.url, str(tmp_path)]
        env = ENV | {"PYTHONPATH": f"{ENV['PYTHONPATH']}{os.pathsep}{root}"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as parent:
            assert parent.stdout is not None
            while phase not in parent.stdout.readline():
                assert parent.poll() is None
            workers = [child.pid for child in psutil.Process(parent.pid).children()]
            assert len(workers) == 2
            parent.send_signal(sent)
            code = parent.wait(10)
            assert children_gone(workers)
    if sent == signal.SIGTERM:
        assert code == 7
        assert not list(tmp_path.iterdir())


def test_a_worker_that_dies_is_no_result(tmp_path: Path) -> None:
    killed: list[psutil.Process] = []

    def kill_one(_: Progress) -> None:
        if not killed:
            children = psutil.Process().children()
            killed.append(next(c for c in children if "ablation.client.worker" in c.cmdline()))
            killed[0].kill()

    with serving("--itl-ms", "50") as server:
        load = spec(server, requests=200, workers=2)
        with pytest.raises(LoadError, match="ended by itself"):
            drive(load, server_alive=server.alive, on_progress=kill_one, scratch=tmp_path)
    assert not list(tmp_path.iterdir())
