"""The components of AITER that vLLM switches one by one, and the trace that each leaves in a log where it is on.

That a log does not name a component proves that it is off only where its presence is known to leave a trace. Read in
vLLM 0.14.1, 0.32 and 0.33: envs.py, _aiter_ops.py, platforms/rocm.py, and the lines that reading.py lists; what each
version prints was seen by executing its selectors. Traces that depend on AITER's own logger (its modules) prove that a
component is on; their absence proves nothing, since AITER_LOG_LEVEL silences them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ablation.evidence.reading import Reading, at_least

MASTER = "VLLM_ROCM_USE_AITER"
NO_TRACE = "no line of vLLM names it"


@dataclass(frozen=True)
class Trace:
    """What a log says of a component: AITER's kernels in use, and those in use where AITER's could be."""

    seen: list[str]
    instead: list[str]


Look = Callable[[Reading, str], Trace]  # the reading, and the version that was planned


@dataclass(frozen=True)
class Component:
    """One switch of AITER in vLLM.

    words       what it switches, in words that follow "AITER's"
    line        where its trace is, in words; `NO_TRACE` where it leaves none
    look        finds the trace
    default     whether it is on where VLLM_ROCM_USE_AITER is and nothing else is said
    off_since   the version of vLLM from which on that default is off
    whole       whether the trace covers all that the variable switches
    modules     prefixes of AITER's modules that are loaded only for it
    dead_since  the version of vLLM from which on the variable is known and nothing reads it
    """

    words: str
    line: str
    look: Look
    default: bool = True
    off_since: str = ""
    whole: bool = True
    modules: tuple[str, ...] = ()
    dead_since: str = ""


def is_on(value: str | None, default: bool = False) -> bool:
    """Whether a variable of AITER is on, as vLLM reads it (envs.py): `1` or `true`."""
    return default if value is None else value.strip().lower() in ("1", "true")


def component_on(variable: str, env: Mapping[str, str], vllm: str) -> bool:
    """Whether a component is switched on by these variables: none is without VLLM_ROCM_USE_AITER.

    `vllm` is the planned version: what is on by default differs between them.
    """
    component = COMPONENTS[variable]
    default = component.default and not (
        component.off_since and at_least(vllm, component.off_since)
    )
    return is_on(env.get(MASTER)) and is_on(env.get(variable), default)


def trace(variable: str, found: Reading, planned: str = "") -> Trace:
    """What a log says of a component, AITER's modules for it included."""
    component = COMPONENTS[variable]
    told = component.look(found, planned)
    modules = [name for name in found.modules if name.startswith(component.modules)]
    return Trace([*told.seen, *(modules if component.modules else ())], told.instead)


def _named(component: str, of_aiter: Callable[[str], bool]) -> Look:
    """A component whose kernel is always named."""

    def look(found: Reading, planned: str) -> Trace:
        names = found.kernels[component]
        return Trace([n for n in names if of_aiter(n)], [n for n in names if not of_aiter(n)])

    return look


def _mha(found: Reading, planned: str) -> Trace:
    """GQA attention, and from 0.27 on the vision encoder."""
    told = _named("attention", lambda name: name == "ROCM_AITER_FA")(found, planned)
    if found.since("0.27", planned) is False:
        return told
    vision = [f"{name} (vision)" for name in found.kernels["vision"] if "AITER" in name]
    return Trace([*told.seen, *vision], told.instead)


def _norms(found: Reading, planned: str) -> Trace:
    if found.norms is None:
        return Trace([], [])
    aiter = [
        f"RMS norm: {name} before {found.norms[-1]}" for name in found.norms if name == "aiter"
    ]
    return Trace(aiter, [] if aiter else [f"RMS norm: {', '.join(found.norms)}"])


def _all_reduce(found: Reading, planned: str) -> Trace:
    names = found.all_reduce or []
    aiter = [name for name in names if name.startswith("AITER")]
    return Trace(aiter, [] if aiter else names)


def _fp8_bmm(found: Reading, planned: str) -> Trace:
    """The bar is there where an MLA model was loaded with it on, whatever the version."""
    if found.fp8_bmm:
        return Trace(["FP8 BMM kernels compiled"], [])
    mla = [name for name in found.kernels["attention"] if "MLA" in name]
    return Trace([], ["no FP8 BMM kernel compiled"] if mla and found.loaded else [])


def _nowhere(found: Reading, planned: str) -> Trace:
    return Trace([], [])


def _aiter(name: str) -> bool:
    return "AITER" in name.upper()


COMPONENTS: dict[str, Component] = {
    f"{MASTER}_{name}": component
    for name, component in {
        "MLA": Component(
            "MLA attention",
            "the attention backend",
            _named("attention", lambda name: _aiter(name) and "MLA" in name),
        ),
        "MHA": Component(
            "flash attention", "the attention backend; from 0.27 on the vision encoder's too", _mha
        ),
        "MOE": Component(
            "experts",
            "the MoE backend (its routers are on it too, and are named nowhere)",
            _named("moe", _aiter),
            whole=False,
            modules=("module_moe",),
        ),
        "LINEAR": Component(
            "linear layers",
            "the linear kernel of quantised weights, which 0.14.1 does not print (the quantisation of activations and "
            "other linear layers are on it too, and are named nowhere)",
            _named("linear", _aiter),
            whole=False,
            modules=("module_gemm_a8w8", "module_gemm_a4w4"),
        ),
        "LINEAR_HIPBMM": Component(
            "hipBLASLt linear layers",
            "the linear kernel",
            _named("linear", lambda name: "hipb" in name.lower()),
            default=False,
        ),
        "RMSNORM": Component("RMS norm", "the priority of the IR ops, as of about 0.20", _norms),
        "CUSTOM_AR": Component(
            "all-reduce",
            "the all-reduce backends of the tensor-parallel group, as of about 0.23",
            _all_reduce,
            modules=("module_custom_all_reduce",),
        ),
        "FP8BMM": Component(
            "FP8 batched multiplications of MLA",
            "the bar of their compilation",
            _fp8_bmm,
            off_since="0.33",
        ),
        "UNIFIED_ATTENTION": Component(
            "unified attention",
            "the attention backend",
            _named("attention", lambda name: name == "ROCM_AITER_UNIFIED_ATTN"),
            default=False,
            dead_since="0.19",
        ),
        "TRITON_GEMM": Component("Triton GEMM", NO_TRACE, _nowhere),
        "FP4BMM": Component(
            "FP4 batched multiplications of MLA", NO_TRACE, _nowhere, off_since="0.33"
        ),
        "FP4_ASM_GEMM": Component("FP4 assembly GEMM", NO_TRACE, _nowhere, default=False),
        "FUSION_SHARED_EXPERTS": Component(
            "fused shared experts", NO_TRACE, _nowhere, default=False
        ),
        "TRITON_ROPE": Component("Triton rotary embedding", NO_TRACE, _nowhere, default=False),
        "TRITON_SPARSE_MLA": Component("Triton sparse MLA", NO_TRACE, _nowhere, default=False),
    }.items()
}
