"""Probes of the reference server: one that answers, one that dies under load, one that never starts."""

import io
import json

import pytest

from ablation.probe.plan import plan_probe
from ablation.probe.run import PROBE_FILE, run_probe
from ablation.probe.text import probe_text, summary
from ablation.session.progress import Progress
from ablation.session.server import ServerError
from ablation.session.store import Store
from ablation.study.catalogue import Catalogue
from ablation.study.load import load_study
from tests.session.conftest import own_host_lock  # noqa: F401 (a fixture of these tests too)
from tests.workflow.conftest import CATALOGUE, STUDY


def probed(tmp_path, model="fixed", arm="slow", shell=None, pass_env=(), **args):
    document = json.loads(json.dumps(STUDY))
    document["server"]["args"] |= args
    document["server"]["pass_env"] = list(pass_env)
    study = load_study(document, "test")
    probe = plan_probe(study, Catalogue.model_validate(CATALOGUE), model, arm)
    options = {} if shell is None else {"shell": shell}
    store = Store(tmp_path / "store")
    words = io.StringIO()
    record = run_probe(study, probe, store, Progress([words], "test:"), **options)
    assert record["text"] in words.getvalue()
    return record, store


def test_an_arm_that_runs_makes_its_entry_stale(tmp_path):
    record, store = probed(tmp_path)
    assert (record["stage"], record["outcome"], record["answered"]) == ("under_load", "answered", 6)
    assert record["failure"] is None
    assert record["stale"] is True
    assert "answered 6 requests" in record["text"]
    text = probe_text(record)
    assert text.startswith("SIMULATED  fixed, slow: ")
    assert "STALE: the catalogue says that this cannot run" in text
    (folder,) = store.folder.iterdir()
    kept = json.loads((folder / PROBE_FILE).read_text())
    assert kept == record
    assert (folder / "server.log").stat().st_size
    assert record["log"].endswith(f"{folder.name}/server.log")


def test_an_arm_that_the_catalogue_permits_cannot_be_stale(tmp_path):
    record, _ = probed(tmp_path, model="toy", arm="fast")
    assert record["claim"] is None
    assert record["stale"] is False


def test_a_server_that_dies_under_load_is_a_result(tmp_path):
    record, _ = probed(tmp_path, fault="death:3")
    assert (record["stage"], record["outcome"]) == ("under_load", "failed")
    assert record["failure"]["stage"] == "under_load"
    assert record["exit"]["how"] == "ended by itself"
    assert record["answered"] < 6
    assert record["stale"] is False
    assert "died under load" in record["text"]


def test_a_server_that_never_starts_is_a_result(tmp_path):
    record, _ = probed(tmp_path, **{"no-such-flag": 1})
    assert (record["stage"], record["failure"]["id"]) == ("start", "unknown-argument")
    assert record["ready_s"] is None
    assert "cannot run" in probe_text(record)
    assert "STALE" not in probe_text(record)


def test_secrets_are_in_no_file(tmp_path):
    """What proves the arm stands for a secret that the server prints: it is read before it is hidden."""
    shell = {"PATH": "/usr/bin:/bin", "MY_TOKEN": "reference server"}
    record, store = probed(tmp_path, shell=shell, pass_env=["MY_TOKEN"])
    files = [path for path in store.folder.rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert not [path for path in files if b"reference server" in path.read_bytes()]
    assert record["treatment"]["passed"] is True


def test_a_stranger_on_the_port_is_no_result(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "ablation.session.server.Server._check_identity",
        lambda *_: (_ for _ in ()).throw(ServerError("answered by a stranger")),
    )
    with pytest.raises(ServerError, match="stranger"):
        probed(tmp_path)


RECORD = {
    "memory_loaded_gib": 145.27,
    "outcome": "failed",
    "stage": "graph_capture",
    "failure": {"id": "aiter-no-kernel", "words": "AITER has no kernel for this shape", "line": ""},
    "ready_s": None,
    "answered": 0,
    "requests": 6,
    "first_error": None,
    "treatment": {"passed": None, "text": "no proof"},
}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "145.27 GiB loaded, died at graph capture: AITER has no kernel for this shape"),
        (
            {"failure": None, "ready_s": 9.0, "answered": 2, "first_error": "HTTP 500"},
            "145.27 GiB loaded, was ready, but answered 2 of 6 requests: HTTP 500",
        ),
        (
            {"memory_loaded_gib": None, "stage": "start", "failure": {"id": "unknown", "words": "?", "line": "Odd"}},
            "died at the start, before the weights: Odd",
        ),
        (
            {"outcome": "answered", "ready_s": 9.0, "answered": 6, "treatment": {"passed": False, "text": "CPU_ATTN"}},
            "145.27 GiB loaded, was ready after 9 s and answered 6 requests, but CPU_ATTN",
        ),
        (
            {"outcome": "answered", "ready_s": 9.0, "answered": 6,
             "treatment": {"passed": None, "state": "cannot be told", "text": "it cannot be told from the log"}},
            "145.27 GiB loaded, was ready after 9 s and answered 6 requests, but it cannot be told from the log",
        ),
    ],
)  # fmt: skip
def test_summary(changes, text):
    assert summary(RECORD | changes) == text
