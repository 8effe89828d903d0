"""What differs between two studies besides what they asked: versions, machines, settings, design."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ablation.compare.finished import Finished
from ablation.plan.plan import Plan, Session
from ablation.report.content import NONE, unique

# In the order in which a reader should doubt: what is compared, the machine, the software, the load.
KINDS = (
    "treatment",
    "hardware",
    "versions",
    "command",
    "environment",
    "workload",
    "design",
    "study",
)
SAME = "the same"


@dataclass(frozen=True)
class Fact:
    """One thing that both studies say of themselves; ``first`` and ``second`` are the words."""

    kind: str
    what: str
    first: str
    second: str

    @property
    def differs(self) -> bool:
        """Whether the studies are not the same here."""
        return self.first != self.second


def facts(first: Finished, second: Finished) -> list[Fact]:
    """All facts of both studies, in the order of ``KINDS``; what only one of them knows is a difference."""
    ours, theirs = _facts(first), _facts(second)
    found = [
        Fact(kind, what, ours.get((kind, what), NONE), theirs.get((kind, what), NONE))
        for kind, what in dict.fromkeys([*ours, *theirs])
    ]
    found += _commands(first, second)
    return sorted(found, key=lambda fact: KINDS.index(fact.kind))


def _facts(study: Finished) -> dict[tuple[str, str], str]:
    plan = study.plan
    found: dict[tuple[str, str], str] = {}
    asked = plan.study
    for name, value in _named(plan).items():
        found["study", name.replace("_", " ")] = _text(value)
    found["study", "seed"], found["study", "simulated"] = _text(asked.seed), _text(plan.simulated)
    started = sorted(str(launch["started_at"]) for launch in study.launches)
    found["study", "first launch"] = started[0] if started else NONE
    found["study", "last launch"] = started[-1] if started else NONE
    found["treatment", "baseline"] = _text(plan.baseline)
    for arm, settings in plan.arms.items():
        for part in ("env", "args"):
            for key, value in dict(getattr(settings, part)).items():
                found["treatment", f"arm {arm}: {key}"] = _text(value)
    found["versions", "vLLM (planned)"] = _text(plan.study.server.vllm)
    found["hardware", "platform"] = _text(asked.hardware.platform)
    for key, value in asked.hardware.model_dump().items():
        found["hardware", f"{key} (planned)"] = _text(value)
    for kind in ("hardware", "versions"):
        for key in unique(key for launch in study.launches for key in launch.get(kind) or {}):
            values = unique(_text((launch.get(kind) or {}).get(key)) for launch in study.launches)
            found[kind, key] = "; ".join(values)
    for part in ("workload", "design"):
        for key, value in getattr(asked, part).model_dump().items():
            found[part, key.replace("_", " ")] = _text(value)
    for key, value in asked.gates.model_dump().items():
        found["design", f"gate {key.replace('_', ' ')}"] = _text(value)
    for model, entry in plan.models.items():
        found["design", f"{model}: arms"] = _text(entry.arms)
        found["design", f"{model}: blocks"] = _text(entry.blocks)
        found["design", f"{model}: location"] = _text(entry.location)
    return found


def _named(plan: Plan) -> dict[str, str]:
    return {
        "study": plan.name,
        "title": plan.title,
        "description": plan.study.description,
        "config_hash": plan.config_hash,
    }


def _commands(first: Finished, second: Finished) -> list[Fact]:
    """Words of the server's command and variables that only one of the studies has, by model and arm."""
    found = []
    ours, theirs = _first_sessions(first), _first_sessions(second)
    for key in (key for key in ours if key in theirs):
        where = "/".join(key)
        words = [side[key].launch.command for side in (ours, theirs)]
        found.append(Fact("command", where, *_only(_options(words[0]), _options(words[1]))))
        env = [[f"{k}={v}" for k, v in side[key].launch.env.items()] for side in (ours, theirs)]
        found.append(Fact("environment", where, *_only(env[0], env[1])))
    return found


def _first_sessions(study: Finished) -> dict[tuple[str, str], Session]:
    found: dict[tuple[str, str], Session] = {}
    for session in study.plan.sessions:
        found.setdefault((session.model, session.arm), session)
    return found


def _options(words: list[str]) -> list[str]:
    """A command in its parts: an option stays with its value."""
    parts: list[str] = []
    for word in words:
        if parts and parts[-1].startswith("-") and " " not in parts[-1] and word[:1] != "-":
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts


def _only(first: list[str], second: list[str]) -> tuple[str, str]:
    """What only one of both has; twice the same words where neither has anything of its own."""
    ours = [part for part in first if part not in second]
    theirs = [part for part in second if part not in first]
    if not ours and not theirs:
        return SAME, SAME
    return "\n".join(ours) or NONE, "\n".join(theirs) or NONE


def _text(value: Any) -> str:
    if value is None:
        return NONE
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    if isinstance(value, Iterable):
        return ", ".join(map(_text, value)) or NONE
    return f"{value:g}" if isinstance(value, float) else str(value)
