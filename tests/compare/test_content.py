"""What the comparison says, in both forms; and that text stays text."""

import copy

import pytest

from ablation.compare.content import build_context
from ablation.compare.contrast import absolute, contrast
from ablation.compare.finished import read_finished
from ablation.report import render_html, render_markdown
from tests.finished_study import write_finished
from tests.report.test_report import ATTACK, check
from tests.synthetic import make_plan, make_runs, make_sessions, relaunch, remodel, restudy


def compared(tmp_path, plans, sessions=(None, None), effects=(4.0, 4.0)):
    studies = []
    for i, (plan, own, effect) in enumerate(zip(plans, sessions, effects, strict=True)):
        runs = make_runs(plan, i, effect_percent=effect, cov_percent=0.3)
        studies.append(read_finished(write_finished(tmp_path / f"s{i}", plan, runs, own)))
    context = build_context(*studies, contrast(*studies), absolute(*studies))
    return context, render_html(context), render_markdown(context)


def section(context, name):
    return next(s for s in context["sections"] if s.id == name)


def test_what_differs_comes_first(tmp_path):
    plans = [make_plan(), make_plan(blocks=4, margin=3.0)]
    plans[1] = restudy(
        relaunch(plans[1], lambda s: {"command": [*s.launch.command, "--kv-cache-dtype", "fp8"]}),
        server={"vllm": "0.34.0"},
        factor={"arms": {"on": {"env": {"EXTRA": "1"}}}},
    )
    sessions = [make_sessions(plan) for plan in plans]
    for session in sessions[1]:
        session["launches"][0]["hardware"]["cpu"] = "another CPU"
    context, html, markdown = compared(tmp_path, plans, sessions)
    check(html)
    assert context["sections"][0].id == "differences"
    rows = {
        row[0].text: [cell.text for cell in row[1:]]
        for row in section(context, "differences").tables[0].rows
    }
    assert rows["vLLM (planned)"] == ["versions", "0.33.0", "0.34.0"]
    assert rows["cpu"] == ["hardware", "a CPU", "another CPU"]
    assert rows["blocks"] == ["design", "6", "4"]
    assert rows["gqa-small/on"] == ["command", "–", "--kv-cache-dtype fp8"]  # noqa: RUF001
    assert rows["arm on: EXTRA"] == ["treatment", "–", "1"]  # noqa: RUF001
    assert "torch" not in rows
    said = " ".join(section(context, "differences").sentences)
    assert "treatment, hardware, versions, command, design" in said
    assert "another treatment in each study" in said
    assert "torch" in [row[0].text for row in section(context, "same").tables[0].rows]
    assert "shown to be within 2 % of each other" in " ".join(
        section(context, "agreement").sentences
    )
    for text in (html, markdown):
        assert "another CPU" in text


def test_a_repeat_is_called_one(tmp_path):
    plan = make_plan()
    context, _, _ = compared(tmp_path, [plan, copy.deepcopy(plan)])
    assert "the second repeats the first" in section(context, "differences").sentences[0]
    assert "agree at 1, 4, 16." in section(context, "agreement").sentences[0]
    assert section(context, "only").sentences == ["Both have the same models, arms and levels."]


def test_what_only_one_has_is_said(tmp_path):
    plans = [make_plan(levels=(1, 4)), make_plan(levels=(4, 64), arms=("off", "on", "fa"))]
    context, html, _ = compared(tmp_path, plans)
    check(html)
    said = section(context, "only").items
    assert "Only s0 has the levels 1." in said
    assert "Only s1 has the levels 64." in said
    assert "Only s1 has the arms fa." in said


@pytest.mark.parametrize("simulated", [(True, True), (False, True), (False, False)])
def test_which_study_was_simulated_is_said(tmp_path, simulated):
    plans = [make_plan(simulated=value) for value in simulated]
    _, html, markdown = compared(tmp_path, plans)
    names = " and ".join(f"s{i}" for i, value in enumerate(simulated) if value)
    said = f"{names}: not measured on a real server."
    for text in (html, markdown):
        assert (said in text) is any(simulated)
        assert ("SIMULATED" in text) is any(simulated)


def test_text_from_logs_and_plans_stays_text(tmp_path):
    plans = [
        restudy(
            remodel(make_plan(), "gqa-small", title=ATTACK),
            factor={"arms": {"on": {"label": ATTACK}}},
        ),
        relaunch(
            restudy(remodel(make_plan(), "gqa-small", location=ATTACK), title=ATTACK),
            lambda s: {"command": ["vllm", ATTACK]} if s.rank == 1 else {},
        ),
    ]
    sessions = [make_sessions(plan) for plan in plans]
    sessions[1][0]["launches"][0]["versions"]["vllm"] = ATTACK
    _, html, markdown = compared(tmp_path, plans, sessions)
    page = check(html)
    assert ATTACK in "".join(page.words)
    assert "<script>alert" not in html
    assert "<script" not in markdown


def test_nothing_to_compare_within_but_absolute_values(tmp_path):
    plan = make_plan(single_only=True)
    context, html, _ = compared(tmp_path, [plan, copy.deepcopy(plan)])
    check(html)
    assert "No comparison of output throughput" in section(context, "agreement").sentences[0]
    assert section(context, "absolute").tables
