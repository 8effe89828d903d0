"""The plan as a person reads it on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablation.plan.command import shown_command
from ablation.plan.cost import duration_text
from ablation.plan.plan import ComputedArm, Plan, Session
from ablation.study.workload import Length


@dataclass(frozen=True)
class Left:
    """A session that is still to be launched, with the levels that it lacks."""

    session: Session
    levels: tuple[int, ...]
    expected_s: float

    @property
    def text(self) -> str:
        """`about 3 min`, and which levels where it is not all."""
        some = len(self.levels) < len(self.session.levels)
        only = f", levels {', '.join(map(str, self.levels))}" if some else ""
        return f"about {duration_text(self.expected_s)}{only}"


def whole(session: Session) -> Left:
    """A session of which nothing was measured."""
    return Left(session, tuple(level.concurrency for level in session.levels), session.expected_s)


def plan_text(plan: Plan, left: Sequence[Left] | None = None, notes: Sequence[str] = ()) -> str:
    """The plan as a person reads it on a terminal.

    `left` is what is still to be launched, by the store; everything, where it is not known. `notes` stand first among
    the warnings: what will be measured again, and why.
    """
    still = list(map(whole, plan.sessions)) if left is None else left
    todo = {one.session.id: one for one in still}
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
        mark = todo[session.id].text if session.id in todo else "measured"
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
    if notes or plan.warnings:
        lines += ["", "warnings", *(f"  {warning}" for warning in (*notes, *plan.warnings))]
    hours = f", {plan.gpu_hours:.1f} GPU-hours" if plan.gpu_hours else ""
    lines += [
        "",
        f"{len(plan.sessions)} sessions, about {duration_text(plan.expected_s)} in all{hours}; "
        f"{len(todo)} left, about {duration_text(sum(one.expected_s for one in todo.values()))}",
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
