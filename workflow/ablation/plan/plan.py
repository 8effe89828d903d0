"""The plan of a study: every session in launch order, its exact command, its load and its cost."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from ablation.accuracy.settings import accuracy_plan
from ablation.client.workload import read_prompts
from ablation.places import here_or_home
from ablation.plan.command import (
    GENERATED,
    gpus,
    model_location,
    server_args,
)
from ablation.plan.cost import (
    detectable_percent,
    expected_level_s,
    sign_flip_floor,
)
from ablation.plan.launch import (
    CAVEAT,
    inner_command,
    launch_env,
    outer_command,
    served_model,
    spec_of_launch,
)
from ablation.plan.order import launch_order
from ablation.plan.spec import run_spec, session_spec, spec_hash
from ablation.study.catalogue import Catalogue, Entry, entry_of
from ablation.study.config import Study
from ablation.study.launch import Container, Endpoint
from ablation.study.limits import Computed, check_limits, computed_of
from ablation.study.load import StudyError
from ablation.study.shape import GIB
from ablation.study.support import Verdict, support_of
from ablation.study.workload import Length

SCHEMA = "ablation.plan/1"
DEFAULT_VOCABULARY = 32000  # of a model whose config.json cannot be seen from here

Plan = dict[str, Any]


def build_plan(study: Study, catalogue: Catalogue) -> Plan:
    """Plan a study. Pure: nothing is started or read, so it works on a machine without GPUs or vLLM.

    Raises StudyError where no session is left or a model is unknown.
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
    sessions = [
        _session(study, entries[model], model, arm, block, rank)
        for rank, (model, arm, block) in enumerate(order, start=1)
    ]
    document: Plan = {
        "schema": SCHEMA,
        "study": study.study,
        "title": study.title,
        "description": study.description,
        "simulated": study.simulated,
        "platform": study.hardware.platform,
        "hardware": study.hardware.model_dump(),
        "vllm_version": study.server.vllm,
        "launch": study.server.launch.model_dump(),
        "seed": study.seed,
        "factor": study.factor.model_dump(),
        "levels": study.design.levels,
        "design": study.design.model_dump(),
        "workload": study.workload.model_dump(),
        "gates": study.gates.model_dump(),
        "slo": study.slo.model_dump(),
        "accuracy": study.accuracy.model_dump(),
        "models": {
            model: _model(study, entries[model], support[model], blocks[model], model)
            | {"computed": _computed(model, computed)}
            for model in study.models
        },
        "excluded": [
            {
                "model": model,
                "arm": arm,
                "status": support[model].decisions[arm].status,
                "reason": _why_not(study, support[model], model, arm),
                "source": support[model].decisions[arm].source,
                "condition": support[model].decisions[arm].condition,
            }
            for model in study.models
            for arm in study.factor.arms
            if arm not in arms[model]
        ],
        "cautions": [
            {
                "model": model,
                "arms": list(caution.arms),
                "reason": caution.reason,
                "source": caution.source,
                "condition": caution.condition,
            }
            for model in study.models
            for caution in support[model].cautions
        ],
        "sessions": sessions,
        "expected_s": sum(session["expected_s"] for session in sessions),
        "gpu_hours": sum(session["expected_s"] * session["gpus"] for session in sessions) / 3600,
        "warnings": _warnings(study, support, blocks) + doubtful,
    }
    document["warnings"] += [
        f"{caution['model']} ({', '.join(caution['arms'])}): {caution['reason']}  [{caution['source']}]"
        for caution in document["cautions"]
    ]
    document["config_hash"] = config_hash(study)
    return document


def config_hash(study: Study) -> str:
    """Hash over the whole validated study, for provenance (not for the store: see spec.py)."""
    return hashlib.sha256(study.model_dump_json().encode()).hexdigest()[:16]


def plan_json(plan: Plan) -> str:
    """The plan as it stands in plan.json."""
    return json.dumps(plan, indent=1) + "\n"


def requests_at(study: Study, level: int) -> int:
    """Requests of a run: max(minimum, per_level x concurrency)."""
    asked = study.workload.requests
    return max(asked.minimum, math.ceil(asked.per_level * level))


