"""Comparing two finished studies through Snakemake, whatever study is configured."""

import pytest

from tests.finished_study import write_finished
from tests.synthetic import make_plan, make_runs
from tests.workflow.conftest import Workspace, jobs

pytestmark = pytest.mark.workflow

TARGET = "results/compare/small-vs-b/report.html"


def test_two_folders_are_compared_without_server_or_their_configuration(workspace: Workspace):
    # `small` is also the configured study: nothing of it may be launched or derived.
    for seed, name in enumerate(("small", "b")):
        plan = make_plan(blocks=4)
        runs = make_runs(plan, seed)
        write_finished(workspace.folder / "results" / name, plan, runs)
    assert jobs(workspace.run("--cores", "1", TARGET)) == {"compare": 1}
    report = workspace.folder / TARGET
    for path in (report, report.with_name("report.md")):
        assert "small against b" in path.read_text()
    assert report.with_name("comparison.parquet").is_file()
    assert jobs(workspace.run("--cores", "1", TARGET)) == {}
    (workspace.folder / "results" / "b" / "statistics" / "arms.parquet").unlink()
    said = workspace.run("--cores", "1", TARGET, ok=False)
    assert "results/b/statistics/arms.parquet: not there; finish the study in results/b" in said
    assert "Traceback" not in said
