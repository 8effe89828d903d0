"""What an arm's own settings promise, so that a treatment needs no regular expression to be checked.

`attention-backend: X` promises that X is in use; `VLLM_ROCM_USE_AITER=1` that something of AITER is; a component
variable at 0 that its kernel is not. Sources: vllm/envs.py, vllm/platforms/rocm.py, vllm/v1/engine/core.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ablation.evidence.backends import backends, canonical, refused
from ablation.evidence.jit import jit
from ablation.study.fields import Settings

# Argument -> the component whose kernels it chooses.
_CHOICES = {
    "attention-backend": "attention",
    "mm-encoder-attn-backend": "vision",
    "moe-backend": "moe",
    "linear-backend": "linear",
}
# A component variable of AITER -> where its kernels are named, and by which name.
_PARTS = {
    "VLLM_ROCM_USE_AITER_MLA": ("attention", "ROCM_AITER_MLA"),
    "VLLM_ROCM_USE_AITER_MHA": ("attention", "ROCM_AITER_FA"),
    "VLLM_ROCM_USE_AITER_UNIFIED_ATTENTION": ("attention", "ROCM_AITER_UNIFIED_ATTN"),
    "VLLM_ROCM_USE_AITER_MOE": ("moe", "AITER"),
    "VLLM_ROCM_USE_AITER_LINEAR": ("linear", "AITER"),
}
# Argument -> its word in the configuration that the engine prints, where it is printed as it was given.
_PRINTED = {
    "dtype": "dtype",
    "enforce-eager": "enforce_eager",
    "tensor-parallel-size": "tensor_parallel_size",
}
_ENGINE = (*_PRINTED.values(), "quantization", "kv_cache_dtype", "load_format")
_CONFIG = re.compile(r"Initializing a V\d LLM engine .* with config: (.*)")
_DTYPES = {"half": "float16", "float": "float32"}


@dataclass(frozen=True)
class Finding:
    """One promise against the log: `kept` is None where the log cannot say. Both are said in `text`."""

    setting: str
    kept: bool | None
    text: str


def findings(log: str, arm: Settings) -> list[Finding]:
    """What the log says of each setting of an arm that promises anything."""
    used = backends(log)
    found = [
        _choice(f"{name}: {arm.args[name]}", component, str(arm.args[name]), used, log)
        for name, component in _CHOICES.items()
        if _named(arm.args.get(name))
    ]
    if _named(arm.env.get("VLLM_ATTENTION_BACKEND")):
        name = arm.env["VLLM_ATTENTION_BACKEND"]
        found.append(_choice(f"VLLM_ATTENTION_BACKEND={name}", "attention", name, used, log))
    if "VLLM_ROCM_USE_AITER" in arm.env:
        found.append(_aiter(arm, used, log))
    if _on(arm.env.get("VLLM_ROCM_USE_AITER", "0")):
        found += [
            _part(variable, component, name, used)
            for variable, (component, name) in _PARTS.items()
            if variable in arm.env and not _on(arm.env[variable])
        ]
    found += _printed(arm.args, log)
    return found


def _named(value: Any) -> bool:
    return isinstance(value, str) and value.lower() not in ("", "auto")


def _on(value: str) -> bool:
    return value.strip().lower() in ("1", "true")


def _choice(
    setting: str, component: str, asked: str, used: Mapping[str, list[str]], log: str
) -> Finding:
    named = used[component]
    if component == "attention":
        name = canonical(asked.upper())
        if name in refused(log):
            taken = f"; {', '.join(named)} was used instead" if named else ""
            return Finding(setting, False, f"{setting}: the server cannot use {name} here{taken}")
        hit = name in named
    else:
        hit = any(_letters(asked) in _letters(name) for name in named)
    if hit:
        return Finding(setting, True, f"{setting}: {', '.join(named)} is in use ({component})")
    if named:
        return Finding(
            setting, False, f"{setting}: {', '.join(named)} was used instead ({component})"
        )
    return Finding(setting, None, f"{setting}: the server's log names no {component} backend")


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _of_aiter(used: Mapping[str, list[str]], log: str) -> list[str]:
    named = [name for names in used.values() for name in names if "AITER" in name.upper()]
    modules: list[str] = jit(log)["aiter_modules"]
    return named + modules


def _aiter(arm: Settings, used: Mapping[str, list[str]], log: str) -> Finding:
    value = arm.env["VLLM_ROCM_USE_AITER"]
    setting = f"VLLM_ROCM_USE_AITER={value}"
    seen = _of_aiter(used, log)
    if _on(value):
        if seen:
            return Finding(setting, True, f"{setting}: {', '.join(seen[:6])}")
        return Finding(setting, None, f"{setting}: nothing in the server's log comes from AITER")
    # An explicit ROCM_AITER_* backend works with the variable at 0.
    forced = "AITER" in str(arm.args.get("attention-backend", "")).upper()
    if seen and not forced:
        return Finding(
            setting, False, f"{setting}: the server used AITER all the same: {', '.join(seen[:6])}"
        )
    return Finding(setting, True, f"{setting}: the server's log names no kernel of AITER")


def _part(variable: str, component: str, name: str, used: Mapping[str, list[str]]) -> Finding:
    leaks = [kernel for kernel in used[component] if name in kernel.upper()]
    if leaks:
        return Finding(
            f"{variable}=0", False, f"{variable}=0: {', '.join(leaks)} was used all the same"
        )
    return Finding(f"{variable}=0", True, f"{variable}=0: no {name} in use ({component})")


def engine(log: str) -> dict[str, str]:
    """What the engine says of its own configuration: dtype, enforce_eager, quantization ... where it does."""
    config = _CONFIG.search(log)
    if config is None:
        return {}
    told = (
        (word, re.search(rf"\b{word}=(?:torch\.)?([\w.]+)", config.group(1))) for word in _ENGINE
    )
    return {word: match.group(1) for word, match in told if match}


def _printed(args: Mapping[str, Any], log: str) -> list[Finding]:
    """Settings that the engine repeats when it starts."""
    told = engine(log)
    found = []
    for name, word in _PRINTED.items():
        value = args.get(name)
        if value is None or value == "auto" or word not in told:
            continue
        asked = str(_DTYPES.get(str(value), value)).removeprefix("torch.")
        text = f"{name}: the engine says {word}={told[word]}"
        found.append(Finding(name, told[word] == asked, text))
    return found
