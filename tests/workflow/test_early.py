"""A study that decides early, with an A/A arm: planted three times, so that an early look settles it."""

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

    # The first look nearly always settles it; a machine that stalls may need the second.
    folder = workspace.results / "decisions" / "toy"
    outcomes = [json.loads(path.read_text()) for path in sorted(folder.glob("after-*.json"))]
    assert [outcome["stop"] for outcome in outcomes] == [False] * (len(outcomes) - 1) + [True]
    assert [level["verdict"] for level in outcomes[-1]["levels"]] == ["faster"]
    blocks = 3 * len(outcomes)
    assert len(workspace.launches()) == blocks * 3  # of 9 blocks x 3 arms

    saved = (9 - blocks) * 3
    decisions = pd.read_parquet(workspace.results / "statistics" / "decisions.parquet")
    assert decisions["saved"].tolist() == [saved]
    assert decisions["settled_at"].tolist() == [blocks]
    report = (workspace.results / "report" / "report.md").read_text()
    assert f"{saved} launches saved" in report
    assert "A/A floor" in report
    assert jobs(workspace.run("--cores", "2", "report")) == {}

    # Turning it off measures the blocks that were left out, and no other.
    measured = workspace.measured()
    workspace.study["design"] = {"blocks": blocks + 1, "levels": [2]}
    workspace.run("--cores", "2", "report")
    assert len(workspace.launches()) == (blocks + 1) * 3
    assert measured.items() < workspace.measured().items()
