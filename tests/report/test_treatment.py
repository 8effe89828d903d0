"""The treatment section: the arms' evidence side by side, and a treatment that changed nothing."""

import pytest

from ablation.report import build_context, render_html, render_markdown
from ablation.report.treatment import treatment
from ablation.statistics import compare, summarise
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
