"""Telemetry through a whole session: a launch on the reference server beside a nvidia-smi of known truth."""

import json
import sys

import pyarrow.parquet as pq
import pytest

from ablation.aggregate.aggregate import aggregate
from ablation.plan.schedule import Schedule
from ablation.run.derive import derive_run
from ablation.session.store import Store
from ablation.study.catalogue import Catalogue
from ablation.study.load import load_study
from ablation.telemetry.watch import TelemetryError
from tests.session.sittings import first
from tests.telemetry.fakes import nvidia_smi
from tests.workflow.conftest import CATALOGUE, STUDY


def schedule(**telemetry: object) -> Schedule:
    study = json.loads(json.dumps(STUDY))
    study["models"] = {"toy": study["models"]["toy"]}
    study["hardware"] = {"platform": "cuda", "architecture": "sm_90", "gpus": 1}
    study["telemetry"] = telemetry
    # A window of about a second: samples every 50 ms fall into it on a busy machine, too.
    study["workload"] |= {"output_tokens": 120}
    return Schedule(load_study(study, "test"), Catalogue.model_validate(CATALOGUE))


def measure(plan: Schedule, store: Store) -> dict:
    return first(plan, store)[0]


def test_from_the_samples_of_a_launch_to_the_aggregate(tmp_path, monkeypatch):
    nvidia_smi(tmp_path / "bin", sys.executable)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    plan, store = schedule(period_s=0.05), Store(tmp_path / "store")
    evidence = measure(plan, store)
    (launch,) = evidence["launches"]
    told = launch["telemetry"]
    assert told["reader"] == "nvidia-smi --loop-ms"
    assert (told["idle_power_w"], told["power_max_w"]) == (300.0, 300.0)
    assert told["energy_j"] == pytest.approx(300 * told["energy_s"], rel=1e-3)
    name = evidence["runs"][1]["record"]
    path = tmp_path / "run.parquet"
    made = derive_run(store, name, path, study="small", gates=plan.study.gates.model_dump(), slo={})
    summary = made["summary"]
    assert summary["power_mean_w"] == pytest.approx(300.0, rel=1e-3)
    truth = 300 / summary["output_throughput_tok_s"]
    assert summary["energy_per_output_token_j"] == pytest.approx(truth, rel=1e-3)
    gate = next(gate for gate in made["gates"] if gate["gate"] == "throttling")
    assert gate["state"] == "passed"
    assert "100.0% are at the power limit, which does not fail" in gate["text"]
    before = path.read_bytes()
    derive_run(store, name, path, study="small", gates=plan.study.gates.model_dump(), slo={})
    assert path.read_bytes() == before
    row = aggregate([path], plan.plan).to_pylist()[0]
    assert row["energy_per_output_token_j"] == summary["energy_per_output_token_j"]
    assert (row["energy_source"], row["throttled_fraction"]) == ("power", 0.0)
    assert pq.read_table(store.folder / launch["launch_id"] / "telemetry.parquet").num_rows >= 5


def test_a_launch_that_must_have_telemetry_is_refused_before_its_server_starts(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", "/nonexistent")
    store = Store(tmp_path / "store")
    with pytest.raises(TelemetryError, match=r"telemetry\.enabled: true, and nothing can be read"):
        measure(schedule(enabled=True), store)
    (folder,) = store.folder.glob("launch-*")
    assert not (folder / "server.log").exists()
    assert "telemetry.enabled" in store.launch(folder.name)["error"]


def test_telemetry_is_in_no_hash():
    hashes = [
        [level.run_hash for session in plan.plan.sessions for level in session.levels]
        for plan in (schedule(), schedule(enabled=False), schedule(enabled=True, period_s=5))
    ]
    assert hashes[0] == hashes[1] == hashes[2]