def _session(study: Study, entry: Entry, model: str, arm: str, block: int, rank: int) -> Plan:
    inner = inner_command(study, model, arm, entry)
    env = launch_env(study, model, arm, entry)
    args = server_args(study, model, arm, entry)
    expect = study.models[model].expect or study.expect
    work = study.workload
    spec = session_spec(
        kind=study.server.kind,
        model=model,
        arm=arm,
        block=block,
        command=inner,
        env=env,
        vllm=study.server.vllm,
        launch=spec_of_launch(study, model, arm, entry),
    )
    levels: list[Plan] = []
    for level in study.design.levels:
        warmup = math.ceil(work.warmup_per_level * level)
        load: Plan = {
            "concurrency": level,
            "requests": requests_at(study, level),
            "warmup_requests": warmup,
            "ramp_s": work.ramp_s,
            "request_timeout_s": work.request_timeout_s,
            "route": work.route,
            "input_tokens": _tokens(work.input_tokens),
            "output_tokens": _tokens(work.output_tokens),
            "vocabulary": _vocabulary(study, entry, model),
            # Without the arm: both arms of a block are asked the same questions.
            "prompt_seed": f"{study.seed}/{model}/{block}/{level}",
        }
        if work.prompts is not None:
            load["prompts"] = prompts_digest(work.prompts)
        if work.image is not None:
            load["image"] = work.image.model_dump()
        levels.append(
            {
                "concurrency": level,
                "requests": load["requests"],
                "warmup_requests": warmup,
                "run_hash": spec_hash(run_spec(spec, load)),
                "expected_s": expected_level_s(
                    expect,
                    level,
                    load["requests"] + warmup,
                    mean_tokens(work.output_tokens),
                    work.ramp_s,
                ),
                "load": load,
            }
        )
    accuracy = accuracy_plan(study, expect, model, _vocabulary(study, entry, model))
    accuracy_s = accuracy["expected_s"] if accuracy else 0.0
    return {
        "id": f"{model}/{arm}/block-{block}",
        "model": model,
        "arm": arm,
        "block": block,
        "rank": rank,
        "kind": study.server.kind,
        "session_hash": spec_hash(spec),
        "spec": spec,
        "command": outer_command(study, model, arm, entry),
        "env": env,
        **_launch_parts(study, model, arm, entry),
        "gpus": gpus(study, args),
        "levels": levels,
        "accuracy": accuracy,
        "expected_s": _launch_s(study, model)
        + accuracy_s
        + sum(level["expected_s"] for level in levels),
    }


def plan_session(study: Study, entry: Entry, model: str, arm: str) -> Plan:
    """A session that the plan does not hold, as block 0: what a probe launches."""
    return _session(study, entry, model, arm, 0, 0)


def _launch_s(study: Study, model: str) -> float:
    """Expected seconds of starting and stopping the server."""
    expect = study.models[model].expect or study.expect
    return 0.0 if isinstance(study.server.launch, Endpoint) else expect.start_s + expect.stop_s


def _launch_parts(study: Study, model: str, arm: str, entry: Entry) -> Plan:
    """What a session of a container or an endpoint has beside its command."""
    if isinstance(study.server.launch, Container):
        return {"container": study.server.launch.kind}
    if isinstance(study.server.launch, Endpoint):
        url = study.factor.arms[arm].url
        return {"url": url, "served_model": served_model(study, model, arm, entry)}
    return {}


def _endpoint_warnings(study: Study) -> list[str]:
    if not isinstance(study.server.launch, Endpoint):
        return []
    proofs = [name for name, arm in study.factor.arms.items() if arm.evidence]
    return [
        CAVEAT,
        *(
            f"{name}: asks for evidence of its treatment, and an endpoint shows no log: its runs will fail the "
            f"treatment gate; take factor.arms.{name}.evidence out, or set gates.treatment to false"
            for name in proofs
            if study.gates.treatment
        ),
    ]


def prompts_digest(path: str) -> str:
    """Hash of a prompt file's content: another file of the same name is another measurement.

    Every line is read, so that a bad one is refused here. Raises WorkloadError with file and line.
    """
    file = here_or_home(path)
    read_prompts(file)
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def mean_tokens(length: int | Length) -> float:
    """Expected tokens of a fixed or distributed length."""
    return length if isinstance(length, int) else length.mean


