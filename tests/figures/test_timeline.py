"""Timeline: each request's times as they stand in the parquet; which run is taken."""

import numpy as np
import pytest

from ablation.figures import timeline
from ablation.study.load import StudyError
from tests.figures.drawn import words, write_run
from tests.run_rows import closed_loop, request
from tests.synthetic import make_plan


def spans(figure, place):
    """(start, end) of the horizontal lines of a kind: 0 scheduled, 1 to first token, 2 to the end."""
    return np.array([s[:, 0] for s in figure.axes[1].collections[place].get_segments()])


def test_requests_stand_in_the_order_of_sending(tmp_path):
    plan = make_plan()
    requests = closed_loop(4, 40)
    path = write_run(tmp_path, plan, requests[::-1], concurrency=4)
    figure = timeline.draw(plan, run=[path])
    sent = sorted(one["sent_s"] for one in requests)
    assert np.allclose(spans(figure, 1)[:, 0], sent)
    assert np.allclose(spans(figure, 1)[:, 1] - spans(figure, 1)[:, 0], 0.1)
    assert np.allclose(spans(figure, 2)[:, 1] - spans(figure, 2)[:, 0], 0.9)
    assert "n = 40 requests" in words(figure)
    assert "GQA small, AITER off, block 1, concurrency 4" in words(figure)
    # Both panels have the window shaded.
    assert all(ax.patches for ax in figure.axes)


def test_too_many_requests_are_thinned_and_that_is_said(tmp_path):
    plan = make_plan()
    path = write_run(tmp_path, plan, closed_loop(4, 1_000, tokens=5), concurrency=4)
    figure = timeline.draw(plan, run=[path])
    assert len(spans(figure, 1)) == 250
    assert "Every 4th request is drawn (250)." in words(figure)


def test_failed_requests_and_a_run_without_a_window_are_seen(tmp_path):
    plan = make_plan()
    requests = [request(0.0, 0.1, 0.01, 5, error="reset"), request(1.0, 1.1, 0.01, 5)]
    path = write_run(tmp_path, plan, requests, concurrency=16)
    text = words(timeline.draw(plan, run=[path]))
    assert "failed, 1" in text
    assert "there is no window" in text
    assert "Out of the comparison, gates failed: achieved_concurrency, failures" in text


def test_of_several_runs_the_median_usable_one_is_taken(tmp_path):
    plan = make_plan()
    paths = [
        write_run(tmp_path, plan, closed_loop(4, 40, gap=gap), concurrency=4, block=block, **more)
        for block, gap, more in (
            (1, 0.02, {"usable": True}),
            (2, 0.01, {"usable": True}),
            (3, 0.03, {"usable": True}),
            (4, 0.001, {"usable": False}),
        )
    ]
    assert timeline.choose(paths)[0] == paths[0]
    assert timeline.choose(paths[3:])[0] == paths[3]


def test_a_run_of_another_configuration_is_refused(tmp_path):
    plan = make_plan()
    path = write_run(tmp_path, plan, closed_loop(4, 40), concurrency=4, run_hash="old")
    with pytest.raises(StudyError, match="another configuration"):
        timeline.draw(plan, run=[path])
