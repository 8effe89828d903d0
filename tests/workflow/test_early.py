"""A study that decides early, with an A/A arm: planted 30 %, so that the first look settles it."""

import json

import pandas as pd
import pytest

from tests.workflow.conftest import jobs

pytestmark = pytest.mark.workflow


def test_blocks_end_when_the_verdicts_are_settled(workspace):
    workspace.study["models"] = {"toy": workspace.study["models"]["toy"]}
    workspace.study["factor"]["noise_floor"] = True
    workspace.study["design"] = {"blocks": 9, "levels": [2], "sequential": {"first": 3, "every": 3}}
    output = workspace.run("--cores", "2", "report")
    assert jobs(output)["decide"] == 1

    assert len(workspace.launches()) == 3 * 3  # of 9 blocks x 3 arms
    outcome = json.loads((workspace.results / "decisions" / "toy" / "after-3.json").read_text())
    assert outcome["stop"] is True
    assert [level["verdict"] for level in outcome["levels"]] == ["faster"]

    decisions = pd.read_parquet(workspace.results / "statistics" / "decisions.parquet")
    assert decisions["saved"].tolist() == [18]
    assert decisions["settled_at"].tolist() == [3]
    report = (workspace.results / "report" / "report.md").read_text()
    assert "18 launches saved" in report
    assert "A/A floor" in report
    assert jobs(workspace.run("--cores", "2", "report")) == {}

    # Turning it off measures the blocks that were left out, and no other.
    measured = workspace.measured()
    workspace.study["design"] = {"blocks": 4, "levels": [2]}
    workspace.run("--cores", "2", "report")
    assert len(workspace.launches()) == 4 * 3
    assert measured.items() < workspace.measured().items()
