"""What a launch's changed settings promise, held against its log: one row for each.

`attention-backend: X` promises that X is in use; `VLLM_ROCM_USE_AITER=1` that something of AITER is; a component at 0
that its kernel is not; any other argument that it arrived, as the server's own list repeats it. A setting that no line
of the log could show is "cannot be told", never passed over. Sources: vllm/envs.py, vllm/platforms/rocm.py,
vllm/v1/engine/core.py, and what components.py and repeated.py name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from packaging.version import InvalidVersion, Version

from ablation.evidence import repeated
from ablation.evidence.backends import canonical
from ablation.evidence.claim import MODEL, Claim
from ablation.evidence.components import COMPONENTS, MASTER, NO_TRACE, is_on, trace
from ablation.evidence.reading import Reading
from ablation.study.values import ArgValue

State = Literal["proved", "refuted", "cannot be told"]
PROVED: State = "proved"
REFUTED: State = "refuted"
UNTOLD: State = "cannot be told"

ATTENTION_VARIABLE = "VLLM_ATTENTION_BACKEND"
# Argument -> the component whose kernels it chooses.
CHOICES = {
    "attention-backend": "attention",
    "mm-encoder-attn-backend": "vision",
    "moe-backend": "moe",
    "linear-backend": "linear",
}
# A configuration -> its entries that choose kernels too: `attention-config.backend`, or a mapping with `backend`.
_CONFIGURATIONS = {
    "attention-config": {"backend": "attention"},
    "kernel-config": {"moe_backend": "moe", "linear_backend": "linear"},
}
# Argument -> its word in the configuration that the engine prints, where it is printed as it was given.
_PRINTED = {
    "dtype": "dtype",
    "enforce-eager": "enforce_eager",
    "tensor-parallel-size": "tensor_parallel_size",
}
_DTYPES = {"half": "float16", "float": "float32"}


@dataclass(frozen=True)
class Row:
    """One changed setting against the log. `name` is the variable's or the argument's, `setting` has its value."""

    name: str
    setting: str
    state: State
    text: str


def findings(found: Reading, claim: Claim) -> list[Row]:
    """A row for each changed setting of a launch, and one more where the server is not the planned version.

    A variable that this launch leaves unset has none: nothing was asked of it. VLLM_ROCM_USE_AITER is the exception,
    since an image may set it and its kernels are named.
    """
    rows = [_variable(name, found, claim) for name in claim.variables]
    rows += [_argument(name, found, claim) for name in claim.arguments]
    return [*(row for row in rows if row is not None), *_version(found, claim)]


# Variables ------------------------------------------------------------------------------------------
def _variable(name: str, found: Reading, claim: Claim) -> Row | None:
    value = claim.env.get(name)
    if name == MASTER:
        return _unknown(name, value, found) or _aiter(found, claim)
    if value is None:
        return None
    if (row := _unknown(name, value, found)) is not None:
        return row
    if name in COMPONENTS:
        return _component(name, value, found, claim)
    setting = f"{name}={value}"
    if name == ATTENTION_VARIABLE and _named(value):
        return _choice(name, setting, "attention", value, found)
    return Row(name, setting, UNTOLD, f"{setting}: no line of the log is known to show it")


def _unknown(name: str, value: str | None, found: Reading) -> Row | None:
    if value is None or name not in found.unknown:
        return None
    setting = f"{name}={value}"
    text = f"{setting}: the server does not know this variable, so that it changed nothing"
    return Row(name, setting, REFUTED, text)


# Arguments ------------------------------------------------------------------------------------------
def _argument(name: str, found: Reading, claim: Claim) -> Row:
    if name == MODEL:
        return _model(found, claim)
    value = claim.args.get(name)
    setting = f"{name}: {_short(value)}" if value is not None else f"{name} (not given)"
    kernels = _kernels_asked_for(name, value)
    rows = [_choice(name, setting, component, kernel, found) for component, kernel in kernels]
    for state in (REFUTED, UNTOLD):
        if (row := next((row for row in rows if row.state == state), None)) is not None:
            return row
    if rows and name.partition(".")[0] not in _CONFIGURATIONS:
        return rows[0]
    word = _PRINTED.get(name)
    if word in found.engine and value not in (None, "auto"):
        told = found.engine[word]
        asked = str(_DTYPES.get(str(value), value)).removeprefix("torch.")
        text = f"{name}: the engine says {word}={told}"
        return Row(name, setting, PROVED if told == asked else REFUTED, text)
    return _repeated(name, value, setting, found)


def _kernels_asked_for(name: str, value: ArgValue) -> list[tuple[str, str]]:
    """(component, kernel) of what an argument asks for by name; none where it asks for none, or for `auto`."""
    if name in CHOICES:
        return [(CHOICES[name], str(value))] if _named(value) else []
    head, _, tail = name.partition(".")
    given = _nested(tail, value) if tail else value
    if head not in _CONFIGURATIONS or not isinstance(given, Mapping):
        return []
    entries = {str(key).replace("-", "_"): one for key, one in given.items()}
    return [
        (component, str(entries[key]))
        for key, component in _CONFIGURATIONS[head].items()
        if _named(entries.get(key))
    ]


def _named(value: object) -> bool:
    return isinstance(value, str) and value.lower() not in ("", "auto")


def _choice(name: str, setting: str, component: str, asked: str, found: Reading) -> Row:
    named = found.kernels[component]
    if component == "attention":
        wanted = canonical(asked.upper())
        if wanted in found.refused:
            taken = f"; {', '.join(named)} was used instead" if named else ""
            text = f"{setting}: the server cannot use {wanted} here{taken}"
            return Row(name, setting, REFUTED, text)
        hit = wanted in named
    else:
        hit = any(_letters(asked) in _letters(kernel) for kernel in named)
    names = ", ".join(named)
    if hit:
        return Row(name, setting, PROVED, f"{setting}: {names} is in use ({component})")
    if named:
        return Row(name, setting, REFUTED, f"{setting}: {names} was used instead ({component})")
    return Row(name, setting, UNTOLD, f"{setting}: the server's log names no {component} backend")


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _repeated(name: str, value: ArgValue, setting: str, found: Reading) -> Row:
    """What the server's own list of its non-default arguments says of an argument."""
    told = found.arguments
    if told is None:
        text = f"{setting}: the server's log does not repeat its arguments"
        return Row(name, setting, UNTOLD, text)
    head, _, tail = name.partition(".")
    key = head.replace("-", "_")
    if key not in told:
        if value is None or value is False:
            text = f"{setting}: the server's list of non-default arguments does not name it"
            return Row(name, setting, PROVED, text)
        text = f"{setting}: the server's list of non-default arguments does not name it: it is its default, or unknown"
        return Row(name, setting, UNTOLD, text)
    printed, shown = told[key], _short(told[key])
    if value is None and isinstance(printed, Mapping):
        text = f"{setting}: the server repeats {key} with entries of its own"
        return Row(name, setting, UNTOLD, text)
    if value is None:
        return Row(name, setting, REFUTED, f"{setting}: the server says {key}={shown}")
    answer = repeated.agrees(_nested(tail, value) if tail else value, printed)
    if answer == "same":
        return Row(name, setting, PROVED, f"{setting}: the server repeats it")
    if answer == "other":
        return Row(name, setting, REFUTED, f"{setting}: the server says {key}={shown}")
    text = f"{setting}: the server repeats it as {shown}, which cannot be compared"
    return Row(name, setting, UNTOLD, text)


