"""Did the treatment happen? From the settings in force, the study's expressions, and the server's words."""

from dataclasses import replace

import pytest

from ablation.evidence.difference import differ, unchanged
from ablation.evidence.launch import collect, rejudge, reread
from ablation.evidence.lines import once
from ablation.evidence.reading import read
from ablation.evidence.treatment import rows_of, state_of
from ablation.plan.plan import Plan
from ablation.run.derive import treatment_gate
from tests.evidence.claims import claim, launch, proof, session
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


def backend(name: str, **more: str):
    return claim(args={"attention-backend": name}, **more)


@pytest.mark.parametrize(
    ("what", "log", "state", "words"),
    [
        # The trap: a CPU starts on CPU_ATTN and says so with an INFO only. No expression of the author's is needed.
        (backend("TRITON_ATTN"), REFUSED, "refuted", "cannot use TRITON_ATTN here; CPU_ATTN was used instead"),
        (backend("TRITON_ATTN", evidence="CPU KV cache"), REFUSED, "refuted", "cannot use TRITON_ATTN"),
        (backend("CPU_ATTN"), PLAIN, "proved", "CPU_ATTN is in use"),
        (backend("AMX_MLA"), AMX, "proved", "AMX_MLA is in use"),
        (backend("CPU_MLA"), MLA, "proved", "CPU_MLA is in use"),
        # A CPU without AMX takes the other one without a word.
        (backend("AMX_MLA"), MLA, "refuted", "CPU_MLA was used instead"),
        (backend("ROCM_AITER_FA"), SELECTED, "proved", "ROCM_AITER_FA is in use"),
        (backend("rocm_aiter_fa"), SELECTED, "proved", "ROCM_AITER_FA is in use"),
        (backend("TRITON_ATTN"), SELECTED, "refuted", "ROCM_AITER_FA was used instead"),
        (backend("ROCM_AITER_FA"), HEALTHY["rocm 0.33, own candidates overridden"], "proved", "is in use"),
        (backend("ROCM_ATTN"), HEALTHY["rocm 0.33, own candidates overridden"], "refuted", "used instead"),
        (backend("FLASH_ATTN"), ROCM_014, "cannot be told", "names no attention backend"),
        (backend("FLASH_ATTN", evidence="vLLM API server"), ROCM_014, "proved", "vLLM API server version 0.14.1"),
        (claim(env={"VLLM_ATTENTION_BACKEND": "TRITON_MLA"}), MLA, "refuted", "used instead"),
        (claim(args={"moe-backend": "aiter"}), MOE, "proved", "AITER is in use (moe)"),
        (claim(args={"moe-backend": "triton"}), MOE, "refuted", "AITER was used instead (moe)"),
        (claim(args={"dtype": "float32"}), PLAIN, "proved", "dtype=float32"),
        (claim(args={"dtype": "bfloat16"}), PLAIN, "refuted", "dtype=float32"),
        (claim(args={"enforce-eager": True}), PLAIN, "proved", "enforce_eager=True"),
        # AITER: the variable promises that something of AITER runs, or that nothing does.
        (claim(env=ON), SELECTED, "proved", "ROCM_AITER_FA"),
        (claim(env=ON), ROCM_033 + BUILDS, "proved", "module_moe_asm"),
        (claim(env=ON), ROCM_014, "cannot be told", "nothing in the server's log comes from AITER"),
        # A log that names no kernel at all does not show that AITER's are not in use.
        (claim(env=OFF), ROCM_014, "cannot be told", "nor would it have to with AITER on"),
        (claim(env=OFF), HEALTHY["rocm 0.14, AITER off"], "proved", "names no kernel of AITER (TRITON_ATTN)"),
        (claim(env=OFF), SELECTED, "refuted", "used AITER all the same"),
        # A variable that the server does not know did not change anything.
        (claim(env={"VLLM_ROCM_USE_AITER_PAGED_ATTN": "1"}), UNKNOWN, "refuted", "does not know this variable"),
        # An image may set variables for its own scripts: they are nobody's treatment.
        (claim(evidence="version 0.14.1"), UNKNOWN, "proved", "version 0.14.1"),
        (claim(env={"VLLM_ROCM_USE_AITER_PAGED_ATTN": "1"}, changed=[]), UNKNOWN, "nothing to prove", "settings"),
        # No check knows it: that is no proof.
        (claim(env={"ROCM_FOO": "1"}), PLAIN, "cannot be told", "whether ROCM_FOO=1 took effect"),
        (claim(env={"ROCM_FOO": "1"}, counter_evidence="no such line"), PLAIN, "cannot be told", "ROCM_FOO"),
        (claim(env={"ROCM_FOO": "1"}, evidence="CPU KV cache"), PLAIN, "proved", "CPU KV cache"),
        (claim(env={"ROCM_FOO": "1"}, evidence="GPU KV cache"), PLAIN, "refuted", "no line of the server's log"),
        # What an arm leaves unset asks for nothing.
        (claim(changed=["ROCM_FOO"]), PLAIN, "nothing to prove", "what the others change"),
        (claim(), PLAIN, "nothing to prove", "the baseline's settings"),
    ],
)  # fmt: skip
def test_treatment(what, log, state, words):
    found = proof(log, what)
    assert found["state"] == state
    assert found["passed"] is {"proved": True, "refuted": False}.get(state)
    assert words in found["text"]
    gate = treatment_gate({"treatment": found}, required=True)
    expected = {"refuted": "failed", "cannot be told": "not observed"}.get(state, "passed")
    assert gate["state"] == expected
    assert words in gate["text"]


