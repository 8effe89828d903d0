"""What all launches of an arm come to, and a component left out beside the arm that had it."""

import pytest

from ablation.evidence.claim import LeftOut
from ablation.evidence.difference import differ
from ablation.evidence.settled import settle, unproved
from tests.evidence import selectors as see
from tests.evidence.claims import claim, launch, session
from tests.evidence.selectors import log

AITER = "VLLM_ROCM_USE_AITER"
ON = {AITER: "1"}


def without(name: str, **more):
    return claim(
        env=ON | {f"{AITER}_{name}": "0"},
        changed=[f"{AITER}_{name}"],
        left_out=[LeftOut(f"{AITER}_{name}", "on")],
        **more,
    )


def arms(whole: str, less: str, name: str, **more) -> list[dict]:
    """The baseline `on` with all components, and `less` without one of them; two launches each."""
    on = claim(env=ON, changed=[f"{AITER}_{name}"])
    return [
        session("on", launch(whole, on, 1), launch(whole, on, 2)),
        session("less", *(launch(less, without(name, **more), n) for n in (3, 4))),
    ]


MOE, MOE_OFF = log("0.33.0", 1, see.MOE_FP8), log("0.33.0", 0, see.MOE_FP8)
INT4 = log("0.33.0", 1, see.MOE_INT4)
MLA, MLA_OFF = log("0.33.0", 1, see.MLA), log("0.33.0", 0, see.MLA)
DENSE = log("0.33.0", 1, see.DENSE)
NORMS, NORMS_OFF = log("0.33.0", 1, see.NORMS), log("0.33.0", 0, see.NORMS)
EAGER = log("0.33.0", 0, see.NORMS, eager=True)
OLD = log("0.14.1", 1, see.MLA)
OLD_GEMM = log("0.14.1", 1, see.MLA, more="[aiter] import [module_gemm_a8w8_blockscale] under /x")


@pytest.mark.parametrize(
    ("whole", "less", "name", "state", "words"),
    [
        (MOE, MOE_OFF, "MOE", "proved", "TRITON, not AITER's experts"),
        (MLA, MLA_OFF, "MLA", "proved", "TRITON_MLA, not AITER's MLA attention"),
        # The trap: the kernel is never named, in the whole arm neither.
        (DENSE, DENSE, "MLA", "refuted", "was not in use in AITER on either (ROCM_ATTN)"),
        (EAGER, EAGER, "RMSNORM", "refuted", "was not in use in AITER on either (RMS norm: native)"),
        (NORMS, NORMS_OFF, "RMSNORM", "proved", "RMS norm: native, not AITER's RMS norm"),
        # The experts are Triton's in both; the router, which the variable switches too, is named nowhere.
        (INT4, INT4, "MOE", "cannot be told", "the logs of AITER on name TRITON too"),
        (MLA, MLA, "MOE", "cannot be told", "no log of AITER on names AITER's experts either"),
        (MLA, MLA, "TRITON_GEMM", "cannot be told", "no log of AITER on names AITER's Triton GEMM either"),
        # Its module is loaded in every launch of the one arm, and in none of the other.
        (OLD_GEMM, OLD, "LINEAR", "proved", "in every log of AITER on, in none without it"),
        (OLD, OLD, "LINEAR", "cannot be told", "no log of AITER on names AITER's linear layers either"),
    ],
)  # fmt: skip
def test_a_component_left_out_is_seen_beside_the_whole_arm(whole, less, name, state, words):
    sessions = arms(whole, less, name)
    (found,) = settle(sessions, "m", "less", lambda arm: {"on": "AITER on"}.get(arm, arm))
    assert found.row.state == state, found.row.text
    assert words in found.row.text
    clauses = unproved(sessions, "on").get(("m", "less"), [])
    assert bool(clauses) is (state != "proved")


