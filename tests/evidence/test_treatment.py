"""Did the treatment happen? From the arm's own settings, the study's expressions, and the server's words."""

from dataclasses import replace

import pytest

from ablation.evidence.difference import differ, unchanged
from ablation.evidence.expectations import engine, findings
from ablation.evidence.launch import collect, rejudge, reread
from ablation.evidence.lines import once
from ablation.evidence.treatment import treatment
from ablation.plan.plan import Plan
from ablation.run.derive import treatment_gate
from ablation.study.config import Arm
from tests.evidence.healthy import BUILDS, HEALTHY
from tests.evidence.logs import CPU, CPU_KV, CPU_LOADED, READY, ROCM_014, ROCM_033
from tests.synthetic import make_plan

PLAIN = CPU + CPU_LOADED + CPU_KV + READY
REFUSED = HEALTHY["cpu, a backend that it cannot use"]
SELECTED = HEALTHY["rocm 0.33, selected"]
MLA = HEALTHY["cpu, MLA"]
AMX = MLA.replace("Using CPU_MLA", "Using AMX_MLA")
UNKNOWN = HEALTHY["rocm 0.14, old variable"]
MOE = (
    ROCM_033
    + "INFO 08-19 11:02:50 [fp8.py:418] Using AITER Fp8 MoE backend out of potential backends: ['AITER'].\n"
)
ON, OFF = {"VLLM_ROCM_USE_AITER": "1"}, {"VLLM_ROCM_USE_AITER": "0"}


def backend(name: str, **more: str) -> Arm:
    return Arm(args={"attention-backend": name}, **more)


@pytest.mark.parametrize(
    ("arm", "log", "passed", "words"),
    [
        # The trap: a CPU starts on CPU_ATTN and says so with an INFO only. No expression of the author's is needed.
        (backend("TRITON_ATTN"), REFUSED, False, "cannot use TRITON_ATTN here; CPU_ATTN was used instead"),
        (backend("TRITON_ATTN", evidence="CPU KV cache"), REFUSED, False, "cannot use TRITON_ATTN"),
        (backend("CPU_ATTN"), PLAIN, True, "CPU_ATTN is in use"),
        (backend("AMX_MLA"), AMX, True, "AMX_MLA is in use"),
        (backend("CPU_MLA"), MLA, True, "CPU_MLA is in use"),
        # A CPU without AMX takes the other one without a word.
        (backend("AMX_MLA"), MLA, False, "CPU_MLA was used instead"),
        (backend("ROCM_AITER_FA"), SELECTED, True, "ROCM_AITER_FA is in use"),
        (backend("rocm_aiter_fa"), SELECTED, True, "ROCM_AITER_FA is in use"),
        (backend("TRITON_ATTN"), SELECTED, False, "ROCM_AITER_FA was used instead"),
        (backend("ROCM_AITER_FA"), HEALTHY["rocm 0.33, own candidates overridden"], True, "is in use"),
        (backend("ROCM_ATTN"), HEALTHY["rocm 0.33, own candidates overridden"], False, "used instead"),
        (backend("auto"), PLAIN, None, "asks for no proof"),
        (backend("FLASH_ATTN"), ROCM_014, False, "names no attention backend"),
        (backend("FLASH_ATTN", evidence="vLLM API server"), ROCM_014, True, "vLLM API server version 0.14.1"),
        (Arm(env={"VLLM_ATTENTION_BACKEND": "TRITON_MLA"}), MLA, False, "used instead"),
        (Arm(args={"moe-backend": "aiter"}), MOE, True, "AITER is in use (moe)"),
        (Arm(args={"moe-backend": "triton"}), MOE, False, "AITER was used instead (moe)"),
        (Arm(args={"dtype": "float32"}), PLAIN, True, "dtype=float32"),
        (Arm(args={"dtype": "bfloat16"}), PLAIN, False, "dtype=float32"),
        (Arm(args={"enforce-eager": True}), PLAIN, True, "enforce_eager=True"),
        # AITER: the variable promises that something of AITER runs, or that nothing does.
        (Arm(env=ON), SELECTED, True, "ROCM_AITER_FA"),
        (Arm(env=ON), ROCM_033 + BUILDS, True, "module_moe_asm"),
        (Arm(env=ON), ROCM_014, False, "nothing in the server's log comes from AITER"),
        (Arm(env=OFF), ROCM_014, True, "names no kernel of AITER"),
        (Arm(env=OFF), SELECTED, False, "used AITER all the same"),
        (Arm(env=OFF, args={"attention-backend": "ROCM_AITER_FA"}), SELECTED, True, "is in use"),
        # Leave one out.
        (Arm(env=ON | {"VLLM_ROCM_USE_AITER_MOE": "0"}), MOE, False, "AITER was used all the same"),
        (Arm(env=ON | {"VLLM_ROCM_USE_AITER_MOE": "0"}), SELECTED, True, "no AITER in use (moe)"),
        # A variable that the server does not know did not change anything.
        (Arm(env={"VLLM_ROCM_USE_AITER_PAGED_ATTN": "1"}), UNKNOWN, False, "VLLM_ROCM_USE_AITER_PAGED_ATTN"),
        (Arm(evidence="version 0.14.1"), UNKNOWN, False, "does not know"),
    ],
)  # fmt: skip
def test_treatment(arm, log, passed, words):
    found = treatment(log, arm)
    assert found["passed"] is passed
    assert words in found["text"]
    gate = treatment_gate({"treatment": found}, required=True)
    assert gate["state"] == {True: "passed", False: "failed", None: "not observed"}[passed]
    assert words in gate["text"]


