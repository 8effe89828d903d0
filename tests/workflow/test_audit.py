"""A published table audited through Snakemake, without anything of the configured study."""

import shutil

import pytest

from ablation.places import HOME
from tests.workflow.conftest import Workspace, jobs

pytestmark = pytest.mark.workflow


def test_a_table_is_audited_without_the_study(workspace: Workspace):
    # A shipped table, from a folder that is not the workflow's.
    assert jobs(workspace.run("--cores", "1", "results/audit/aiter-ablation/audit.html")) == {
        "audit_table": 1
    }
    page = workspace.folder / "results" / "audit" / "aiter-ablation"
    for name in ("audit.html", "audit.md"):
        text = (page / name).read_text()
        assert "concurrency 200 and 500 were never reached" in text
        assert str(HOME) not in text
    assert not workspace.results.exists()
    # A file of one's own, its path with a space.
    own = workspace.folder / "a table.csv"
    shutil.copyfile(HOME / "config" / "published" / "sglang-39273.csv", own)
    command = ("--cores", "1", "audit", "--config", "audit=a table.csv")
    assert jobs(workspace.run(*command)) == {"audit": 1, "audit_table": 1}
    assert "one run of an arm" in (workspace.folder / "results/audit/a-table/audit.md").read_text()
    # Edited so that it cannot be understood: refused with its place, and the same file mended is taken.
    whole = own.read_text()
    own.write_text(whole.replace("258.89", "many"))
    said = workspace.run(*command, ok=False)
    assert "a table.csv, line 5, column 'baseline_tok_s': 'many' is not a number" in said
    assert "Traceback" not in said
    own.write_text(whole)
    workspace.run(*command)
    said = workspace.run("--cores", "1", "audit", "--config", "audit=nowhere.csv", ok=False)
    assert "audit: there is no file 'nowhere.csv'" in said
    assert not workspace.results.exists()
