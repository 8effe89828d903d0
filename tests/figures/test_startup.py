"""Start-up: every stage of every launch, failures as crosses with the time they took."""

from ablation.figures import startup
from tests.figures.drawn import words
from tests.synthetic import make_plan, make_sessions


def test_stages_and_failures():
    plan = make_plan()
    sessions = make_sessions(plan)
    died = {
        "launch_id": "launch-0",
        "started_at": "2026-01-01T00:00:00Z",
        "ended_at": "2026-01-01T00:00:31Z",
        "error": "ServerError: died",
        "stages": {"weights_s": 4.0},
    }
    sessions[0]["launches"].insert(0, died)
    figure = startup.draw(plan, sessions=sessions)
    text = words(figure)
    for stage in ("weights read", "engine initialised", "ready (from launch)", "until it failed"):
        assert stage in text
    assert "kv_cache" not in text
    assert "Crosses: 1 launches that failed." in text
    (cross,) = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert cross.get_xdata().tolist() == [31.0]
    assert "AITER on, n = 6 launches" in text
    ready = [line for line in figure.axes[0].lines if set(line.get_xdata()) >= {20.1}]
    assert len(ready) == 1
    assert len(ready[0].get_xdata()) == 6


def test_no_failure_is_said_too():
    plan = make_plan(blocks=1)
    assert "No launch failed." in words(startup.draw(plan, sessions=make_sessions(plan)))
