"""Which arms of a study a model runs: the catalogue's statements, applied to the situation of each arm."""

from __future__ import annotations

from dataclasses import dataclass

from ablation.study.catalogue import Catalogue, Entry, Status, Support, entry_of
from ablation.study.config import Study
from ablation.study.layers import args_in_force, env_in_force
from ablation.study.shape import shape_of_model
from ablation.study.situation import situation_of


@dataclass(frozen=True)
class Decision:
    """What decides about one arm of a model."""

    runs: bool
    status: Status
    reason: str
    source: str
    condition: str


@dataclass(frozen=True)
class Caution:
    """What a reader must know of some arms, though they run."""

    arms: tuple[str, ...]
    reason: str
    source: str
    condition: str


@dataclass(frozen=True)
class Verdict:
    """What the catalogue says of a model in a study: which arms run, and why.

    `status`, `reason`, `source` and `condition` are those of the first arm that cannot run, or of the first.
    """

    status: Status
    runs: tuple[str, ...]
    reason: str
    source: str
    condition: str
    decisions: dict[str, Decision]
    cautions: tuple[Caution, ...]

    def word(self, arm: str) -> str:
        """`possible`, `required`, `impossible` or `not measured`, of one arm."""
        decision = self.decisions[arm]
        if not decision.runs:
            return "not measured" if decision.status == "default" else "impossible"
        others = (d for name, d in self.decisions.items() if name != arm)
        return (
            "required" if any(d.status == "required" and not d.runs for d in others) else "possible"
        )


def support_of(catalogue: Catalogue, study: Study, model: str) -> Verdict:
    """Which arms of the study's factor this model runs; of each arm the first statement that holds decides.

    The model's own statements come before the rules. Raises StudyError where the model is not known.
    """
    entry = entry_of(catalogue, study, model)
    asked = study.models[model].arms
    statements = [
        statement
        for statement in (*entry.support, *catalogue.rules)
        if statement.factor in (study.factor.name, "any")
    ]
    decisions: dict[str, Decision] = {}
    cautions: dict[int, list[str]] = {}
    for arm in study.factor.arms:
        shape = shape_of_model(study, entry, model, arm)
        situation = situation_of(study, entry, model, arm, shape)
        holding = [s for s in statements if situation.meets(s.when)]
        deciding = next((s for s in holding if s.status != "caution"), None)
        decisions[arm] = _decide(study, entry, model, arm, deciding)
        if decisions[arm].runs and (asked is None or arm in asked):
            for statement in holding:
                if statement.status == "caution" and _named(study, entry, model, arm, statement):
                    cautions.setdefault(statements.index(statement), []).append(arm)
    first = next(
        (decision for decision in decisions.values() if not decision.runs),
        next(iter(decisions.values())),
    )
    return Verdict(
        first.status,
        tuple(a for a, d in decisions.items() if d.runs and (asked is None or a in asked)),
        first.reason,
        first.source,
        first.condition,
        decisions,
        tuple(
            Caution(
                tuple(arms),
                statements[index].reason,
                statements[index].source,
                str(statements[index].when),
            )
            for index, arms in sorted(cautions.items())
        ),
    )


def _decide(
    study: Study, entry: Entry, model: str, arm: str, statement: Support | None
) -> Decision:
    if statement is None:
        return Decision(
            True,
            "toggle",
            "no statement in the catalogue holds here, so every arm is tried",
            study.catalogue,
            "always",
        )
    if statement.status == "unsupported":
        runs = False
    elif statement.arms is not None:
        runs = _named(study, entry, model, arm, statement)
    else:
        runs = statement.status == "toggle"
    return Decision(runs, statement.status, statement.reason, statement.source, str(statement.when))


def _named(study: Study, entry: Entry, model: str, arm: str, statement: Support) -> bool:
    """True where the statement names the arm, or one with the same settings (an A/A arm), or names none."""
    if statement.arms is None or arm in statement.arms:
        return True
    own = _settings(study, entry, model, arm)
    return any(
        own == _settings(study, entry, model, other)
        for other in statement.arms
        if other in study.factor.arms
    )


def _settings(study: Study, entry: Entry, model: str, arm: str) -> tuple[object, ...]:
    weights = study.factor.arms[arm].paths.get(model)
    return env_in_force(study, entry, model, arm), args_in_force(study, entry, model, arm), weights
