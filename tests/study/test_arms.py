"""Leave-one-out arms: one word in the study, written out before validation."""

import pytest

from ablation.study.arms import component
from ablation.study.config import Study
from ablation.study.load import StudyError, load_study
from tests.study.test_config import minimal

MASTER = "VLLM_ROCM_USE_AITER"


def factor(**changes: object) -> dict:
    return {
        "name": "aiter", "title": "AITER", "baseline": "on",
        "arms": {
            "off": {"env": {MASTER: 0}},
            "on": {"label": "AITER", "env": {MASTER: 1}, "args": {"block-size": 16}, "evidence": "aiter"},
        },
        "leave_one_out": {"arm": "on", "variables": [f"{MASTER}_MOE", f"{MASTER}_TRITON_GEMM"]},
    } | changes  # fmt: skip


def load(**changes: object) -> Study:
    return load_study(minimal(factor=factor(**changes)), "study.yaml")


def test_each_component_is_off_in_turn():
    arms = load().factor.arms
    assert list(arms) == ["off", "on", "on-without-moe", "on-without-triton-gemm"]
    assert arms["on-without-moe"].env == {MASTER: "1", f"{MASTER}_MOE": "0"}
    assert arms["on-without-triton-gemm"].env == {MASTER: "1", f"{MASTER}_TRITON_GEMM": "0"}


def test_the_rest_is_as_in_the_whole_arm():
    arm = load().factor.arms["on-without-moe"]
    assert arm.label == "AITER without moe"
    assert arm.args == {"block-size": 16}
    assert arm.evidence == "aiter"


def test_another_word_for_off():
    asked = {"arm": "on", "variables": ["SWITCH_A", "SWITCH_B"], "off": "false"}
    arms = load(leave_one_out=asked).factor.arms
    assert arms["on-without-a"].env["SWITCH_A"] == "false"
    assert arms["on-without-b"].env["SWITCH_B"] == "false"


def test_with_a_noise_floor():
    arms = load(noise_floor=True).factor.arms
    assert set(arms) == {"off", "on", "on-again", "on-without-moe", "on-without-triton-gemm"}


@pytest.mark.parametrize(("off", "text"), [(0, "0"), (0.5, "0.5"), ("no", "no")])
def test_a_number_for_off(off, text):
    asked = {"arm": "on", "variables": ["SWITCH_A", "SWITCH_B"], "off": off}
    assert load(leave_one_out=asked).factor.arms["on-without-a"].env["SWITCH_A"] == text


def test_loading_what_was_loaded_changes_nothing():
    once = load()
    assert Study.model_validate(once.model_dump()) == once


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"leave_one_out": {"arm": "no", "variables": ["A"]}}, ["leave_one_out.arm", "'no'"]),
        ({"leave_one_out": {"arm": "on", "variables": []}}, ["leave_one_out.variables"]),
        ({"leave_one_out": {"arm": "on", "variable": ["A"]}}, ["did you mean 'variables'"]),
        (
            {"leave_one_out": {"arm": "on", "variables": [f"{MASTER}_MOE"] * 2}},
            ["an arm 'on-without-moe' already"],
        ),
        ({"leave_one_out": ["A"]}, ["leave_one_out"]),
        (
            {"leave_one_out": {"arm": ["on"], "variables": ["A"]}},
            ["leave_one_out.arm", "must be text"],
        ),
        (
            {"leave_one_out": {"arm": "on", "variables": ["A=B"]}},
            ["variables[0]", "the name of an environment variable"],
        ),
        (
            {"leave_one_out": {"arm": "on", "variables": ["A"], "off": False}},
            ["leave_one_out.off", "false is a YAML boolean"],
        ),
    ],
)
def test_what_cannot_be_left_out(change, words):
    with pytest.raises(StudyError) as error:
        load(**change)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("variable", "variables", "env", "word"),
    [
        (f"{MASTER}_MOE", [f"{MASTER}_MOE"], {MASTER: 1}, "moe"),
        (f"{MASTER}_CUSTOM_AR", [f"{MASTER}_CUSTOM_AR"], {MASTER: 1, "VLLM": 1}, "custom-ar"),
        ("A_B_C", ["A_B_C", "A_B_D"], {}, "c"),
        ("A_B", ["A_B", "A_B_C"], {}, "b"),
        ("ALONE_HERE", ["ALONE_HERE"], {}, "alone-here"),
    ],
)
def test_a_component_in_a_word(variable, variables, env, word):
    assert component(variable, variables, env) == word
