"""All that a server's log says of its launch, for launch.json and for a session's evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ablation.evidence.backends import (
    backends,
    fallbacks,
    named_lines,
    overrides,
    warnings,
)
from ablation.evidence.causes import classify
from ablation.evidence.expectations import engine
from ablation.evidence.jit import jit, untuned
from ablation.evidence.lines import once
from ablation.evidence.stages import stages
from ablation.evidence.stamps import read_log, unstamped
from ablation.evidence.treatment import treatment
from ablation.study.config import Arm

SCHEMA = "ablation.evidence/1"
MOST_LINES = 60


def collect(
    log: str, arm: Arm, arms: Iterable[Arm] = (), ended: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Parts of launch.json. `ended` is how the server ended (exit.json), where that is known.

    stages, backends (lines), warnings (lines), treatment   as in launches measured before
    evidence    {"schema", "backends": {component: kernels}, "engine", "fallbacks", "overrides", "jit", "untuned"};
                launches measured before lack it
    failure     {"id", "words", "remedy", "line", "stage"}, or None
    """
    failure, kernels = classify(log, ended=ended), untuned(log)
    log = once(log)
    return {
        "stages": stages(log),
        "backends": named_lines(log)[:MOST_LINES],
        "warnings": warnings(log)[:MOST_LINES],
        "treatment": treatment(log, arm, arms),
        "evidence": {
            "schema": SCHEMA,
            "backends": backends(log),
            "engine": engine(log),
            "fallbacks": fallbacks(log)[:MOST_LINES],
            "overrides": overrides(log)[:MOST_LINES],
            "jit": jit(log),
            "untuned": kernels,
        },
        "failure": failure.as_dict() if failure else None,
    }


def reread(
    launch: Mapping[str, Any], log: Path, arm: Arm, arms: Iterable[Arm] = ()
) -> dict[str, Any]:
    """A launch with its log read anew, so that another expression or a better reader costs no measurement.

    As it was recorded where its log is gone.
    """
    text = _read(log)
    return (
        dict(launch)
        if text is None
        else dict(launch) | collect(text, arm, arms, launch.get("exit"))
    )


def rejudge(launch: Mapping[str, Any], log: Path, arm: Arm) -> dict[str, Any]:
    """A launch with only its treatment judged anew. As it was recorded where its log is gone."""
    text = _read(log)
    return (
        dict(launch) if text is None else dict(launch) | {"treatment": treatment(once(text), arm)}
    )


def _read(log: Path) -> str | None:
    text = read_log(log)
    return None if text is None else unstamped(text)
