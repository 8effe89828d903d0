"""What a launch claims: the settings that it was resolved to, and which of them make it differ from the baseline.

A proof looks at the settings in force, whichever layer of the study they come from (study/layers.py): a variable under
`server.env` and a component of it in an arm belong together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ablation.evidence.components import COMPONENTS, component_on
from ablation.plan.command import flags, model_location
from ablation.study.catalogue import Entry
from ablation.study.config import Study
from ablation.study.launch import Endpoint
from ablation.study.layers import args_in_force, env_in_force
from ablation.study.values import ArgValue

# How an arm's own weights (`factor.arms.{arm}.paths`) are called among the settings.
MODEL = "model"


@dataclass(frozen=True)
class LeftOut:
    """A component that this arm switches off, and the arm that is the same but for that."""

    variable: str
    arm: str


@dataclass(frozen=True)
class Claim:
    """What a launch of one (model, arm) is said to be.

    vllm                planned version of vLLM
    location            folder or hub name that the server is given as its model
    env, args           settings in force, all layers laid over each other; arguments in their one spelling
    variables, arguments   names of those whose value in force differs from the baseline's (of the baseline itself:
                        from any other arm's); among the arguments `model` where the weights differ
    evidence, counter_evidence   the arm's own expressions
    evidence_is_inherited   its expression is that of the arm that it was made from by leaving a component out, so that
                        a line that matches proves what both have
    expressions         those of all arms: the lines that they match are kept, so that logs can be compared later
    left_out            components that this arm switches off, each beside the arm that has it on
    shows_log           False of an endpoint: its log is with whoever runs it
    """

    kind: Literal["vllm", "reference"]
    vllm: str
    location: str
    env: dict[str, str]
    args: dict[str, ArgValue]
    variables: list[str]
    arguments: list[str]
    evidence: str | None = None
    counter_evidence: str | None = None
    evidence_is_inherited: bool = False
    expressions: list[str] | None = None
    left_out: list[LeftOut] | None = None
    shows_log: bool = True

    @property
    def changed(self) -> list[str]:
        """Names of all settings that make this launch differ."""
        return [*self.variables, *self.arguments]

    def patterns(self) -> list[str]:
        """Every expression that a line may be kept for, its own first."""
        own = [self.evidence, self.counter_evidence, *(self.expressions or ())]
        return list(dict.fromkeys(pattern for pattern in own if pattern))


def claim_of(study: Study, entry: Entry, model: str, arm: str) -> Claim:
    """What a launch of this model and arm claims. `entry` is the model's in the catalogue."""
    factor = study.factor
    others = [name for name in factor.arms if (name == factor.baseline) != (arm == factor.baseline)]
    env = {name: env_in_force(study, entry, model, name) for name in (arm, *others)}
    args = {name: _arguments(study, entry, model, name) for name in (arm, *others)}
    settings = factor.arms[arm]
    left_out = _left_out(study, entry, model, arm)
    return Claim(
        kind=study.server.kind,
        vllm=study.server.vllm,
        location=model_location(study, model, entry, arm),
        env=env[arm],
        args=args_in_force(study, entry, model, arm),
        variables=sorted({name for other in others for name in _differing(env[arm], env[other])}),
        arguments=sorted({name for other in others for name in _differing(args[arm], args[other])}),
        evidence=settings.evidence,
        counter_evidence=settings.counter_evidence,
        expressions=sorted(
            {
                pattern
                for one in factor.arms.values()
                for pattern in (one.evidence, one.counter_evidence)
                if pattern
            }
        ),
        evidence_is_inherited=settings.evidence is not None
        and any(factor.arms[one.arm].evidence == settings.evidence for one in left_out),
        left_out=left_out,
        shows_log=not isinstance(study.server.launch, Endpoint),
    )


def _arguments(study: Study, entry: Entry, model: str, arm: str) -> dict[str, str]:
    """Argument -> its command line: two spellings of one are one setting. The weights are the argument `model`."""
    args = args_in_force(study, entry, model, arm).items()
    told = {name: "\0".join(flags({name: value})) for name, value in args if value is not None}
    return {**told, MODEL: model_location(study, model, entry, arm)}


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def _left_out(study: Study, entry: Entry, model: str, arm: str) -> list[LeftOut]:
    """Components that are off in this arm and on in another that is the same but for that variable.

    An arm that `leave_one_out` made is one; an arm written by hand is as good. The arm that `leave_one_out` names is
    taken first.
    """
    asked, vllm = study.factor.leave_one_out, study.server.vllm
    env, args = env_in_force(study, entry, model, arm), _arguments(study, entry, model, arm)
    first = [asked.arm] if asked is not None else []
    found: dict[str, LeftOut] = {}
    for other in dict.fromkeys([*first, *study.factor.arms]):
        theirs = env_in_force(study, entry, model, other)
        differing = _differing(env, theirs)
        if len(differing) != 1 or args != _arguments(study, entry, model, other):
            continue
        (name,) = differing
        if name not in COMPONENTS:
            continue
        if component_on(name, theirs, vllm) and not component_on(name, env, vllm):
            found.setdefault(name, LeftOut(name, other))
    return list(found.values())
