"""A session on the reference server: what is kept, what is resumed, what a failure leaves."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ablation.client import CLIENT_VERSION
from ablation.plan.schedule import Schedule
from ablation.run.derive import derive_run
from ablation.session.progress import Position
from ablation.session.store import Store
from ablation.sitting.outlook import outlook
from ablation.study.catalogue import Catalogue
from ablation.study.load import StudyError, load_study
from tests.session.sittings import first
from tests.workflow.conftest import CATALOGUE, STUDY

GATES = load_study(STUDY, "test").gates.model_dump()
SLO = {"ttft_s": None, "tpot_s": None, "e2e_s": None}


def schedule(**server_args: object) -> Schedule:
    study = json.loads(json.dumps(STUDY))
    study["models"] = {"toy": study["models"]["toy"]}
    study["server"]["args"] |= server_args
    return Schedule(load_study(study, "test"), Catalogue.model_validate(CATALOGUE))


def measure(plan: Schedule, store: Store, **options) -> tuple[dict, str]:
    return first(plan, store, **options)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


def test_measured_once_then_found(store):
    plan = schedule()
    evidence, words = measure(plan, store)
    assert [run["concurrency"] for run in evidence["runs"]] == [1, 4]
    assert "level 4: measured in" in words
    (launch,) = evidence["launches"]
    assert launch["treatment"]["passed"] is True
    assert launch["exit"]["how"] == "stopped by the session"
    assert launch["hardware"]["cpus"] >= 1
    assert launch["versions"]["client"] == str(CLIENT_VERSION)
    again, words = measure(plan, store)
    assert "nothing to measure" in words
    assert again == evidence
    blocks = outlook(plan.plan, store.fresh())
    assert [block.block for block in blocks if not block.launches] == [1]
    before = Position(plan.plan, store, outlook(plan.plan, Store(store.folder / "empty")))
    now = Position(plan.plan, store, blocks)
    assert (before.done, now.done) == (0, 2)
    assert now.head(plan.plan.sessions[2]).startswith("[3/6, about ")


def test_only_the_missing_level_is_measured(store, tmp_path):
    plan = schedule()
    before, _ = measure(plan, store)
    kept, lost = (run["record"] for run in before["runs"])
    shutil.move(store.record(lost), tmp_path / "elsewhere")
    stamp = (store.record(kept) / "reads.parquet").stat().st_mtime_ns
    second, words = measure(plan, store)
    assert "level 1:" not in words
    assert (store.record(kept) / "reads.parquet").stat().st_mtime_ns == stamp
    assert len(second["launches"]) == 2
    assert second["runs"][0] == before["runs"][0]
    assert second["runs"][1]["launch_id"] != before["runs"][1]["launch_id"]


def test_a_server_that_dies_under_load_keeps_its_evidence_and_is_no_data(store):
    plan = schedule(fault="death:30")  # in the second level
    evidence, words = measure(plan, store)
    assert "level 4: the server's process ended" in words
    assert "requests into the level" in words
    assert "the other arms go on" in words
    assert evidence["failure"]["launch_id"] == evidence["launches"][0]["launch_id"]
    assert [run["concurrency"] for run in evidence["runs"]] == [1]
    one, four = (level.run_hash for level in plan.plan.sessions[0].levels)
    assert len(store.fresh().records(one)) == 1
    assert store.fresh().records(four) == []
    folders = sorted(store.folder.glob("launch-*"))
    assert len(folders) == 2  # one of each arm
    for folder in folders:
        assert (folder / "failed-concurrency-4" / "requests.parquet").is_file()
        launch = store.launch(folder.name)
        assert launch["exit"]["how"] == "ended by itself"
        assert "level 4" in launch["error"]


@pytest.mark.parametrize("damage", [b"", b"\0" * 300, b"{}"])
@pytest.mark.parametrize("name", ["launch.json", "exit.json", "run.json"])
def test_a_damaged_file_is_named_kept_and_measured_again(store, damage, name):
    plan = schedule()
    measure(plan, store)
    pattern = "[0-9a-f]*/run.json" if name == "run.json" else f"launch-*/{name}"
    path = sorted(store.folder.glob(pattern))[0]
    path.write_bytes(damage)
    evidence, words = measure(plan, store.fresh())
    assert path.read_bytes() == damage
    assert [run["concurrency"] for run in evidence["runs"]] == [1, 4]
    if name == "exit.json":
        assert "nothing to measure" in words
        return
    assert str(path) in words
    assert "is kept" in words
    assert not {run["record"] for run in evidence["runs"]} & {path.parent.name}


def with_shell(store, name: str, value: str, **server_args: object) -> tuple[list[Path], dict]:
    """The store's files and the launch's record, of a session whose shell hands this variable on."""
    plan = schedule(**server_args)
    server = plan.study.server.model_copy(update={"pass_env": [name]})
    plan.study = plan.study.model_copy(update={"server": server})
    measure(plan, store, shell={"PATH": "/usr/bin:/bin", name: value})
    folder = sorted(store.folder.glob("launch-*"))[0]
    return [path for path in store.folder.rglob("*") if path.is_file()], store.launch(folder.name)


def test_a_secret_is_in_no_file_and_the_evidence_was_read_before_it_was_hidden(store):
    """What the server says of itself, and what proves the arm, stands for a secret that it prints."""
    files, launch = with_shell(store, "MY_TOKEN", "reference server")
    assert len(files) >= 8
    assert not [path for path in files if b"reference server" in path.read_bytes()]
    assert "***" in next(p for p in files if p.name == "server.log").read_text()
    assert launch["treatment"]["passed"] is True


def test_the_error_of_a_server_that_prints_a_secret_holds_none(store):
    files, launch = with_shell(store, "MY_TOKEN", "unrecognized arguments", **{"no-such-flag": 1})
    assert "***" in launch["error"]
    assert launch["failure"]["id"] == "unknown-argument"
    assert not [path for path in files if b"unrecognized arguments" in path.read_bytes()]


def test_a_variable_that_is_no_secret_leaves_log_and_record_alone(store):
    files, launch = with_shell(store, "OMP_NUM_THREADS", "1")
    assert not [path for path in files if b"***" in path.read_bytes()]
    assert launch["treatment"]["passed"] is True


def test_a_log_that_a_killed_launch_left_is_cleaned_by_the_next_one(store):
    plan = schedule()
    measure(plan, store)
    log = sorted(store.folder.glob("launch-*/server.log"))[0]
    for record in store.folder.glob("[0-9a-f]*"):
        shutil.rmtree(record)
    server = plan.study.server.model_copy(update={"pass_env": ["MY_TOKEN"]})
    plan.study = plan.study.model_copy(update={"server": server})
    measure(plan, store.fresh(), shell={"PATH": "/usr/bin:/bin", "MY_TOKEN": "reference server"})
    assert "reference server" not in log.read_text()


def test_a_secret_too_short_to_be_hidden_is_refused_before_the_launch(store):
    with pytest.raises(
        StudyError, match=r"pass_env: the value of MY_TOKEN has fewer than 8"
    ) as error:
        with_shell(store, "MY_TOKEN", "h4nter2")
    assert "h4nter2" not in str(error.value)
    assert not list(store.folder.glob("launch-*"))


def test_a_full_disk_is_told_before_the_launch(store, monkeypatch):
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000)
    )
    with pytest.raises(OSError, match=r"only 0 MB are free .* nothing was started"):
        measure(schedule(), store)
    assert not list(store.folder.glob("launch-*"))


def test_a_run_derives_to_the_same_bytes(store, tmp_path):
    plan = schedule()
    evidence, _ = measure(plan, store)
    name = evidence["runs"][1]["record"]
    paths = [tmp_path / name / "run.parquet" for name in ("a", "b")]
    for path in paths:
        derive_run(store, name, path, study="small", gates=GATES, slo=SLO)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(("required", "usable"), [(True, False), (False, True)])
def test_a_treatment_that_did_not_happen_does_not_count(store, tmp_path, required, usable):
    plan = schedule()
    arms = {
        name: arm.model_copy(update={"evidence": "kernel of gold"})
        for name, arm in plan.study.factor.arms.items()
    }
    factor = plan.study.factor.model_copy(update={"arms": arms})
    plan = Schedule(plan.study.model_copy(update={"factor": factor}), plan.catalogue)
    evidence, _ = measure(plan, store)
    gates = GATES | {"treatment": required}
    name = evidence["runs"][0]["record"]
    metadata = derive_run(
        store, name, tmp_path / "run.parquet", study="small", gates=gates, slo=SLO
    )
    gate = metadata["gates"][-1]
    assert gate["gate"] == "treatment"
    assert "no line of the server's log matches 'kernel of gold'" in gate["text"]
    assert metadata["usable"] is usable
    # Correcting the expression costs no measurement.
    told = replace(plan.plan.sessions[0].claim, evidence="reference server")
    path = tmp_path / "again.parquet"
    again = derive_run(store, name, path, study="small", gates=gates, slo=SLO, claim=told)
    assert again["usable"]
    # Without any, the log cannot tell whether the server heeded its arguments: that fails nothing, and is said.
    told = replace(told, evidence=None)
    path = tmp_path / "open.parquet"
    again = derive_run(store, name, path, study="small", gates=gates, slo=SLO, claim=told)
    assert again["usable"]
    gate = again["gates"][-1]
    assert (gate["state"], gate["value"]) == ("not observed", None)
    assert "cannot be told from the log whether" in gate["text"]
