"""The plan as a person reads it on a terminal."""

from __future__ import annotations

from ablation.plan.command import shown_command
from ablation.plan.cost import duration_text
from ablation.plan.plan import ComputedArm, Plan
from ablation.study.workload import Length


def plan_text(plan: Plan, done: set[str] | None = None) -> str:
    """The plan as a person reads it on a terminal. `done` holds the ids of sessions already measured."""
    done = done or set()
    study, factor = plan.study, plan.study.factor
    lines = [f"{plan.title}  [study {plan.name}]", ""]
    lines.append(
        f"factor    {factor.title}: "
        + ", ".join(
            f"{arm}{' (baseline)' if arm == factor.baseline else ''}" for arm in factor.arms
        )
    )
    lines.append(
        f"levels    {', '.join(map(str, plan.levels))} requests in flight; "
        f"{_length_text(study.workload.input_tokens)} input and "
        f"{_length_text(study.workload.output_tokens)} output tokens"
    )
    lines += ["", "models"]
    for name, model in plan.models.items():
        runs = ", ".join(model.arms) or "none"
        blocks = f"; {model.blocks} blocks" if model.arms else ""
        lines.append(f"  {name}: {model.status}; arms {runs}{blocks}")
        if model.status != "toggle":
            lines.append(f"      {model.reason}  [{model.source}]")
        if study.hardware.platform != "cpu":
            lines += [f"      {sentence}" for sentence in _computed_text(model.computed)]
    first = plan.sessions[0]
    if asked := first.questions:
        lines += [
            "",
            f"accuracy  {asked.prompts} prompts, {asked.output_tokens} greedy tokens each, twice in "
            f"every launch, {asked.concurrency} in flight: about "
            f"{duration_text(asked.expected_s)} a launch",
        ]
    lines += ["", "requests per level (and warm-up)"]
    lines += [
        f"  {level.concurrency:>5}: {level.load.requests} (+{level.load.warmup_requests})"
        for level in first.levels
    ]
    lines += ["", "sessions in launch order"]
    for session in plan.sessions:
        mark = "measured" if session.id in done else f"about {duration_text(session.expected_s)}"
        lines.append(f"  {session.rank:>4}  {session.id:<44} {mark}")
    lines += ["", "commands (first launch of each model and arm)"]
    seen = set()
    for session in plan.sessions:
        cell, launch = (session.model, session.arm), session.launch
        if cell not in seen:
            seen.add(cell)
            shown = shown_command(
                launch.command, launch.env, container=launch.container, url=launch.url
            )
            lines += [f"  {session.model}, {session.arm}", f"    {shown}"]
    if plan.warnings:
        lines += ["", "warnings", *(f"  {warning}" for warning in plan.warnings)]
    left = sum(s.expected_s for s in plan.sessions if s.id not in done)
    hours = f", {plan.gpu_hours:.1f} GPU-hours" if plan.gpu_hours else ""
    lines += [
        "",
        f"{len(plan.sessions)} sessions, about {duration_text(plan.expected_s)} in all{hours}; "
        f"{len(plan.sessions) - len(done)} left, about {duration_text(left)}",
    ]
    return "\n".join(lines) + "\n"


def _computed_text(computed: dict[str, ComputedArm]) -> list[str]:
    """What was computed from config.json, once for all arms that it is the same for."""
    arms: dict[str, list[str]] = {}
    for arm, part in computed.items():
        words = f"{part.heads_per_gpu} heads and {part.kv_heads_per_gpu} key/value heads a GPU"
        if part.weights_gib:
            of = f" of {part.gpu_memory_gib:g}" if part.gpu_memory_gib else ""
            words += f", weights {part.weights_gib:.3g}{of} GiB"
        if part.kv_cache_bytes_per_token:
            words += f", KV cache {part.kv_cache_bytes_per_token / 1024:.1f} KiB a token"
        arms.setdefault(words, []).append(arm)
    if len(arms) == 1:
        return list(arms)
    return [f"{', '.join(names)}: {words}" for words, names in arms.items()]


def _length_text(length: int | Length) -> str:
    if isinstance(length, int):
        return str(length)
    return f"{length.low} to {length.high} ({length.kind})"
