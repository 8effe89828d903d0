"""From a study to its plan: every session in launch order, its exact command, its load and its cost."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

from ablation.accuracy.settings import questions_of
from ablation.client.workload import read_prompts
from ablation.evidence.claim import claim_of
from ablation.places import here_or_home
from ablation.plan.advice import advice
from ablation.plan.command import GENERATED, model_location
from ablation.plan.cost import expected_level_s
from ablation.plan.order import launch_order
from ablation.plan.plan import (
    Cautioned,
    ComputedArm,
    Excluded,
    Level,
    Load,
    Plan,
    PlannedModel,
    Session,
)
from ablation.plan.resolved import resolve
from ablation.plan.spec import run_spec, spec_hash
from ablation.plan.vocabulary import vocabulary_of
from ablation.study.catalogue import Catalogue, Entry, When, entry_of
from ablation.study.config import Study
from ablation.study.gpus import read_gpus
from ablation.study.launch import Endpoint
from ablation.study.limits import Computed, check_limits, computed_of
from ablation.study.load import StudyError
from ablation.study.oversights import oversights
from ablation.study.shape import GIB
from ablation.study.support import Verdict, support_of
from ablation.study.workload import mean_tokens


def build_plan(study: Study, catalogue: Catalogue) -> Plan:
    """Plan a study. Nothing is started, so it works on a machine without GPUs or vLLM.

    Raises StudyError where no session is left, a model is unknown, or an argument cannot be counted.
    """
    entries = {model: entry_of(catalogue, study, model) for model in study.models}
    support = {model: support_of(catalogue, study, model) for model in study.models}
    blocks = {model: study.models[model].blocks or study.design.blocks for model in study.models}
    arms = {model: verdict.runs for model, verdict in support.items()}
    order = launch_order(arms, blocks, study.seed)
    if not order:
        reasons = "; ".join(f"{model}: {support[model].reason}" for model in study.models)
        raise StudyError(
            f"study {study.study}: no (model, arm) can run on this hardware: {reasons}"
        )
    computed = {
        (model, arm): part
        for model, runs in arms.items()
        for arm in runs
        if (part := computed_of(study, entries[model], model, arm)) is not None
    }
    doubtful = check_limits(study, computed)
    vocabularies = {m: vocabulary_of(study, entries[m], m) for m in study.models}
    models = {
        model: _model(study, entries[model], support[model], blocks[model], model, computed)
        for model in study.models
    }
    excluded = [
        Excluded(
            model,
            arm,
            support[model].decisions[arm].status,
            _why_not(study, support[model], model, arm),
            support[model].decisions[arm].source,
            support[model].decisions[arm].condition,
        )
        for model in study.models
        for arm in study.factor.arms
        if arm not in arms[model]
    ]
    cautions = [
        Cautioned(model, list(caution.arms), caution.reason, caution.source, caution.condition)
        for model in study.models
        for caution in support[model].cautions
    ]
    return Plan(
        study=study,
        config_hash=config_hash(study),
        models=models,
        excluded=excluded,
        cautions=cautions,
        sessions=[
            build_session(study, entries[model], model, arm, block, rank)
            for rank, (model, arm, block) in enumerate(order, start=1)
        ],
        warnings=[
            *oversights(study, entries, read_gpus(), _conditions(catalogue)),
            *advice(study, models, vocabularies),
            *doubtful,
            *map(_caution_text, cautions),
        ],
    )


def _conditions(catalogue: Catalogue) -> list[When]:
    """The conditions of the catalogue's statements: they name the architectures that something is known of."""
    own = [statement.when for entry in catalogue.models.values() for statement in entry.support]
    return [*own, *(rule.when for rule in catalogue.rules)]


def config_hash(study: Study) -> str:
    """Hash over the whole validated study, for provenance (not for the store: see spec.py)."""
    return hashlib.sha256(study.model_dump_json().encode()).hexdigest()[:16]


