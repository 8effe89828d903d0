"""An arm that always dies: one command ends with a report, the next one tries that arm alone."""

import pandas as pd
import pytest

from tests.workflow.conftest import jobs

pytestmark = pytest.mark.workflow


@pytest.mark.parametrize(
    ("args", "pairs"),
    [({"no-such-option": 1}, 0), ({"fault": "death:16"}, 2)],
    ids=["at start", "in the second level"],
)
def test_an_arm_that_always_dies(workspace, args, pairs):
    del workspace.study["models"]["fixed"]
    workspace.study["factor"]["arms"]["dying"] = {"args": args}
    output = workspace.run("--cores", "2", "report", ok=False)
    assert "failed; everything else is in results/small/report" in output
    report = (workspace.results / "report" / "report.md").read_text()
    first = report[: report.index("planned runs are here")]
    assert "dying: 3 of 3 launches failed (block 1, 2, 3)" in first
    assert "faster" in report
    table = pd.read_parquet(workspace.results / "statistics" / "comparisons.parquet")
    own = table[table["metric"] == "output_throughput_tok_s"].set_index(["arm", "concurrency"])
    assert (own.loc["fast", "n_pairs"] == 3).all()
    assert own.loc["dying", "n_pairs"].max() <= pairs
    launches = {path.name for path in workspace.launches()}
    # Two launches of the dying arm, the third is not worth trying.
    assert len(launches) == 6 + 2


def test_the_next_command_tries_what_failed_and_a_mended_arm_is_measured(workspace):
    del workspace.study["models"]["fixed"]
    workspace.study["factor"]["arms"]["dying"] = {"args": {"fault": "death:3"}}
    workspace.run("--cores", "2", "report", ok=False)
    launches = {path.name for path in workspace.launches()}
    measured = workspace.measured()

    again = workspace.run("--cores", "2", "report", ok=False)
    assert jobs(again)["sitting"] == 3
    new = {path.name for path in workspace.launches()} - launches
    dying = {session.name for session in workspace.results.glob("sessions/toy/dying/*.json")}
    assert len(dying) == 3
    assert len(new) == 2
    assert measured.items() <= workspace.measured().items()

    # Mended, everything is there, and nothing is left to do.
    workspace.study["factor"]["arms"]["dying"] = {"args": {"slowdown": 2.0}}
    workspace.run("--cores", "2", "report")
    assert jobs(workspace.run("--cores", "2", "report")) == {}
