"""What a launch claims: the settings in force, and which of them make it differ from what it is compared with."""

from dataclasses import asdict

import pytest

from ablation.evidence.claim import LeftOut, claim_of
from ablation.study.catalogue import Catalogue, entry_of
from ablation.study.load import load_study

AITER = "VLLM_ROCM_USE_AITER"
CATALOGUE = {
    "models": {
        "big": {
            "title": "Big",
            "architecture": "dense",
            "hub": "org/big",
            "env": {"FROM_THE_CATALOGUE": "1"},
            "support": [
                {
                    "factor": "f",
                    "status": "toggle",
                    "reason": "It runs both ways.",
                    "source": "tests/evidence",
                }
            ],
        }
    }
}


def study(arms: dict, *, baseline: str = "off", server: dict | None = None, **factor):
    document = {
        "study": "s",
        "title": "S",
        "hardware": {"platform": "rocm", "architecture": "gfx942", "gpus": 8},
        "factor": {"name": "f", "title": "F", "baseline": baseline, "arms": arms} | factor,
        "models": {"big": {"vocabulary": 100}},
        "server": {"python": "python3", "vllm": "0.32.0"} | (server or {}),
    }
    return load_study(document, "test")


def claimed(made, arm: str):
    entry = entry_of(Catalogue.model_validate(CATALOGUE), made, "big")
    return claim_of(made, entry, "big", arm)


ARMS = {"off": {"env": {AITER: 0}}, "on": {"env": {AITER: 1}}}


def test_settings_come_from_all_layers():
    made = study(
        {"all": {}, "without": {"env": {f"{AITER}_MOE": 0}}},
        baseline="all",
        server={"env": {AITER: 1}, "args": {"seed": 1}},
    )
    found = claimed(made, "without")
    assert found.env == {AITER: "1", "FROM_THE_CATALOGUE": "1", f"{AITER}_MOE": "0"}
    assert found.args == {"seed": 1}
    assert found.changed == [f"{AITER}_MOE"]
    assert found.left_out == [LeftOut(f"{AITER}_MOE", "all")]
    assert claimed(made, "all").changed == [f"{AITER}_MOE"]


def test_an_arm_differs_from_the_baseline_and_the_baseline_from_any():
    made = study(ARMS | {"fa": {"env": {AITER: 1}, "args": {"attention_backend": "ROCM_AITER_FA"}}})
    assert claimed(made, "on").changed == [AITER]
    assert claimed(made, "fa").changed == [AITER, "attention-backend"]
    off = claimed(made, "off")
    assert (off.variables, off.arguments) == ([AITER], ["attention-backend"])


@pytest.mark.parametrize(
    ("one", "other", "changed"),
    [
        ({"args": {"tp": 8}}, {"args": {"tensor_parallel_size": 8}}, []),
        ({"args": {"seed": 1}}, {"args": {"seed": "1"}}, []),
        ({"args": {"seed": None}}, {}, []),
        ({"args": {"no-enable-prefix-caching": True}}, {"args": {"enable-prefix-caching": False}}, []),
        ({"args": {"seed": 1}}, {}, ["seed"]),
        ({"env": {"A": "1"}}, {"env": {"A": "true"}}, ["A"]),
        ({"env": {"http_proxy": "x"}}, {}, ["http_proxy"]),
        ({"paths": {"big": "/models/fp8"}}, {}, ["model"]),
    ],
)  # fmt: skip
def test_what_is_told_the_same_is_no_change(one, other, changed):
    made = study({"off": other, "on": one})
    for arm in ("on", "off"):
        found = claimed(made, arm)
        assert found.changed == changed
        assert found.variables == [name for name in changed if name in ("A", "http_proxy")]


def test_an_a_a_arm_changes_nothing():
    made = study(ARMS, noise_floor=True)
    assert claimed(made, "off-again").changed == []


def test_a_leave_one_out_arm_knows_what_it_was_made_from():
    made = study(
        {"off": {"env": {AITER: 0}}, "on": {"env": {AITER: 1}, "evidence": "aiter"}},
        leave_one_out={"arm": "on", "variables": [f"{AITER}_MOE", f"{AITER}_TRITON_GEMM"]},
    )
    found = claimed(made, "on-without-moe")
    assert found.changed == [AITER, f"{AITER}_MOE"]
    assert found.left_out == [LeftOut(f"{AITER}_MOE", "on")]
    assert found.evidence == "aiter"
    assert found.evidence_is_inherited
    assert not claimed(made, "on").evidence_is_inherited
    assert claimed(made, "on").left_out == []
    assert claimed(made, "off").left_out == []


def test_what_is_off_by_default_is_not_left_out():
    arms = {"on": {"env": {AITER: 1}}, "less": {"env": {AITER: 1, f"{AITER}_FP8BMM": 0}}}
    made = study(arms, baseline="on")
    assert claimed(made, "less").left_out == [LeftOut(f"{AITER}_FP8BMM", "on")]
    # As of 0.33 it is off unless it is asked for.
    made = study(arms, baseline="on", server={"vllm": "0.33.0"})
    assert claimed(made, "less").left_out == []


def test_a_claim_is_plain_data():
    found = asdict(claimed(study(ARMS), "on"))
    assert found["vllm"] == "0.32.0"
    assert found["location"] == "org/big"