def test_what_the_engine_says_of_itself():
    assert engine(PLAIN) == {
        "dtype": "float32",
        "enforce_eager": "True",
        "tensor_parallel_size": "1",
        "kv_cache_dtype": "auto",
    }
    assert engine("") == {}
    assert findings("", Arm(args={"dtype": "float32"})) == []


def launch(log: str, number: int = 1, **arm: object) -> dict:
    record = {"launch_id": f"launch-{number}"}
    return record | collect(log, Arm(**arm), [Arm(evidence="Using \\w+ backend")])


def sessions(**logs: str) -> list[dict]:
    return [
        {
            "model": "m",
            "arm": arm,
            "block": 1,
            "launches": [launch(log, evidence="Using")],
            "runs": [{"launch_id": "launch-1"}],
        }
        for arm, log in logs.items()
    ]


def plan(**arms: dict) -> Plan:
    entry = replace(make_plan().models["gqa-small"], arms=list(arms))
    factor = {"name": "f", "title": "F", "baseline": "off", "arms": arms}
    return replace(make_plan(factor=factor, models={"m": {}}), models={"m": entry})


def test_a_treatment_that_changed_nothing_is_found():
    arms = {"off": {}, "on": {"env": {"A": "1"}}}
    assert unchanged(plan(**arms), sessions(off=MLA, on=MLA)) == [("m", "on")]
    assert unchanged(plan(**arms), sessions(off=MLA, on=AMX)) == []
    # An A/A arm is meant to change nothing; a missing arm cannot be compared.
    assert unchanged(plan(off={}, again={}), sessions(off=MLA, again=MLA)) == []
    assert unchanged(plan(**arms), sessions(off=MLA)) == []


def test_no_proof_asked_for_is_no_flag():
    found = sessions(off=MLA, on=MLA)
    for session in found:
        session["launches"] = [launch(MLA)]
    assert unchanged(plan(off={}, on={"env": {"A": "1"}}), found) == []


def test_what_comes_and_goes_within_an_arm_is_no_difference():
    one, other = launch(MLA, 1), launch(AMX, 2)
    assert differ([one], [other])
    assert not differ([one, other], [one, other])
    assert not differ([one, other], [one])
    mentions = [
        launch(MLA + f"INFO Using port_{i} backend\n", i, evidence="Using") for i in range(4)
    ]
    assert not differ(mentions[:2], mentions[2:])


def test_launches_measured_before_are_compared_by_their_lines():
    old = {"launch_id": "a", "backends": ["Using CPU_MLA backend."], "treatment": {"passed": True}}
    new = launch(AMX, 2)
    assert differ([old], [new])
    assert not differ([old], [dict(old)])


def test_a_log_is_read_anew(tmp_path):
    path = tmp_path / "server.log"
    path.write_text(AMX)
    old = {"launch_id": "a", "treatment": {"passed": False, "text": "as it was judged"}}
    again = reread(old, path, Arm(evidence="AMX_MLA"))
    assert again["treatment"]["passed"] is True
    assert again["evidence"]["backends"]["attention"] == ["AMX_MLA"]
    assert again["failure"] is None
    assert rejudge(old, path, Arm(evidence="AMX_MLA"))["treatment"] == again["treatment"]
    for function in (reread, rejudge):
        assert function(old, tmp_path / "gone.log", Arm(evidence="AMX_MLA")) == old


def test_what_a_verbose_library_repeats_is_read_once():
    noise = "onednn_verbose,v1,primitive,exec:check,unused argument (80)\n"
    log = AMX + noise * 500
    assert once(log).count(noise) == 1
    assert collect(log, Arm(evidence="unused argument"))["treatment"]["found"] == [noise.strip()]