def test_a_leave_one_out_arm_without_a_trace_is_not_proved_by_the_whole_arms_line():
    """The expression comes with the arm that it was made from, and matches whether the component is on or off."""
    shared = {"evidence": "Using ROCM_AITER_MLA", "evidence_is_inherited": True}
    sessions = arms(MLA, MLA, "TRITON_GEMM", **shared)
    assert [x["treatment"]["state"] for x in sessions[1]["launches"]] == ["cannot be told"] * 2
    (clause,) = unproved(sessions, "on")["m", "less"]
    assert clause == f"it cannot be told from the log whether {AITER}_TRITON_GEMM=0 took effect"


def test_an_arm_that_was_not_launched_adds_nothing():
    sessions = arms(DENSE, DENSE, "MLA")[1:]
    (found,) = settle(sessions, "m", "less")
    assert found.row.state == "proved"
    # Nor one whose log was read before components were.
    sessions = arms(DENSE, DENSE, "MLA")
    for one in sessions[0]["launches"]:
        del one["evidence"]["components"]
    (found,) = settle(sessions, "m", "less")
    assert found.row.state == "proved"


def test_the_worst_launch_stands_for_the_arm():
    what = claim(env={AITER: "1"})
    sessions = [session("on", launch(MLA, what, 1), launch(MLA_OFF, what, 2), launch(MLA, what, 3))]
    (found,) = settle(sessions, "m", "on")
    assert (found.row.state, found.launches, found.of) == ("cannot be told", 1, 3)
    assert unproved(sessions, "off")["m", "on"] == [
        f"it cannot be told from the log whether {AITER}=1 took effect in 1 of 3 launches"
    ]


def test_launches_that_the_gate_takes_out_say_nothing_of_the_others():
    what = claim(env={AITER: "0", "FOO": "1"})
    refuted, open_ = launch(MLA, what, 1), launch(MLA_OFF, what, 2)
    sessions = [session("on", refuted, open_)]
    assert [x["treatment"]["state"] for x in (refuted, open_)] == ["refuted", "cannot be told"]
    assert unproved(sessions, "off")["m", "on"] == [
        "it cannot be told from the log whether FOO=1 took effect"
    ]


def test_of_the_baseline_only_what_concerns_the_arm():
    base = claim(env={"FOO": "0", "BAR": "0"}, changed=["BAR", "FOO"])
    foo = claim(env={"FOO": "1", "BAR": "0"}, changed=["FOO"], evidence="ROCM_AITER_MLA")
    sessions = [session("off", launch(MLA, base, 1)), session("foo", launch(MLA, foo, 2))]
    assert unproved(sessions, "off", {"off": "Off"}.get)["m", "foo"] == [
        "of Off, it cannot be told from the log whether FOO=0 took effect"
    ]


def test_what_is_proved_or_has_nothing_to_prove_is_not_mentioned():
    proved = session("on", launch(MLA, claim(env={AITER: "1"}), 1))
    same = session("again", launch(MLA, claim(), 2))
    assert unproved([proved, same], "off") == {}


def test_launches_measured_before_are_mentioned_where_nobody_looked():
    old = {"launch_id": "a", "treatment": {"passed": None, "text": "the study asks for no proof"}}
    (clause,) = unproved([session("on", old)], "off")["m", "on"]
    assert clause == (
        "whether the treatment took effect cannot be told (the study asks for no proof)"
    )
    assert unproved([session("on", {"launch_id": "a", "treatment": {"passed": True}})], "off") == {}


def test_a_difference_in_a_norm_or_an_argument_is_a_difference():
    norms = [launch(text, claim(), n) for n, text in enumerate((NORMS, NORMS_OFF))]
    assert differ([norms[0]], [norms[1]])
    line = "(APIServer pid=1) INFO 11-28 04:34:28 [api_utils.py:286] non-default args: {}\n"

    def told(**args):
        return launch(line.format(args) + DENSE, claim(args={"seed": args.get("seed")}))

    assert differ([told(seed=1)], [told(seed=2)])
    # Another port is no treatment, and that a kernel was asked for does not mean that it is in use.
    assert not differ([told(port=1)], [told(port=2)])
    assert not differ([told(attention_backend="A")], [told(attention_backend="B")])
