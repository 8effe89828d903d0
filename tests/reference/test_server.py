"""The reference server: it keeps its schedule, knows its truth, and fails as told."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ablation.client.load import ServerDied, drive
from ablation.client.workload import Image, Workload, fixed
from ablation.reference.plan import FAULTS, Fault
from ablation.run.gates import judge
from ablation.run.metrics import mark_window, summarise
from tests.reference_server import ENV, measured, serving, spec, stored

EXPECTED = {
    "reset": "reset",
    "close": "reset",
    "hang": "timeout",
    "status": "http_status",
    "not_http": "malformed_event",
    "malformed": "malformed_event",
    "not_utf8": "malformed_event",
    "no_usage": "malformed_event",
    "error_event": "error_event",
    "short": "short_output",
    "long": "long_output",
    "huge": None,
    "cut": None,
}


@pytest.mark.parametrize(("fault", "leaf"), EXPECTED.items())
def test_each_fault_lands_in_its_class(tmp_path: Path, fault: str, leaf: str | None) -> None:
    with serving("--fault", f"{fault}:10") as server:
        _, rows = measured(server, tmp_path, timeout_s=1.0)
    classes = Counter(rows["error_class"].to_pylist())
    assert classes == (Counter({None: 36, leaf: 4}) if leaf else Counter({None: 40}))
    for row in rows.to_pylist():
        assert (row["error_text"] is None) == (row["error_class"] is None)
        if row["error_class"] not in ("http_status", "malformed_event"):
            assert row["events"] >= 4  # what came before the fault is kept


def test_a_server_that_no_longer_listens_refuses(tmp_path: Path) -> None:
    with serving("--fault", "refuse:30") as server:
        _, rows = measured(server, tmp_path, max_failures=5)
    assert "refused" in rows["error_class"].to_pylist()


def test_a_server_that_dies_is_classified(tmp_path: Path) -> None:
    with serving("--itl-ms", "20", "--fault", "death:20") as server:
        with pytest.raises(ServerDied) as caught:
            drive(spec(server), server_alive=server.alive, scratch=tmp_path)
    _, rows = stored(caught.value.record, tmp_path, 4)
    assert set(rows["error_class"].to_pylist()) == {None, "server_death"}


def test_every_fault_is_tried_here() -> None:
    assert EXPECTED.keys() | {"refuse", "death"} == FAULTS.keys()


@pytest.mark.parametrize(
    "work",
    [
        {"route": "chat"},
        {"route": "chat", "image": Image(16, 16)},
        {"event_usage": True},
        {"route": "chat", "event_usage": True},
    ],
)
def test_routes(tmp_path: Path, work: dict[str, Any]) -> None:
    with serving("--tokens-per-event", "3") as server:
        workload = Workload("reference", isl=fixed(16), osl=fixed(8), **work)
        record, rows = measured(server, tmp_path, workload=workload)
    assert rows["error_class"].null_count == 40
    assert set(rows["output_tokens"].to_pylist()) == {8}
    assert set(rows["events"].to_pylist()) == {3}
    told = [[3, 3, 2]] if work.get("event_usage") else [None]
    assert [t for t in told if t not in rows["event_tokens"].to_pylist()] == []
    run = record.run_json
    judged = judge(summarise(rows, run), rows, run)
    assert {g["gate"]: g["state"] for g in judged}["server_counters"] == "passed"


def test_several_events_to_a_write(tmp_path: Path) -> None:
    with serving("--events-per-write", "4") as server:
        _, rows = measured(server, tmp_path)
    for times in rows["event_s"].to_pylist():
        assert len(times) == 8
        assert len(set(times)) <= 4  # the read that has the head may be split from the events


def test_the_truth_is_what_the_client_sees(tmp_path: Path) -> None:
    with serving("--ttft-ms", "30", "--itl-ms", "10", "--jitter-ms", "3", "--seed", "4") as server:
        record, rows = measured(server, tmp_path, concurrency=1, requests=10)
        truth = server.truth()
        assert server.truth()["streams"] == []
    sent = {row["received_ns"]: row["sent_ns"] for row in truth["streams"]}
    zero = record.run_json["first_send_ns"]
    for row in rows.to_pylist():
        began = zero + row["sent_s"] * 1e9
        received = min((ns for ns in sent if ns > began - 1), key=lambda ns: ns - began)
        seen = zero + np.array(row["event_s"]) * 1e9
        assert len(seen) == len(sent[received])
        assert (seen >= np.array(sent[received]) - 1000).all()  # float64 seconds, back to ns
    assert truth["late_p50_ms"] >= 0


def test_a_server_with_fewer_slots_holds_fewer(tmp_path: Path) -> None:
    with serving("--max-num-seqs", "3", "--itl-ms", "10") as server:
        record, rows = measured(server, tmp_path, concurrency=4)
        assert server.truth()["peak_active"] == 3
    assert rows["error_class"].null_count == 40
    summary = summarise(rows, record.run_json)
    rows = mark_window(rows, summary)
    # Those that wait are in flight for the client: a queue in the server is not a client's fault.
    assert summary["achieved_concurrency"] > 3.8


def test_ordinary_routes() -> None:
    with serving("--model", "m") as server, httpx.Client(base_url=server.url) as client:
        assert client.get("/health").status_code == 200
        assert client.get("/v1/models").json()["data"][0]["id"] == "m"
        assert "reference" in client.get("/version").json()["version"]
        assert "vllm:generation_tokens_total" in client.get("/metrics").text
        assert client.get("/nowhere").status_code == 404
        body: dict[str, Any] = {"model": "m", "prompt": "a b c", "max_tokens": 2}
        whole = client.post("/v1/completions", json=body).json()
        assert whole["usage"] == {"prompt_tokens": 3, "total_tokens": 5, "completion_tokens": 2}
        assert client.post("/v1/completions", json=body | {"model": "x"}).status_code == 404
        assert client.post("/v1/completions", content=b"{").status_code == 400
        assert client.post("/v1/completions", json={"model": "m"}).status_code == 400


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told(sent: signal.Signals) -> None:
    with serving() as server:
        server.process.send_signal(sent)
        assert server.process.wait(10) == 0


def test_a_port_in_use_is_said() -> None:
    with serving() as server:
        port = server.url.rpartition(":")[2]
        command = [sys.executable, "-m", "ablation.reference", "--port", port]
        second = subprocess.run(command, env=ENV, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "give another --port" in second.stderr


@pytest.mark.parametrize("text", ["nothing:1", "reset", "reset:0", "reset:x"])
def test_a_fault_must_be_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"known|every"):
        Fault.parse(text)
