"""`snakemake probe`: what it tries, prints and leaves; and that a report quotes it without asking for it."""

import json

import pytest

from tests.workflow.conftest import jobs

pytestmark = pytest.mark.workflow


def test_a_probe_from_the_command_line_to_the_report(workspace):
    workspace.study["models"] = {"fixed": {"catalogue": "fixed", "blocks": 1}}
    output = workspace.run("--cores", "1", "probe")
    assert jobs(output)["probe_arm"] == 1
    assert "1 probes of study small" in output
    assert "STALE: the catalogue says that this cannot run" in output
    record = json.loads((workspace.results / "probes" / "fixed" / "slow.json").read_text())
    assert (record["stage"], record["stale"]) == ("under_load", True)
    assert not list((workspace.results / "store").glob("[0-9a-f]*/run.json"))
    # It always prints, and tries nothing twice.
    again = workspace.run("--cores", "1", "probe")
    assert "probe_arm" not in jobs(again)
    assert "STALE" in again
    output = workspace.run("--cores", "1", "report")
    assert "probe_arm" not in jobs(output)
    text = (workspace.results / "report" / "report.md").read_text()
    assert "is stale: it says that this cannot run, and a probe was ready after" in text
    # Another probe, or none, is another report; still no probe is asked for.
    (workspace.results / "probes" / "fixed" / "slow.json").unlink()
    left = jobs(workspace.run("-n", "report"))
    assert left.get("write_report") == 1
    assert "probe_arm" not in left


def test_what_cannot_be_probed_is_refused(workspace):
    output = workspace.run("-n", "results/small/probes/nobody/slow.json", ok=False)
    assert "nobody: no such model in study small; it has" in output