def test_each_changed_setting_has_its_row():
    what = claim(
        env=ON | {"ROCM_FOO": "1", "SAME": "1"},
        args={"attention-backend": "ROCM_AITER_FA", "seed": 1},
        changed=["VLLM_ROCM_USE_AITER", "ROCM_FOO", "attention-backend", "max-num-seqs", "seed"],
    )
    found = proof(SELECTED, what)
    assert {row["name"]: row["state"] for row in found["settings"]} == {
        "VLLM_ROCM_USE_AITER": "proved",
        "ROCM_FOO": "cannot be told",
        "attention-backend": "proved",
        "max-num-seqs": "cannot be told",
        "seed": "cannot be told",
    }
    assert found["state"] == "cannot be told"


def test_the_studys_own_line_stands_for_the_one_setting_that_no_check_knows():
    asked = {"evidence": "CPU KV cache"}
    (row,) = proof(PLAIN, claim(env={"FOO": "1"}, **asked))["settings"]
    assert row["state"] == "proved"
    assert "the line that the study asks for is there: CPU KV cache size" in row["text"]
    # Of two it cannot be told which of them the line shows.
    found = proof(PLAIN, claim(env={"FOO": "1", "BAR": "1"}, **asked))
    assert [row["state"] for row in found["settings"]] == ["cannot be told"] * 2
    assert found["state"] == "proved"


@pytest.mark.parametrize(
    ("log", "planned", "refuted"),
    [
        (ROCM_014, "0.14.1", False),
        (ROCM_014, "0.33.0", True),
        (ROCM_033, "0.14.1", True),
        # As vLLM names itself where it was built for a platform.
        (PLAIN.replace("v0.32.0", "v0.32.0+cpu"), "0.32.0", False),
        (PLAIN.replace("v0.32.0", "v0.32.0+cpu"), "0.32.0+cu129", True),
        ("INFO nothing of a version\n", "0.32.0", False),
    ],
)
def test_another_version_than_the_planned_one_refutes(log, planned, refuted):
    found = proof(log, claim(vllm=planned))
    assert (found["state"] == "refuted") is refuted
    assert ("the server says that it is vLLM" in found["text"]) is refuted


def test_what_the_engine_says_of_itself():
    assert read(PLAIN).engine == {
        "dtype": "float32",
        "enforce_eager": "True",
        "tensor_parallel_size": "1",
        "kv_cache_dtype": "auto",
    }
    assert read("").engine == {}


def test_launches_measured_before_are_read_as_they_were_kept():
    settings = [
        {"setting": "attention-backend: X", "kept": True, "text": "X is in use"},
        {"setting": "VLLM_ROCM_USE_AITER=1", "kept": False, "text": "nothing"},
        {"setting": "dtype", "kept": None, "text": "?"},
    ]
    rows = rows_of({"settings": settings})
    assert [(row.name, row.state) for row in rows] == [
        ("attention-backend", "proved"),
        ("VLLM_ROCM_USE_AITER", "refuted"),
        ("dtype", "cannot be told"),
    ]
    assert [state_of({"passed": passed}) for passed in (True, False, None)] == [
        "proved",
        "refuted",
        "cannot be told",
    ]
    assert state_of(None) == "cannot be told"
    assert treatment_gate({}, required=True)["state"] == "not observed"


def sessions(**logs: str) -> list[dict]:
    return [session(arm, launch(log, claim(evidence="Using"))) for arm, log in logs.items()]


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
    for one in found:
        one["launches"] = [launch(MLA, claim(env={"A": "1"}))]
    assert unchanged(plan(off={}, on={"env": {"A": "1"}}), found) == []


def test_what_comes_and_goes_within_an_arm_is_no_difference():
    one, other = launch(MLA, claim()), launch(AMX, claim(), 2)
    assert differ([one], [other])
    assert not differ([one, other], [one, other])
    assert not differ([one, other], [one])
    asked = claim(evidence="Using")
    mentions = [launch(MLA + f"INFO Using port_{i} backend\n", asked, i) for i in range(4)]
    assert not differ(mentions[:2], mentions[2:])


def test_launches_measured_before_are_compared_by_their_lines():
    old = {"launch_id": "a", "backends": ["Using CPU_MLA backend."], "treatment": {"passed": True}}
    new = launch(AMX, claim(), 2)
    assert differ([old], [new])
    assert not differ([old], [dict(old)])


def test_what_only_some_launches_kept_is_no_difference():
    """A launch whose log is gone stands as it was recorded, beside others that were read anew."""
    new = launch(AMX, claim(), 2)
    old = launch(AMX, claim(), 1)
    for part in ("components", "arguments"):
        del old["evidence"][part]
    del old["evidence"]["backends"]["prefill"]
    assert not differ([old], [new])
    assert differ([old], [launch(MLA, claim(), 3)])


def test_a_log_is_read_anew(tmp_path):
    path = tmp_path / "server.log"
    path.write_text(AMX)
    old = {"launch_id": "a", "treatment": {"passed": False, "text": "as it was judged"}}
    again = reread(old, path, claim(evidence="AMX_MLA"))
    assert again["treatment"]["passed"] is True
    assert again["evidence"]["backends"]["attention"] == ["AMX_MLA"]
    assert again["failure"] is None
    assert rejudge(old, path, claim(evidence="AMX_MLA"))["treatment"] == again["treatment"]
    for function in (reread, rejudge):
        assert function(old, tmp_path / "gone.log", claim(evidence="AMX_MLA")) == old


def test_what_a_verbose_library_repeats_is_read_once():
    noise = "onednn_verbose,v1,primitive,exec:check,unused argument (80)\n"
    log = AMX + noise * 500
    assert once(log).count(noise) == 1
    assert collect(log, claim(evidence="unused argument"))["treatment"]["found"] == [noise.strip()]
