"""A store brought from elsewhere is made into results here, without any server."""

import json
import shutil

import pytest

from tests.workflow.conftest import Workspace, jobs

pytestmark = pytest.mark.workflow


def test_a_store_from_elsewhere_needs_no_server(workspace, tmp_path):
    workspace.study["design"]["blocks"] = 1
    del workspace.study["models"]["fixed"]
    output = workspace.run("--cores", "1", "measure")
    assert jobs(output)["sitting"] == 1
    assert not (workspace.results / "runs").exists()

    there = Workspace(tmp_path / "there", tmp_path / "host.lock")
    there.study = workspace.study
    shutil.copytree(workspace.results / "store", there.results / "store")
    launches, measured = there.launches(), there.measured()
    table = "results/small/aggregate/runs.parquet"
    output = there.run("--cores", "1", table, "--config", "stored=true")
    assert set(jobs(output)) == {"sitting", "session", "run", "aggregate"}
    assert there.launches() == launches
    assert there.measured() == measured
    output = there.run("--cores", "1", table, "--config", "stored=true")
    assert jobs(output) == {}

    (session,) = there.results.glob("sessions/toy/fast/*.json")
    run = json.loads(session.read_text())["runs"][0]["record"]
    shutil.move(there.results / "store" / run, tmp_path / "elsewhere")
    sitting = there.results / "sittings/toy/block-1.json"
    sitting.unlink()
    asked = str(sitting.relative_to(there.folder))
    output = there.run("--cores", "1", asked, "--config", "stored=true", ok=False)
    assert (
        "toy, block 1: fast at 1 is not in results/small/store, and stored=true launches nothing"
        in output
    )
    assert there.launches() == launches