def build_session(
    study: Study, entry: Entry, model: str, arm: str, block: int, rank: int
) -> Session:
    """A session of the plan. Block 0 is one that the plan does not hold: what a probe launches."""
    launch = resolve(study, entry, model, arm)
    spec = launch.spec(model, arm, block)
    expect = study.models[model].expect or study.expect
    vocabulary = vocabulary_of(study, entry, model).size
    levels = []
    for concurrency in study.design.levels:
        load = _load(study, model, block, concurrency, vocabulary)
        levels.append(
            Level(
                load,
                spec_hash(run_spec(spec, load.spec())),
                expected_level_s(
                    expect,
                    concurrency,
                    load.requests + load.warmup_requests,
                    mean_tokens(study.workload.output_tokens),
                    load.ramp_s,
                ),
            )
        )
    questions = questions_of(study, expect, model, vocabulary)
    start_stop_s = (
        0.0 if isinstance(study.server.launch, Endpoint) else expect.start_s + expect.stop_s
    )
    return Session(
        model=model,
        arm=arm,
        block=block,
        rank=rank,
        launch=launch,
        claim=claim_of(study, entry, model, arm),
        session_hash=spec_hash(spec),
        levels=levels,
        questions=questions,
        expected_s=start_stop_s
        + (questions.expected_s if questions else 0.0)
        + sum(level.expected_s for level in levels),
    )


def _load(study: Study, model: str, block: int, concurrency: int, vocabulary: int) -> Load:
    work = study.workload
    return Load(
        concurrency=concurrency,
        requests=work.requests_at(concurrency),
        warmup_requests=math.ceil(work.warmup_per_level * concurrency),
        ramp_s=work.ramp_s,
        request_timeout_s=work.request_timeout_s,
        route=work.route,
        input_tokens=work.input_tokens,
        output_tokens=work.output_tokens,
        vocabulary=vocabulary,
        # Without the arm: both arms of a block are asked the same questions.
        prompt_seed=f"{study.seed}/{model}/{block}/{concurrency}",
        prompts=None if work.prompts is None else prompts_digest(work.prompts),
        image=work.image,
    )


def prompts_digest(path: str) -> str:
    """Hash of a prompt file's content: another file of the same name is another measurement.

    Every line is read, so that a bad one is refused here. Raises WorkloadError with file and line.
    """
    file = here_or_home(path)
    read_prompts(file)
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _model(
    study: Study,
    entry: Entry,
    verdict: Verdict,
    blocks: int,
    model: str,
    computed: Mapping[tuple[str, str], Computed],
) -> PlannedModel:
    location = model_location(study, model, entry)
    return PlannedModel(
        title=entry.title,
        architecture=entry.architecture,
        stands_for=entry.stands_for,
        location=location,
        locations={arm: model_location(study, model, entry, arm) for arm in verdict.runs},
        generated=location.startswith(f"{GENERATED}/"),
        status=verdict.status,
        arms=list(verdict.runs),
        blocks=blocks,
        reason=verdict.reason,
        source=verdict.source,
        condition=verdict.condition,
        computed={arm: _computed(part) for (name, arm), part in computed.items() if name == model},
    )


def _computed(part: Computed) -> ComputedArm:
    found = part.footprint
    return ComputedArm(
        heads_per_gpu=found.heads,
        kv_heads_per_gpu=found.kv_heads,
        weights_gib=None if found.weights_bytes is None else found.weights_bytes / GIB,
        kv_cache_bytes_per_token=found.kv_bytes_per_token,
        gpu_memory_gib=None if part.gpu is None else part.gpu.memory_gib,
        source=part.source,
    )


def _why_not(study: Study, verdict: Verdict, model: str, arm: str) -> str:
    asked = study.models[model].arms
    if asked is not None and arm not in asked and verdict.decisions[arm].runs:
        return f"the study asks only for {', '.join(asked)} (models.{model}.arms)"
    return verdict.decisions[arm].reason


def _caution_text(caution: Cautioned) -> str:
    return f"{caution.model} ({', '.join(caution.arms)}): {caution.reason}  [{caution.source}]"
