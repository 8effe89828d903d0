"""Visits to servers that someone else runs."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ablation.evidence.settled import unproved
from ablation.plan.plan import plan_json
from ablation.plan.schedule import Schedule
from ablation.run.derive import derive_run
from ablation.session.endpoint import NOT_OBSERVABLE, Endpoint
from ablation.session.preflight import preflight
from ablation.session.server import ServerError, free_port
from ablation.session.store import Store
from ablation.study.catalogue import Catalogue
from ablation.study.load import load_study
from tests.session.conftest import REFERENCE, ROOT
from tests.session.sittings import first
from tests.session.test_server import wait_for
from tests.workflow.conftest import CATALOGUE, STUDY


def endpoint_study(urls: dict[str, str], **launch) -> dict:
    study = json.loads(json.dumps(STUDY))
    study["models"] = {"toy": {"path": "m", "vocabulary": 1000}}
    study["factor"]["arms"] = {name: {"url": url} for name, url in urls.items()}
    study["server"] = {
        "kind": "reference",
        "vllm": "0.0.0",
        "launch": {"kind": "endpoint", **launch},
    }
    return study


def schedule(study: dict) -> Schedule:
    return Schedule(load_study(study, "test"), Catalogue.model_validate(CATALOGUE))


@pytest.fixture
def running():
    """The URL of a reference server that is none of the workflow's."""
    port = free_port("127.0.0.1")
    words = [word.replace("{port}", str(port)) for word in REFERENCE]
    server = subprocess.Popen(
        [sys.executable, *words, "--ttft-ms", "5", "--itl-ms", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
    )
    url = f"http://127.0.0.1:{port}"
    probe = Endpoint(url, arm="x", served_model="m", headers={}, folder=ROOT)

    def answers():
        try:
            probe.check()
        except Exception:
            return False
        return True

    wait_for(answers)
    yield url, server
    server.kill()
    server.wait()
    server.stdout.close()


def test_a_visit_measures_and_leaves_the_server_running(running, tmp_path):
    url, server = running
    plan = schedule(endpoint_study({"slow": url, "fast": url}))
    found = preflight(plan.study, plan.plan, plan.entries)["endpoints"]
    assert found["slow: m"]["url"] == url
    store = Store(tmp_path / "store")
    evidence, words = first(plan, store)
    (launch,) = evidence["launches"]
    assert f"visiting {url}" in words
    assert launch["treatment"]["passed"] is None
    assert launch["treatment"]["state"] == "cannot be told"
    assert launch["treatment"]["settings"] == []
    assert launch["treatment"]["text"] == NOT_OBSERVABLE
    assert launch["launch"] == {"kind": "endpoint", "url": url}
    assert not (store.folder / launch["launch_id"] / "server.log").exists()
    assert server.poll() is None
    gates = plan.study.gates.model_dump()
    slo = plan.study.slo.model_dump()
    path = tmp_path / "run.parquet"
    name = evidence["runs"][1]["record"]
    metadata = derive_run(store, name, path, study="small", gates=gates, slo=slo)
    judged = {gate["gate"]: gate for gate in metadata["gates"]}
    assert metadata["usable"], metadata["gates"]
    assert judged["treatment"]["state"] == "not observed"
    ((clause,),) = unproved([evidence], "other").values()
    assert clause.startswith("whether the treatment took effect cannot be told (not observable: ")
    assert judged["jit_in_window"]["text"] == "not observed: there is no server log"
    assert judged["server_counters"]["value"] == 0.0  # by its /metrics


def test_proof_that_nobody_can_give_fails_the_gate(running, tmp_path):
    url, _ = running
    study = endpoint_study({"slow": url, "fast": url})
    for arm in study["factor"]["arms"].values():
        arm["evidence"] = "Using AITER"
    plan = schedule(study)
    assert any("asks for evidence" in warning for warning in plan.plan.warnings)
    store = Store(tmp_path / "store")
    evidence, _ = first(plan, store)
    gates, slo = plan.study.gates.model_dump(), plan.study.slo.model_dump()
    name = evidence["runs"][0]["record"]
    path = tmp_path / "run.parquet"
    metadata = derive_run(store, name, path, study="small", gates=gates, slo=slo)
    assert not metadata["usable"]
    assert "not observable" in metadata["gates"][-1]["text"]


def test_an_endpoint_that_is_not_there_is_refused_before_the_first_visit():
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    plan = schedule(endpoint_study({"slow": url, "fast": url}))
    with pytest.raises(ServerError, match=r"factor\.arms\.\w+\.url: .* cannot be reached"):
        preflight(plan.study, plan.plan, plan.entries)


def test_another_model_is_refused(running):
    url, _ = running
    study = endpoint_study({"slow": url, "fast": url})
    study["models"]["toy"]["path"] = "another"
    plan = schedule(study)
    with pytest.raises(ServerError, match=r"serves \['m'\], not 'another'; .*`path`"):
        preflight(plan.study, plan.plan, plan.entries)


class Strict(BaseHTTPRequestHandler):
    """Wants a key; says the version that the class says."""

    version = "0.32.0"

    def do_GET(self):
        if self.path == "/v1/models" and self.headers.get("authorization") != "Bearer s3cret-key":
            self.reply(401, {"error": "no key"})
        elif self.path == "/v1/models":
            self.reply(200, {"data": [{"id": "m"}]})
        else:
            self.reply(200, {"version": self.version})

    def reply(self, status, data):
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@pytest.fixture
def strict():
    with ThreadingHTTPServer(("127.0.0.1", 0), Strict) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_key_comes_from_the_shell_and_is_said_nowhere(strict):
    study = endpoint_study({"slow": strict, "fast": strict}, api_key_env="THE_KEY")
    study["server"] |= {"kind": "vllm", "vllm": "0.32.0"}
    plan = schedule(study)
    with pytest.raises(ServerError, match="THE_KEY is not set in this shell; `export"):
        preflight(plan.study, plan.plan, plan.entries, {})
    with pytest.raises(ServerError, match="refuses the key"):
        preflight(plan.study, plan.plan, plan.entries, {"THE_KEY": "another-key"})
    found = preflight(plan.study, plan.plan, plan.entries, {"THE_KEY": "s3cret-key"})
    assert found["endpoints"]["slow: m"]["version"] == "0.32.0"
    assert "s3cret-key" not in json.dumps(found) + plan_json(plan.plan)


def test_another_version_is_refused(strict):
    study = endpoint_study({"slow": strict, "fast": strict}, api_key_env="THE_KEY")
    study["server"] |= {"kind": "vllm", "vllm": "0.14.1"}
    plan = schedule(study)
    with pytest.raises(Exception, match=r"vLLM 0\.14\.1, the endpoint of arm .* has 0\.32\.0"):
        preflight(plan.study, plan.plan, plan.entries, {"THE_KEY": "s3cret-key"})


def test_an_endpoint_replaced_during_a_level_does_not_count(strict, tmp_path, monkeypatch):
    headers = {"authorization": "Bearer s3cret-key"}
    visit = Endpoint(strict, arm="a", served_model="m", headers=headers, folder=tmp_path)
    with visit:
        visit.wait_ready(5)
        visit.check_unchanged("level 4")
        monkeypatch.setattr(Strict, "version", "0.33.0")
        with pytest.raises(ServerError, match=r"level 4: .* another version .*0\.33\.0.*0\.32\.0"):
            visit.check_unchanged("level 4")


def test_a_waiting_visit_gives_up_with_the_address(tmp_path):
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    with Endpoint(url, arm="a", served_model="m", headers={}, folder=tmp_path) as visit:
        with pytest.raises(ServerError, match=rf"factor\.arms\.a\.url: {url} did not answer"):
            visit.wait_ready(0)
