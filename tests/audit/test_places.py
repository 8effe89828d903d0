"""Which file a page is made of."""

import os
import subprocess
import sys

import pytest

from ablation.audit.places import given_table, name_of, source_of, table_of, targets_of
from ablation.audit.table import AuditError
from ablation.places import HOME


def test_a_shipped_table_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert table_of("vllm-54742", None) == str(HOME / "config" / "published" / "vllm-54742.csv")
    assert source_of("vllm-54742", None) == "config/published/vllm-54742.csv"
    assert "results/audit/vllm-54742/audit.html" in targets_of(None)


def test_the_given_file_goes_before_a_shipped_one_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vllm-54742.csv").write_text("off,on\n1,2\n")
    given = given_table("vllm-54742.csv")
    assert table_of("vllm-54742", given) == "vllm-54742.csv"
    assert targets_of(given) == ["results/audit/vllm-54742/audit.html"]


@pytest.mark.parametrize(
    ("path", "name"),
    [("a b.csv", "a-b"), ("x/../t.csv", "t"), (".csv", "csv"), ("\u00fc.csv", "table")],
)
def test_the_name_of_a_folder_holds_nothing_that_a_path_should_not(path, name):
    assert name_of(path) == name


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, "5 is not a path"), (["a", "b"], "is not a path"), ("", "is not a path"), (True, "is not a path"),
        ("none.csv", "there is no file 'none.csv'"), (".", "there is no file '.'"), ("x{y}.csv", "holds a brace"),
    ],
)  # fmt: skip
def test_what_names_no_file_is_refused(value, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AuditError, match=message):
        given_table(value)


def test_nothing_given_is_nothing_refused():
    assert given_table(None) is None


def test_the_rule_files_need_neither_numpy_nor_pandas_for_it():
    code = (
        "import sys, ablation.audit.places; print({'numpy', 'pandas', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(HOME / "workflow")},
    )  # fmt: skip
    assert done.stdout.strip() == "set()"