def _tokens(length: int | Length) -> int | dict[str, Any]:
    return length if isinstance(length, int) else length.model_dump()


def _vocabulary(study: Study, entry: Entry, model: str) -> int:
    settings = study.models[model]
    generated = entry.generate.vocabulary if entry.generate else None
    return settings.vocabulary or generated or entry.vocabulary or DEFAULT_VOCABULARY


def _model(study: Study, entry: Entry, verdict: Verdict, blocks: int, model: str) -> Plan:
    location = model_location(study, model, entry)
    return {
        "title": entry.title,
        "architecture": entry.architecture,
        "stands_for": entry.stands_for,
        "location": location,
        "locations": {arm: model_location(study, model, entry, arm) for arm in verdict.runs},
        "generated": location.startswith(f"{GENERATED}/"),
        "status": verdict.status,
        "arms": list(verdict.runs),
        "blocks": blocks,
        "reason": verdict.reason,
        "source": verdict.source,
        "condition": verdict.condition,
    }


def _computed(model: str, computed: dict[tuple[str, str], Computed]) -> dict[str, Any]:
    """What config.json says of each arm: heads and memory of one GPU. Empty where it is not known."""
    return {
        arm: {
            "heads_per_gpu": part.footprint.heads,
            "kv_heads_per_gpu": part.footprint.kv_heads,
            "weights_gib": part.footprint.weights_bytes and part.footprint.weights_bytes / GIB,
            "kv_cache_bytes_per_token": part.footprint.kv_bytes_per_token,
            "gpu_memory_gib": part.gpu and part.gpu.memory_gib,
            "source": part.source,
        }
        for (name, arm), part in computed.items()
        if name == model
    }


def _why_not(study: Study, verdict: Verdict, model: str, arm: str) -> str:
    asked = study.models[model].arms
    if asked is not None and arm not in asked and verdict.decisions[arm].runs:
        return f"the study asks only for {', '.join(asked)} (models.{model}.arms)"
    return verdict.decisions[arm].reason


def _warnings(study: Study, support: dict[str, Verdict], blocks: dict[str, int]) -> list[str]:
    """What a person should know before an hour is spent."""
    found = _endpoint_warnings(study)
    for model, verdict in support.items():
        n = blocks[model]
        if len(verdict.runs) < 2:
            continue
        if n < 3:
            found.append(
                f"{model}: {n} blocks give no verdict; at least 3 are needed, 6 are advised"
            )
        elif sign_flip_floor(n) > 1 - study.design.confidence:
            found.append(
                f"{model}: with {n} blocks the exact sign-flip test cannot go below p = {sign_flip_floor(n):.4f}; "
                f"6 blocks reach 0.0312"
            )
        resolved = detectable_percent(n, 1.0, study.design.confidence)
        if resolved > study.design.equivalence_margin_percent:
            found.append(
                f"{model}: if launches vary by 1 % (CoV), {n} blocks find differences from {resolved:.1f} % on, "
                f"more than the equivalence margin of {study.design.equivalence_margin_percent:g} %"
            )
    small = [level for level in study.design.levels if requests_at(study, level) < 100]
    if small:
        found.append(
            f"levels {', '.join(map(str, small))}: fewer than 100 requests a run; tail quantiles will not be printed"
        )
    # On an H100, throughput counted in the window was 3 to 6 % off with 3 for each in flight, 1 to 3 % with 6.
    few = [n for n in study.design.levels if n > 1 and requests_at(study, n) < 6 * n]
    if few:
        found.append(
            f"levels {', '.join(map(str, few))}: fewer than 6 requests for each in flight; where the window cuts "
            "them can decide the difference (gate littles_law; 10 are the default)"
        )
    for model in study.models:
        if study.models[model].path is not None and study.models[model].vocabulary is None:
            found.append(
                f"{model}: no vocabulary stated; prompts use token ids below {DEFAULT_VOCABULARY} "
                f"(models.{model}.vocabulary)"
            )
    return found
