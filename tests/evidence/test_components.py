"""AITER's components, switched on and off, in lines that vLLM's own selectors printed (0.14.1, 0.32 and 0.33)."""

from pathlib import Path

import pytest

from ablation.evidence.backends import fallbacks, warnings
from ablation.evidence.components import COMPONENTS
from tests.evidence import selectors as see
from tests.evidence.claims import claim, proof
from tests.evidence.selectors import log

AITER = "VLLM_ROCM_USE_AITER"
CASES = Path(__file__).with_name("selectors.json")


def aiter(value: int, args: dict | None = None, **components: int):
    env = {AITER: str(value)} | {f"{AITER}_{name}": str(on) for name, on in components.items()}
    changed = [f"{AITER}_{name}" for name in components] or [AITER]
    return claim(env=env, args=args, changed=changed)


def all_reduce(*names: str) -> str:
    return see.ALL_REDUCE.format(list(names))


@pytest.mark.parametrize("version", ["0.14.1", "0.32.0", "0.33.0"])
@pytest.mark.parametrize("on", [0, 1])
def test_a_model_with_mla_shows_which_arm_it_ran(version, on):
    cases = [see.MLA] if version == "0.14.1" else [see.MLA, see.PREFILL, see.NORMS]
    text = log(version, on, *cases)
    assert proof(text, aiter(on))["state"] == "proved"
    assert proof(text, aiter(1 - on))["state"] == ("cannot be told" if on == 0 else "refuted")


@pytest.mark.parametrize(
    ("what", "text", "state", "words"),
    [
        # T1: lines of 0.14.1.
        (aiter(1), log("0.14.1", 1, see.MOE_FP8_014), "proved", "AITER"),
        (aiter(0), log("0.14.1", 1, see.MOE_FP8_014), "refuted", "used AITER all the same: AITER"),
        (aiter(0), log("0.14.1", 0, see.MOE_FP8_014), "proved", "Triton"),
        (aiter(1), log("0.14.1", 1, see.SPARSE_014), "proved", "ROCM_AITER_MLA_SPARSE"),
        # No arm without AITER exists for sparse attention, whatever the variable says.
        (aiter(0), log("0.14.1", 0, see.SPARSE_014), "refuted", "ROCM_AITER_MLA_SPARSE"),
        (aiter(0), log("0.33.0", 0, see.SPARSE), "refuted", "ROCM_AITER_MLA_SPARSE"),
        # T2: unquantised experts.
        (aiter(1), log("0.33.0", 1, see.MOE_BF16), "proved", "AITER"),
        (aiter(0), log("0.33.0", 1, see.MOE_BF16), "refuted", "AITER"),
        (claim(args={"moe-backend": "aiter"}), log("0.33.0", 1, see.MOE_BF16), "proved", "AITER is in use"),
        # T3: Llama-3.1-405B in FP8 has the same attention and linear layers with and without AITER.
        (aiter(1), log("0.33.0", 1, see.DENSE, see.LLAMA_LINEAR, see.NORMS), "proved", "aiter before native"),
        (aiter(0), log("0.33.0", 0, see.DENSE, see.LLAMA_LINEAR, see.NORMS), "proved", "RMS norm: native"),
        (aiter(0), log("0.33.0", 1, see.DENSE, see.NORMS), "refuted", "aiter before native"),
        (aiter(1), log("0.33.0", 1, see.DENSE, more=all_reduce("AITER_CUSTOM", "PYNCCL")), "proved", "AITER_CUSTOM"),
        (aiter(0), log("0.33.0", 0, see.DENSE, more=all_reduce("CUSTOM", "PYNCCL")), "proved", "CUSTOM"),
        # ROCM_ATTN is in use with and without AITER as of 0.19, and without graphs the norm is vLLM's in both.
        (aiter(0), log("0.33.0", 0, see.DENSE), "cannot be told", "nor would it have to"),
        (aiter(0), log("0.33.0", 0, see.DENSE, see.NORMS, eager=True), "cannot be told", "nor would it"),
        # 0.14.1 with `block-size: 1` takes AITER's MLA whatever the variable says.
        (aiter(0), log("0.14.1", 0, see.MLA), "proved", "TRITON_MLA"),
        (aiter(0), log("0.14.1", 0, see.MLA_BLOCK_1), "refuted", "ROCM_AITER_MLA"),
        # An attention with sinks is AITER's at 0 too: off is not off.
        (aiter(0), log("0.33.0", 0, see.SINKS), "refuted", "ROCM_AITER_UNIFIED_ATTN"),
        # T5: a backend of AITER that is asked for by name.
        (aiter(0, {"attention-backend": "ROCM_AITER_FA"}), log("0.33.0", 0, see.FA, see.NORMS), "proved",
         "no kernel of AITER but ROCM_AITER_FA, which is asked for by name"),
        (aiter(0, {"attention-backend": "ROCM_AITER_FA"}), log("0.33.0", 1, see.FA, see.MOE_FP8), "refuted",
         "all the same: AITER"),
        # Nothing set: an image may have set it.
        (claim(changed=[AITER]), log("0.33.0", 1, see.MLA), "refuted", f"{AITER} (not set)"),
        (claim(changed=[AITER]), log("0.33.0", 0, see.MLA), "proved", f"{AITER} (not set)"),
    ],
)  # fmt: skip
def test_aiter_as_a_whole(what, text, state, words):
    found = proof(text, what)
    assert found["state"] == state, found["text"]
    assert words in found["text"]


