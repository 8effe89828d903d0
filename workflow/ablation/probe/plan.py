"""What a probe launches and asks: the session that the plan left out, with a few requests.

results/{study}/probes/{model}/{arm}.json
"""

from __future__ import annotations

from typing import Any

from ablation.plan.plan import Plan, plan_session, requests_at
from ablation.plan.spec import spec_hash
from ablation.study.catalogue import Catalogue, entry_of
from ablation.study.config import Study
from ablation.study.load import StudyError
from ablation.study.support import support_of

REQUESTS = 6
CONCURRENCY = 2
OUTPUT_TOKENS = 16
TIMEOUT_S = 300.0


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


def plan_probe(study: Study, catalogue: Catalogue, model: str, arm: str) -> Plan:
    """A session as the plan describes one, with `claim`, `load` and `probe_hash`.

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
    session = plan_session(study, entry, model, arm)
    # A miniature without weights: the architecture is what is probed.
    bare = entry.generate is not None and not entry.generate.weights
    if bare and study.server.kind == "vllm" and "--load-format" not in session["command"]:
        session["command"] = [*session["command"], "--load-format", "dummy"]
    spec = {**session["spec"], "arguments": session["command"][1:], "probe": 1}
    return session | {
        "id": f"{model}/{arm}",
        "claim": claims(study, catalogue, model).get(arm),
        "load": _load(study, session),
        "probe_hash": spec_hash(spec),
    }


def _load(study: Study, session: Plan) -> dict[str, Any]:
    """The study's smallest level, cut to a few requests with short answers."""
    level = session["levels"][0]
    load: dict[str, Any] = dict(level["load"])
    output = load["output_tokens"]
    return load | {
        "concurrency": CONCURRENCY,
        "requests": min(REQUESTS, requests_at(study, level["concurrency"])),
        "warmup_requests": 0,
        "ramp_s": 0.0,
        "output_tokens": min(output, OUTPUT_TOKENS) if isinstance(output, int) else OUTPUT_TOKENS,
        "request_timeout_s": min(load["request_timeout_s"], TIMEOUT_S),
        "prompt_seed": f"{study.seed}/{session['model']}/probe",
    }
