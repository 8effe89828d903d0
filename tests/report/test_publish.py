"""A finished study as a small folder, and back."""

import json

import pytest

from ablation.plan.schedule import Schedule
from ablation.report.publish import publish, restore
from ablation.study.load import StudyError
from tests.workflow.conftest import STUDY

MADE = {
    "store/launch-1-ab/accuracy.parquet": b"answers",
    "store/launch-1-ab/server.log": b"long",
    "store/0123/requests.parquet": b"raw",
    "sessions/toy/slow/block-1.json": b"{}",
    "runs/toy/slow/block-1/concurrency-1.parquet": b"a run",
    "runs/toy/slow/block-1/concurrency-4.parquet": b"the run that is drawn",
    "aggregate/runs.parquet": b"runs",
    "statistics/arms.parquet": b"arms",
    "figures/difference.svg": b"<svg/>",
    "figures/difference.png": b"png",
    "report/report.html": b"<html>",
    "report/report.md": b"#",
    "plan.json": b"{}",
}


@pytest.fixture
def schedule(tmp_path, monkeypatch) -> Schedule:
    monkeypatch.chdir(tmp_path)
    study = json.loads(json.dumps(STUDY))
    del study["models"]["fixed"], study["catalogue"]
    schedule = Schedule.from_config(study)
    for name, content in MADE.items():
        path = schedule.results / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return schedule


def test_there_and_back(schedule, tmp_path):
    files = {str(file) for file in publish(schedule, tmp_path / "docs")}
    left_out = {"store/launch-1-ab/server.log", "store/0123/requests.parquet"}
    left_out |= {"figures/difference.png", "runs/toy/slow/block-1/concurrency-1.parquet"}
    assert files == set(MADE) - left_out
    assert (tmp_path / "docs/report/report.html").read_bytes() == b"<html>"

    schedule.results.rename(tmp_path / "before")
    back = {str(file) for file in restore(schedule, tmp_path / "docs")}
    # What the restored tables are for is to be made from them.
    made_anew = {name for name in files if name.startswith(("statistics", "figures", "report"))}
    assert back == files - made_anew
    for name in back:
        assert (schedule.results / name).read_bytes() == MADE[name]
    when = {name: (schedule.results / name).stat().st_mtime for name in back}
    assert (
        when["sessions/toy/slow/block-1.json"] < when["runs/toy/slow/block-1/concurrency-4.parquet"]
    )
    assert when["runs/toy/slow/block-1/concurrency-4.parquet"] < when["aggregate/runs.parquet"]


def test_published_again_over_itself(schedule, tmp_path):
    publish(schedule, tmp_path / "docs")
    (tmp_path / "docs/figures/of-another-version.svg").write_text("<svg/>")
    publish(schedule, tmp_path / "docs")
    assert not (tmp_path / "docs/figures/of-another-version.svg").exists()


def test_nothing_is_overwritten(schedule, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    with pytest.raises(StudyError, match="holds something that is no published study"):
        publish(schedule, tmp_path / "mine")
    publish(schedule, tmp_path / "docs")
    with pytest.raises(StudyError, match=r"results/small: exists; move it away"):
        restore(schedule, tmp_path / "docs")
    schedule.results.rename(tmp_path / "before")
    with pytest.raises(StudyError, match=r"no aggregate/runs.parquet"):
        restore(schedule, tmp_path / "mine")
    with pytest.raises(StudyError, match="no report; make it first"):
        publish(schedule, tmp_path / "docs")