def _nested(path: str, value: ArgValue) -> object:
    """`a.b` and a value as the mapping that vLLM's parser makes of it: {"a": {"b": value}}."""
    found: object = value
    for part in reversed(path.split(".")):
        found = {part: found}
    return found


def _short(value: object) -> str:
    text = " ".join((value.text if isinstance(value, repeated.Opaque) else str(value)).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _model(found: Reading, claim: Claim) -> Row:
    setting = f"{MODEL}: {claim.location}"
    told = None if found.arguments is None else found.arguments.get(MODEL)
    if told is None:
        text = f"{setting}: the server's log does not say which weights it loaded"
        return Row(MODEL, setting, UNTOLD, text)
    same = str(told) == claim.location
    text = "the server repeats it" if same else f"the server says model={told}"
    return Row(MODEL, setting, PROVED if same else REFUTED, f"{setting}: {text}")


def _version(found: Reading, claim: Claim) -> list[Row]:
    """A row where the server says another version than the planned one; a local label counts only where planned."""
    if claim.kind != "vllm" or not found.version:
        return []
    try:
        told, planned = Version(found.version), Version(claim.vllm)
    except InvalidVersion:
        return []
    if told == planned if planned.local else told.public == planned.public:
        return []
    setting = f"vLLM {claim.vllm}"
    text = f"{setting}: the server says that it is vLLM {found.version}"
    return [Row("server.vllm", setting, REFUTED, text)]


# AITER ----------------------------------------------------------------------------------------------
def _forced(claim: Claim) -> set[str]:
    """Components whose kernel of AITER is asked for by name: it works with the variables at 0 too."""
    asked: list[tuple[str, object]] = [("attention", claim.env.get(ATTENTION_VARIABLE))]
    for name, value in claim.args.items():
        asked += _kernels_asked_for(name, value)
        if name.partition(".")[0] == "ir-op-priority" or "ir_op_priority" in f"{name} {value}":
            asked.append(("norms", value))
    return {component for component, value in asked if "AITER" in str(value).upper()}


def _of_aiter(found: Reading, without: set[str]) -> list[str]:
    """All of AITER that a log names, but the kernels of some components; AITER's modules only without exceptions."""
    named = [
        name
        for component, names in found.kernels.items()
        if component not in without
        for name in names
        if "AITER" in name.upper()
    ]
    norms = found.norms or []
    if "norms" not in without and "aiter" in norms:
        named.append(f"RMS norm ({' before '.join(norms)})")
    named += [name for name in found.all_reduce or () if "AITER" in name]
    return named + ([] if without else found.modules)


def _aiter(found: Reading, claim: Claim) -> Row:
    """The row of VLLM_ROCM_USE_AITER.

    With it something of AITER is in use, and without it nothing is but what is asked for by name.
    """
    value = claim.env.get(MASTER)
    setting = f"{MASTER}={value}" if value is not None else f"{MASTER} (not set)"
    forced = _forced(claim)
    if is_on(value):
        seen = _of_aiter(found, set())
        if seen:
            return Row(MASTER, setting, PROVED, f"{setting}: {', '.join(seen[:6])}")
        named = [name for names in found.kernels.values() for name in names]
        but = f"; it names {', '.join(named[:6])}" if named else ""
        text = f"{setting}: nothing in the server's log comes from AITER{but}"
        return Row(MASTER, setting, UNTOLD, text)
    seen = _of_aiter(found, forced)
    if seen:
        text = f"{setting}: the server used AITER all the same: {', '.join(seen[:6])}"
        return Row(MASTER, setting, REFUTED, text)
    asked = [
        name
        for part in sorted(forced & found.kernels.keys())
        for name in found.kernels[part]
        if "AITER" in name.upper()
    ]
    but = f" but {', '.join(asked)}, which is asked for by name" if asked else ""
    where = _where_it_would_show(found, claim)
    if where:
        text = f"{setting}: the server's log names no kernel of AITER{but} ({', '.join(where[:6])})"
        return Row(MASTER, setting, PROVED, text)
    text = f"{setting}: the server's log names no kernel of AITER{but}, nor would it have to with AITER on"
    return Row(MASTER, setting, UNTOLD, text)


def _where_it_would_show(found: Reading, claim: Claim) -> list[str]:
    """Kernels in use, other than AITER's, in places where VLLM_ROCM_USE_AITER=1 would have brought AITER's.

    From 0.19 on GQA attention is ROCM_ATTN with and without AITER (pull request 36702), and the norm is AITER's only
    where graphs are captured (0.32: platforms/rocm.py, get_default_ir_op_priority).
    """
    kernels, told = found.kernels, list[str]()
    for name in kernels["attention"]:
        if "MLA" in name or found.since("0.19", claim.vllm) is False:
            told.append(name)
    for component in ("prefill", "moe", "linear", "vision"):
        told += kernels[component]
    if found.norms and found.engine.get("enforce_eager") == "False":
        told.append(f"RMS norm: {', '.join(found.norms)}")
    told += found.all_reduce or ()
    return list(dict.fromkeys(told))


def _component(name: str, value: str, found: Reading, claim: Claim) -> Row:
    """A component of AITER that this launch switches on or off."""
    component, setting = COMPONENTS[name], f"{name}={value}"

    def row(state: State, text: str) -> Row:
        return Row(name, setting, state, f"{setting}: {text}")

    if component.dead_since and found.since(component.dead_since, claim.vllm):
        since = component.dead_since
        return row(REFUTED, f"vLLM knows this variable and from {since} on reads it nowhere")
    on, master = is_on(value), is_on(claim.env.get(MASTER))
    if on and not master:
        return row(REFUTED, f"without {MASTER}=1 it changes nothing")
    if on and name in found.declined:
        return row(REFUTED, f"the server declined it: {found.declined[name][:200]}")
    told = trace(name, found, claim.vllm)
    instead = ", ".join(told.instead)
    if on and told.seen:
        return row(PROVED, ", ".join(told.seen[:6]))
    if on and told.instead and component.whole:
        return row(REFUTED, f"{instead} was used instead")
    if not on and told.seen and not _asked_by_name(told.seen, found, claim):
        return row(REFUTED, f"{', '.join(told.seen[:6])} was used all the same")
    if not on and told.instead:
        return row(PROVED, f"{instead}, not AITER's {component.words}")
    if component.line == NO_TRACE:
        return row(UNTOLD, f"AITER's {component.words}: {NO_TRACE}")
    seen = f"; the log names {instead}" if instead else ""
    return row(UNTOLD, f"AITER's {component.words} would show in {component.line}{seen}")


def _asked_by_name(seen: list[str], found: Reading, claim: Claim) -> bool:
    """Whether the kernels seen are only those that an argument asks for by name."""
    parts = _forced(claim) & found.kernels.keys()
    forced = {name for component in parts for name in found.kernels[component]}
    return set(seen) <= forced


def as_json(row: Row) -> Mapping[str, str]:
    """A row for JSON."""
    return {"name": row.name, "setting": row.setting, "state": row.state, "text": row.text}