@pytest.mark.parametrize(
    ("what", "text", "state", "words"),
    [
        (aiter(1, MOE=0), log("0.33.0", 1, see.MOE_FP8), "refuted", "AITER was used all the same"),
        (aiter(1, MOE=0), log("0.33.0", 0, see.MOE_FP8), "proved", "TRITON, not AITER's experts"),
        # A log that names no experts does not show that they are not AITER's.
        (aiter(1, MOE=0), log("0.33.0", 1, see.MLA), "cannot be told", "would show in the MoE backend"),
        (aiter(1, MOE=1), log("0.33.0", 1, see.MOE_FP8), "proved", "AITER"),
        (aiter(1, MOE=1), log("0.33.0", 1, see.MOE_DECLINED), "refuted", "the server declined it"),
        (aiter(1, MOE=1), log("0.33.0", 1, see.MOE_INT4), "cannot be told", "the log names TRITON"),
        (aiter(0, MOE=1), log("0.33.0", 0, see.MOE_FP8), "refuted", f"without {AITER}=1 it changes nothing"),
        (aiter(1, MLA=0), log("0.33.0", 1, see.MLA), "refuted", "ROCM_AITER_MLA was used all the same"),
        (aiter(1, MLA=0), log("0.33.0", 1, see.SPARSE), "refuted", "ROCM_AITER_MLA_SPARSE"),
        (aiter(1, MLA=0), log("0.33.0", 0, see.MLA), "proved", "TRITON_MLA, not AITER's MLA attention"),
        (aiter(1, LINEAR=0), log("0.33.0", 1, see.BLOCK_LINEAR), "refuted", "AiterFp8BlockScaledMMKernel"),
        (aiter(1, LINEAR=0), log("0.33.0", 0, see.BLOCK_LINEAR), "proved", "TritonFp8BlockScaledMMKernel"),
        # 0.14.1 chose the same kernel without a word.
        (aiter(1, LINEAR=0), log("0.14.1", 1, see.MLA), "cannot be told", "linear kernel"),
        (aiter(1, RMSNORM=0), log("0.33.0", 1, see.NORMS), "refuted", "aiter before native"),
        (aiter(1, RMSNORM=0), log("0.33.0", 0, see.NORMS), "proved", "RMS norm: native"),
        (aiter(1, RMSNORM=0), log("0.14.1", 1, see.MLA), "cannot be told", "priority of the IR ops"),
        (aiter(1, CUSTOM_AR=0), log("0.33.0", 1, more=all_reduce("AITER_CUSTOM", "PYNCCL")), "refuted", "AITER_CUSTOM"),
        (aiter(1, CUSTOM_AR=0), log("0.33.0", 1, more=all_reduce("CUSTOM", "PYNCCL")), "proved", "CUSTOM, PYNCCL"),
        (aiter(1, CUSTOM_AR=0), log("0.33.0", 1, see.MLA), "cannot be told", "all-reduce backends"),
        # Seen in an issue of AITER: the module is loaded all the same.
        (aiter(1, CUSTOM_AR=0), log("0.26.1", 1, more="[aiter] import [module_custom_all_reduce] under /x.so"),
         "refuted", "module_custom_all_reduce"),
        (aiter(1, MHA=0), log("0.14.1", 1, see.DENSE), "refuted", "ROCM_AITER_FA"),
        # The vision encoder heeds it from 0.27 on.
        (aiter(1, MHA=0), log("0.33.0", 1, see.DENSE, see.VISION), "refuted", "ROCM_AITER_FA (vision)"),
        (aiter(1, MHA=0), log("0.14.1", 0, see.DENSE), "proved", "TRITON_ATTN"),
        (aiter(1, MHA=0), log("0.26.0", 0, more="INFO Using ROCM_ATTN backend.\nINFO Using AITER Flash Attention "
         "backend for ViT model."), "proved", "ROCM_ATTN"),
        # Asked for by name, so that the variable concerns only the vision encoder.
        (aiter(1, {"attention-backend": "ROCM_AITER_FA"}, MHA=0), log("0.33.0", 0, see.FA, see.VISION),
         "cannot be told", "would show in the attention backend"),
        # No line of vLLM names it, in any version.
        (aiter(1, TRITON_GEMM=0), log("0.33.0", 1, see.MLA, see.MOE_FP8), "cannot be told", "no line of vLLM names it"),
        (aiter(1, FUSION_SHARED_EXPERTS=1), log("0.33.0", 1, see.MOE_FP8), "cannot be told", "no line of vLLM"),
        (aiter(1, FUSION_SHARED_EXPERTS=1), log("0.33.0", 1, more="(Worker pid=1) WARNING 08-19 11:02:50 "
         "[utils.py:122] VLLM_ROCM_USE_AITER_FUSION_SHARED_EXPERTS is enabled but cannot be enabled - skipping for "
         "this layer: x."), "refuted", "declined"),
        (aiter(1, FP8BMM=0), log("0.32.0", 1, see.MLA), "proved", "no FP8 BMM kernel compiled"),
        (aiter(1, FP8BMM=0), log("0.32.0", 1, see.DENSE), "cannot be told", "bar of their compilation"),
        (aiter(1, FP8BMM=0), log("0.32.0", 1, see.MLA, more="[Aiter Triton] Pre-compiling fp8 BMM kernel:   1%| | 8"),
         "refuted", "FP8 BMM kernels compiled"),
        # T4: known to vLLM, and read nowhere as of 0.19.
        (aiter(1, UNIFIED_ATTENTION=1), log("0.33.0", 0, see.SINKS), "refuted", "from 0.19 on reads it nowhere"),
        (aiter(1, UNIFIED_ATTENTION=0), log("0.33.0", 1, see.DENSE), "refuted", "from 0.19 on reads it nowhere"),
        (aiter(1, UNIFIED_ATTENTION=1), log("0.14.1", 1, "gqa asked ROCM_AITER_UNIFIED_ATTN"), "proved", "UNIFIED"),
        (aiter(1, UNIFIED_ATTENTION=1), log("0.14.1", 1, see.DENSE), "refuted", "ROCM_AITER_FA was used instead"),
    ],
)  # fmt: skip
def test_one_component(what, text, state, words):
    found = proof(text, what)
    assert found["state"] == state, found["text"]
    assert words in found["text"]


def test_a_component_is_judged_by_the_layers_below_the_arm_too():
    """VLLM_ROCM_USE_AITER under `server.env`: the arm itself says only which component is off."""
    what = claim(env={AITER: "1", f"{AITER}_MOE": "0"}, changed=[f"{AITER}_MOE"])
    found = proof(log("0.33.0", 1, see.MOE_FP8), what)
    assert [row["name"] for row in found["settings"]] == [f"{AITER}_MOE"]
    assert found["state"] == "refuted"


def test_every_component_is_found_on_or_says_that_it_leaves_no_trace():
    """No component passes in silence: with an empty log each of them cannot be told, or changes nothing."""
    for variable in COMPONENTS:
        name = variable.removeprefix(f"{AITER}_")
        for on in (0, 1):
            state = proof("", aiter(1, **{name: on}))["state"]
            assert state == "cannot be told", variable


def test_a_choice_that_vllm_declined_is_a_fallback_in_words():
    (line,) = fallbacks(log("0.33.0", 1, see.MOE_DECLINED))
    assert "Falling back to try the remaining" in line
    assert warnings(log("0.33.0", 1, see.DENSE)) == []
