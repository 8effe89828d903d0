"""The treatment section: the arms' evidence side by side, and a treatment that changed nothing."""

import pytest

from ablation.evidence.claim import LeftOut
from ablation.evidence.launch import collect
from ablation.report import build_context, render_html, render_markdown
from ablation.report.content import NONE
from ablation.report.treatment import treatment
from ablation.statistics import compare, summarise
from tests.evidence import selectors as see
from tests.evidence.claims import claim
from tests.evidence.selectors import log
from tests.synthetic import make_plan, make_runs, make_sessions


def with_evidence(sessions, kernels):
    """Sessions whose launches name these attention kernels by arm, as launches of today do."""
    for session in sessions:
        for launch in session["launches"]:
            name = kernels[session["arm"]]
            launch["backends"] = [f"Using {name} backend."]
            launch["treatment"] |= {"found": [], "marks": []}
            launch["evidence"] = {
                "backends": {"attention": [name], "moe": [], "linear": [], "vision": []},
                "fallbacks": ["AITER paged-MQA logits is unavailable; using the PyTorch fallback"],
                "jit": {
                    "aiter_builds": 2,
                    "aiter_build_s": 81.5,
                    "aiter_modules": ["module_moe_asm"],
                    "torch_compile_s": 31.0,
                    "late_compilations": [],
                },
                "untuned": {"shapes": 7, "lines": 56, "vllm": 1},
            }
    return sessions


def rows(section, model="gqa-small"):
    table = next(t for t in section.tables if t.id == f"treatment-{model}")
    return {row[0].text: row[1:] for row in table.rows}


def test_one_column_an_arm_and_launches_counted():
    plan = make_plan()
    sessions = with_evidence(make_sessions(plan), {"off": "TRITON_MLA", "on": "ROCM_AITER_MLA"})
    one = next(s for s in sessions if s["model"] == "gqa-small" and s["arm"] == "on")
    one["launches"][0]["evidence"]["backends"]["attention"] = ["TRITON_MLA"]
    found = rows(treatment(plan, sessions))
    off, on = found["Attention"]
    assert off.text == "TRITON_MLA (6 of 6 launches)"
    assert on.text == "ROCM_AITER_MLA (5 of 6 launches)\nTRITON_MLA (1 of 6 launches)"
    assert (off.kind, on.kind) == ("log", "warn")
    assert found["Kernels built by AITER"][1].text == "12, 489 s in all"
    assert found["Shapes without a tuned configuration"][1].text == "8 (6 of 6 launches)"
    assert found["torch.compile"][0].text == "31 to 31 s (6 of 6 launches)"
    assert "MoE" not in found
    assert "PyTorch fallback" in found["Fallbacks"][0].text


def test_launches_measured_before_have_no_components():
    found = rows(treatment(make_plan(), make_sessions(make_plan())))
    assert "Attention" not in found
    assert found["Lines that name kernels"][0].text == "Using off backend"


@pytest.mark.parametrize("on", ["TRITON_MLA", "ROCM_AITER_MLA"])
def test_a_treatment_that_changed_nothing_is_said_in_the_verdict(on):
    plan = make_plan()
    runs = make_runs(plan)
    sessions = with_evidence(make_sessions(plan), {"off": "TRITON_MLA", "on": on})
    context = build_context(plan, sessions, runs, summarise(runs, plan), compare(runs, plan), {})
    (verdict,) = context["sections"][0].sentences
    same = on == "TRITON_MLA"
    assert verdict.endswith("; but the log shows no difference between the arms.") is same
    for text in (render_html(context), render_markdown(context)):
        assert ("GQA small, AITER on: the log shows no difference" in text) is same


AITER = "VLLM_ROCM_USE_AITER"


def with_claims(plan, cases, **arms):
    """Sessions whose launches were read from logs that vLLM's selectors printed: arm -> its own settings."""
    sessions = make_sessions(plan)
    for session in sessions:
        for launch in session["launches"]:
            launch |= collect(cases[session["arm"]], arms[session["arm"]])
    return sessions


