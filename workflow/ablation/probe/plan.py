"""What a probe launches and asks: the session that the plan left out, with a few requests.

results/{study}/probes/{model}/{arm}.json
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ablation.plan.build import build_session
from ablation.plan.plan import Load, Session
from ablation.plan.spec import spec_hash
from ablation.study.catalogue import Catalogue, entry_of
from ablation.study.config import Study
from ablation.study.load import StudyError
from ablation.study.support import support_of

REQUESTS = 6
CONCURRENCY = 2
OUTPUT_TOKENS = 16
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Probe:
    """What is tried: a session of its own, the few requests it is sent, and what the catalogue says of the arm."""

    session: Session
    load: Load
    claim: dict[str, str] | None
    probe_hash: str

    @property
    def id(self) -> str:
        """`model/arm`."""
        return f"{self.session.model}/{self.session.arm}"


def claims(study: Study, catalogue: Catalogue, model: str) -> dict[str, dict[str, str]]:
    """Arm -> what the catalogue says, for the arms of a model that it calls impossible."""
    verdict = support_of(catalogue, study, model)
    return {
        arm: {
            "status": decision.status,
            "reason": decision.reason,
            "source": decision.source,
            "condition": decision.condition,
        }
        for arm, decision in verdict.decisions.items()
        if verdict.word(arm) == "impossible"
    }


def probes_of(study: Study, catalogue: Catalogue) -> list[tuple[str, str]]:
    """(model, arm) of what `snakemake probe` tries: what the catalogue calls impossible, and what the study names."""
    impossible = [
        (model, arm)
        for model, settings in study.models.items()
        for arm in claims(study, catalogue, model)
        if settings.arms is None or arm in settings.arms
    ]
    named = [(probe.model, probe.arm) for probe in study.probe]
    return list(dict.fromkeys([*impossible, *named]))


def plan_probe(study: Study, catalogue: Catalogue, model: str, arm: str) -> Probe:
    """What a probe of this model and arm launches and asks.

    Raises StudyError where the study has no such model or arm.
    """
    if model not in study.models:
        raise StudyError(
            f"{model}: no such model in study {study.study}; it has {', '.join(study.models)}"
        )
    if arm not in study.factor.arms:
        raise StudyError(
            f"{arm}: no such arm of factor {study.factor.name}; it has {', '.join(study.factor.arms)}"
        )
    entry = entry_of(catalogue, study, model)
    session = build_session(study, entry, model, arm, 0, 0)
    launch = session.launch
    # A miniature without weights: the architecture is what is probed.
    bare = entry.generate is not None and not entry.generate.weights
    if bare and study.server.kind == "vllm" and "load-format" not in launch.args:
        dummy = ["--load-format", "dummy"]
        launch = replace(
            launch,
            args={**launch.args, "load-format": "dummy"},
            arguments=[*launch.arguments, *dummy],
            command=[*launch.command, *dummy],
        )
        session = replace(session, launch=launch)
    return Probe(
        session=session,
        load=_load(study, session),
        claim=claims(study, catalogue, model).get(arm),
        probe_hash=spec_hash({**session.spec, "probe": 1}),
    )


def _load(study: Study, session: Session) -> Load:
    """The study's smallest level, cut to a few requests with short answers."""
    load = session.levels[0].load
    output = load.output_tokens
    return replace(
        load,
        concurrency=CONCURRENCY,
        requests=min(REQUESTS, load.requests),
        warmup_requests=0,
        ramp_s=0.0,
        output_tokens=min(output, OUTPUT_TOKENS) if isinstance(output, int) else OUTPUT_TOKENS,
        request_timeout_s=min(load.request_timeout_s, TIMEOUT_S),
        prompt_seed=f"{study.seed}/{session.model}/probe",
    )
