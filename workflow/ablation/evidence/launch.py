"""All that a server's log says of its launch, for launch.json and for a session's evidence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablation.evidence.backends import fallbacks, named_lines, overrides, warnings
from ablation.evidence.causes import classify
from ablation.evidence.claim import Claim
from ablation.evidence.components import COMPONENTS, trace
from ablation.evidence.jit import jit, untuned
from ablation.evidence.lines import once
from ablation.evidence.reading import Reading, read
from ablation.evidence.repeated import OWN, Opaque
from ablation.evidence.stages import stages
from ablation.evidence.stamps import read_log, unstamped
from ablation.evidence.treatment import treatment

SCHEMA = "ablation.evidence/1"
MOST_LINES = 60
INTERRUPTED = ("KeyboardInterrupt", "SystemExit")  # how the errors of a job that was ended begin


def collect(
    log: str,
    claim: Claim,
    ended: Mapping[str, Any] | None = None,
    *,
    never_ready: bool = False,
) -> dict[str, Any]:
    """Parts of launch.json. `ended` is how the server ended (exit.json), where that is known.

    `never_ready` says that the server failed to get ready, which its log alone need not show (a hang).

    stages, backends (lines), warnings (lines), treatment   as in launches measured before
    evidence    {"schema", "backends": {component: kernels}, "components": {variable: {"seen", "instead"}}, "arguments":
                {name: text} or None, "version", "engine", "fallbacks", "overrides", "jit", "untuned"};
                launches measured before lack it, or parts of it
    failure     {"id", "words", "remedy", "line", "stage"}, or None
    """
    failure, kernels = classify(log, ended=ended, known=never_ready), untuned(log)
    log = once(log)
    found = read(log)
    return {
        "stages": stages(log),
        "backends": named_lines(log)[:MOST_LINES],
        "warnings": warnings(log)[:MOST_LINES],
        "treatment": treatment(log, found, claim),
        "evidence": {
            "schema": SCHEMA,
            "backends": found.kernels,
            "components": _components(found, claim),
            "arguments": _arguments(found),
            "version": found.version,
            "engine": found.engine,
            "fallbacks": fallbacks(log)[:MOST_LINES],
            "overrides": overrides(log)[:MOST_LINES],
            "jit": jit(log),
            "untuned": kernels,
        },
        "failure": failure.as_dict() if failure else None,
    }


def never_ready(launch: Mapping[str, Any]) -> bool:
    """Whether a launch's server failed to get ready; one that was interrupted on its way did not fail."""
    interrupted = str(launch.get("error", "")).startswith(INTERRUPTED)
    return "error" in launch and "ready_s" not in launch and not interrupted


def _components(found: Reading, claim: Claim) -> dict[str, dict[str, list[str]]]:
    """What the log says of each of AITER's components, where it says anything: for arms that leave one out."""
    told = {name: trace(name, found, claim.vllm) for name in COMPONENTS}
    return {
        name: {"seen": one.seen, "instead": one.instead}
        for name, one in told.items()
        if one.seen or one.instead
    }


def _arguments(found: Reading) -> dict[str, str] | None:
    """What the server repeats of its arguments, but for its address; None where it repeats none."""
    if found.arguments is None:
        return None
    return {
        name: value.text if isinstance(value, Opaque) else str(value)
        for name, value in found.arguments.items()
        if name not in OWN
    }


def reread(launch: Mapping[str, Any], log: Path, claim: Claim) -> dict[str, Any]:
    """A launch with its log read anew, so that another expression or a better reader costs no measurement.

    As it was recorded where its log is gone.
    """
    text = _read(log)
    if text is None:
        return dict(launch)
    found = collect(text, claim, launch.get("exit"), never_ready=never_ready(launch))
    return dict(launch) | found


def rejudge(launch: Mapping[str, Any], log: Path, claim: Claim) -> dict[str, Any]:
    """A launch with only its treatment judged anew. As it was recorded where its log is gone."""
    text = _read(log)
    if text is None:
        return dict(launch)
    once_each = once(text)
    return dict(launch) | {"treatment": treatment(once_each, read(once_each), claim)}


def _read(log: Path) -> str | None:
    text = read_log(log)
    return None if text is None else unstamped(text)