def verdict_of(plan, sessions):
    runs = make_runs(plan)
    context = build_context(plan, sessions, runs, summarise(runs, plan), compare(runs, plan), {})
    return context["sections"][0].sentences[0], render_markdown(context)


def test_a_verdict_is_not_given_without_what_the_logs_cannot_tell():
    plan = make_plan()
    off = claim(env={AITER: "0"})
    on = claim(env={AITER: "1", f"{AITER}_TRITON_GEMM": "0"})
    logs = {arm: log("0.33.0", int(arm == "on"), see.MLA) for arm in ("off", "on")}
    sessions = with_claims(plan, logs, off=off, on=on)
    sentence, text = verdict_of(plan, sessions)
    clause = f"it cannot be told from the log whether {AITER}_TRITON_GEMM=0 took effect"
    assert sentence.startswith("GQA small: use AITER on")
    assert sentence.endswith(f"; but {clause}.")
    assert "12 of 18 server launches proved their treatment in their own log" in text
    assert "of 6 it cannot be told from the log" in text
    found = rows(treatment(plan, sessions))
    off_cell, on_cell = found[f"Proof of {AITER}"]
    assert off_cell.text.startswith("proved: the server's log names no kernel of AITER")
    assert (off_cell.kind, on_cell.kind) == ("good", "good")
    missing, open_ = found[f"Proof of {AITER}_TRITON_GEMM"]
    assert (missing.text, missing.kind) == (NONE, "")
    assert open_.text == "cannot be told: AITER's Triton GEMM: no line of vLLM names it"
    assert open_.kind == "warn"
    assert found["Treatment proved"][1].text == "0 of 6 launches; cannot be told in 6"


def test_what_the_baselines_logs_cannot_tell_is_said_too():
    plan = make_plan()
    logs = dict.fromkeys(("off", "on"), log("0.33.0", 1, see.MLA))
    sessions = with_claims(
        plan,
        logs,
        off=claim(env={"FOO": "0", "BAR": "0"}, expressions=["ROCM_AITER_MLA"]),
        on=claim(env={"FOO": "1"}, evidence="ROCM_AITER_MLA"),
    )
    sentence, _ = verdict_of(plan, sessions)
    assert sentence.endswith(
        "the log shows no difference between the arms; and of AITER off, it cannot be told from the log whether "
        "FOO=0 took effect."
    )


def test_a_component_that_was_in_use_in_neither_arm_is_said_beside_the_verdict():
    plan = make_plan()
    less = claim(
        env={AITER: "1", f"{AITER}_MLA": "0"},
        changed=[f"{AITER}_MLA"],
        left_out=[LeftOut(f"{AITER}_MLA", "off")],
    )
    logs = dict.fromkeys(("off", "on"), log("0.33.0", 1, see.DENSE, see.NORMS))
    sessions = with_claims(plan, logs, off=claim(changed=[f"{AITER}_MLA"]), on=less)
    assert all(
        launch["treatment"]["passed"]
        for session in sessions
        if session["arm"] == "on"
        for launch in session["launches"]
    )
    sentence, _ = verdict_of(plan, sessions)
    assert "this component was not in use in AITER off either (ROCM_ATTN)" in sentence
    cell = rows(treatment(plan, sessions))[f"Proof of {AITER}_MLA"][1]
    assert cell.kind == "bad"
    assert cell.text.startswith("refuted: this component was not in use")


def test_an_a_a_comparison_has_nothing_to_prove():
    plan = make_plan(arms=("off", "off-again"))
    logs = dict.fromkeys(("off", "off-again"), log("0.33.0", 0, see.DENSE))
    sessions = with_claims(plan, logs, **dict.fromkeys(("off", "off-again"), claim()))
    sentence, text = verdict_of(plan, sessions)
    assert "cannot be told" not in sentence
    assert "18 had nothing to prove" in text
    assert rows(treatment(plan, sessions))["Treatment proved"][0].text == "nothing to prove"
    assert "Not proved" not in rows(treatment(plan, sessions))
