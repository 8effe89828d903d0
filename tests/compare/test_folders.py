"""Which folders are compared, and what is said where they cannot be."""

import json

import pytest

from ablation.compare.finished import read_finished
from ablation.compare.folders import CompareError, pair_digest, split_pair
from ablation.study.load import StudyError
from tests.finished_study import write_finished
from tests.synthetic import make_plan, make_runs


def finished(folder):
    plan = make_plan(levels=(1,), blocks=3)
    return write_finished(folder, plan, make_runs(plan))


def test_names_may_hold_the_separator(tmp_path):
    for name in ("a-vs-b", "c"):
        finished(tmp_path / name)
    assert split_pair("a-vs-b-vs-c", tmp_path) == (tmp_path / "a-vs-b", tmp_path / "c")
    with pytest.raises(CompareError, match="not two folders under"):
        split_pair("a-vs-b-vs-d", tmp_path)
    for name in ("a", "b-vs-c"):
        finished(tmp_path / name)
    with pytest.raises(CompareError, match="several ways"):
        split_pair("a-vs-b-vs-c", tmp_path)


def test_a_study_is_not_compared_with_itself(tmp_path):
    finished(tmp_path / "a")
    with pytest.raises(CompareError, match="with itself"):
        split_pair("a-vs-a", tmp_path)


def test_a_missing_study_is_named_with_the_remedy(tmp_path):
    finished(tmp_path / "a")
    with pytest.raises(CompareError, match=r"no .*b/plan\.json; .*copy the other machine's folder"):
        split_pair("a-vs-b", tmp_path)
    assert pair_digest("a-vs-b", tmp_path) == ""


@pytest.mark.parametrize("name", ["statistics/arms.parquet", "statistics/comparisons.parquet"])
def test_missing_and_broken_files_are_named(tmp_path, name):
    folder = finished(tmp_path / "a")
    (folder / name).write_bytes(b"PAR1 no longer")
    with pytest.raises(CompareError, match=f"{name}: cannot be read"):
        read_finished(folder)
    (folder / name).unlink()
    with pytest.raises(CompareError, match=f"{name}: not there; finish the study"):
        read_finished(folder)


def test_a_study_without_sessions_is_refused(tmp_path):
    plan = make_plan(levels=(1,), blocks=3)
    folder = write_finished(tmp_path / "a", plan, make_runs(plan), sessions=[])
    with pytest.raises(CompareError, match="no session's evidence"):
        read_finished(folder)


def test_another_schema_is_refused(tmp_path):
    folder = finished(tmp_path / "a")
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps(plan | {"schema": "ablation.plan/9"}))
    with pytest.raises(StudyError, match=r"plan\.json: has schema 'ablation\.plan/9'"):
        read_finished(folder)


def test_the_digest_follows_what_is_read(tmp_path):
    a, b = finished(tmp_path / "a"), finished(tmp_path / "b")
    before = pair_digest("a-vs-b", tmp_path)
    assert pair_digest("a-vs-b", tmp_path) == before
    (a / "report").mkdir()
    (a / "report" / "report.html").write_text("not read")
    assert pair_digest("a-vs-b", tmp_path) == before
    session = next((b / "sessions").rglob("*.json"))
    session.write_text(session.read_text() + "\n")
    assert pair_digest("a-vs-b", tmp_path) != before
