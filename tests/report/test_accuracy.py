"""The accuracy gate in the report: beside the verdict, in its own section, and never as markup."""

import numpy as np
import pytest

from ablation.accuracy.simulate import Noise, simulate
from ablation.accuracy.verdicts import judge
from ablation.report import build_context, render_html, render_markdown
from ablation.statistics import compare, summarise
from tests.synthetic import make_plan, make_runs, make_sessions

ATTACK = '<script>alert("1")</script>'


def verdicts(plan: dict, error: float, why: str = ""):
    arm, baseline = simulate(np.random.default_rng(1), 3, Noise(0.01), error)
    launches = [
        type(one)(one.launch_id, "gqa-small", name, one.block, "set", one.answers)
        for name, group in (("on", arm), ("off", baseline))
        for one in group
    ]
    return judge(plan, launches, [("gqa-small", "on", why)] if why else [])


def rendered(error: float | None, why: str = "") -> tuple[str, str]:
    plan = make_plan(accuracy={"median_floor": 0.1, "p95_floor": 0.3, "noise_ratio": 2})
    runs = make_runs(plan, effect_percent=8.0)
    context = build_context(
        plan,
        make_sessions(plan),
        runs,
        summarise(runs, plan),
        compare(runs, plan),
        {},
        accuracy=None if error is None else verdicts(plan, error, why),
    )
    return render_markdown(context), render_html(context)


def test_a_faster_arm_with_other_answers(tmp_path):
    markdown, html = rendered(0.8)
    for text in (markdown, html):
        assert "AITER on is faster, but its answers differ from those of AITER off" in text
        assert "GQA small, AITER on: the answers differ from the baseline" in text
        assert "answers differ" in text
        assert "Are the answers still right?" in text
    assert "use AITER on" not in markdown


def test_a_faster_arm_with_the_same_answers():
    markdown, _ = rendered(0.0)
    assert "use AITER on" in markdown
    assert "the answers are those of the baseline, within the limits of the study" in markdown
    assert "answers differ" not in markdown


def test_a_study_without_answers_has_no_section():
    markdown, _ = rendered(None)
    assert "Are the answers still right?" not in markdown
    assert "use AITER on" in markdown


@pytest.mark.parametrize("error", [0.0, 0.8])
def test_a_servers_words_stay_text(error):
    _, html = rendered(error, f"HTTP 500: {ATTACK}")
    assert ATTACK not in html
    assert "HTTP 500: &lt;script&gt;" in html
