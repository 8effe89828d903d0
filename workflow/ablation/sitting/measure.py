"""One sitting: every arm of a block launched in its order, with the host held from the first launch to the last.

results/{study}/sittings/{model}/block-{block}.json says which sitting each level comes from, and which record of the
store each run is. It is made from the store: it can be made again at any time.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ablation.client import CLIENT_VERSION
from ablation.client.load import LoadError
from ablation.plan.plan import Level, Session
from ablation.session.hardware import describe_hardware, visible_devices
from ablation.session.launched import Held
from ablation.session.lock import host_lock, host_lock_path
from ablation.session.orphans import end_orphans
from ablation.session.progress import Progress
from ablation.session.server import ServerError
from ablation.session.session import LOCK_PATIENCE_S, check_disk, measure_launch
from ablation.session.store import Store
from ablation.session.warm import warm_up
from ablation.sitting.build import Builds
from ablation.sitting.choice import Block, Choice, Here
from ablation.sitting.facts import chosen_gpus
from ablation.sitting.failures import Failed, doubtful, failures_of, give_up, unexplained
from ablation.study.config import Study
from ablation.study.load import StudyError

SCHEMA = "ablation.sitting/1"


def run_sitting(
    study: Study,
    sessions: Sequence[Session],
    store: Store,
    progress: Callable[[Session], Progress],
    *,
    watched: Sequence[int] = (),
    shell: Mapping[str, str] = os.environ,
    launch: bool = True,
    same_arm: Sequence[Session] = (),
    since_s: float = 0.0,
) -> dict[str, Any]:
    """Measure what the store lacks of a block, and return which sitting holds for each level, and what failed.

    `sessions` are the block's, of one model. `same_arm` are the model's sessions in all blocks, and `since_s` is when
    this command began: an arm that fails again and again is given up. A launch that fails is no error here; whatever
    else keeps a block from being measured is: UserError, or StudyError where something is missing and `launch` is
    false.
    """
    gap_s, reuse = study.design.sitting_gap_s, study.design.reuse
    block = Block(sessions, store)
    if not launch:
        choice = block.choose(Here(), gap_s, reuse=reuse)
        failures = doubtful(block.sessions, store) if choice.missing else {}
        untried = [
            session
            for session, levels in block.left(choice, Here())
            if session.arm not in failures and not block.measured(session, levels)
        ]
        if choice.missing and (untried or not failures):
            raise StudyError(_not_in_store(block, choice))
        return sitting_evidence(study, block, choice, list(failures.values()))
    for words in store.damaged.values():
        progress(block.sessions[0]).say(words)
    builds = Builds.of(study, sessions, shell)
    here = _here(builds, shell)
    choice = block.choose(here, gap_s, reuse=reuse)
    if not choice.missing:
        progress(block.sessions[0]).say("all of the block is in the store; nothing to measure")
        return sitting_evidence(study, block, choice)
    check_disk(store.folder)
    first = progress(block.sessions[0])
    holder = f"{study.study}: {sessions[0].model}/block-{sessions[0].block}"
    with host_lock(
        holder,
        lambda other, s: first.tick(f"waiting for this host, in use by {other} ({s:.0f} s)"),
        LOCK_PATIENCE_S,
    ) as lock_fd:
        held = Held(lock_fd, watched, shell)
        end_orphans(host_lock_path(), first.say)
        if (
            study.server.warm_launch
        ):  # all before the first that counts: nothing lies between the pairs
            for session in block.sessions:
                warm_up(study, session, store, progress(session), held)
        # The wait may have been long, and another workflow of this folder may have measured meanwhile.
        block = Block(sessions, store.fresh())
        here = _here(builds, shell)
        choice = block.choose(here, gap_s, reuse=reuse)
        sitting = choice.resumes or new_sitting()
        failing = doubtful(same_arm or block.sessions, store)
        todo = block.left(choice, here, reuse=reuse)
        if choice.resumes is None:  # in a new sitting, what failed before is tried first
            todo.sort(key=lambda one: one[0].arm not in failing)
        order = [session.arm for session, _ in todo]
        skipped: list[Failed] = []
        builds.keep(store.folder)
        for session, left in todo:
            if any(f.arm in failing for f in skipped) and block.measured(session, left):
                continue  # it failed again: nothing is launched beside it that was measured before
            again = [s for s in same_arm if s.arm == session.arm] or [session]
            failure = give_up(
                session, again, store, since_s=since_s, most=study.design.give_up_after
            )
            if failure is None:
                levels = [level for level in session.levels if level.concurrency in left]
                made = {"id": sitting, "order": order}
                failure = _try(
                    study, session, levels, store, progress(session), held,
                    sitting=made, build=builds.record(session.arm),
                )  # fmt: skip
            if failure is not None:
                progress(session).say(f"{failure.text}; the other arms go on")
                skipped.append(failure)
    block = Block(sessions, store.fresh())
    choice = block.choose(_here(builds, shell), gap_s, reuse=reuse)
    if choice.missing and not skipped:
        raise StudyError(
            f"{sessions[0].model}, block {sessions[0].block}: the launches of its arms lie too far apart to be "
            "compared (design.sitting_gap_s); type the same command again: the block is then measured in one go"
        )
    return sitting_evidence(study, block, choice, skipped)


def _try(
    study: Study,
    session: Session,
    levels: Sequence[Level],
    store: Store,
    progress: Progress,
    held: Held,
    *,
    sitting: Mapping[str, Any],
    build: Mapping[str, Any],
) -> Failed | None:
    """Measure a launch. Returns its failure, or None; what is no failure of the server is raised."""
    try:
        measure_launch(study, session, levels, store, progress, held, sitting=sitting, build=build)
    except (ServerError, LoadError) as error:
        failures = failures_of(session, store)
        return failures[-1] if failures else unexplained(session, error)
    return None


def sitting_evidence(
    study: Study, block: Block, choice: Choice, failures: Sequence[Failed] = ()
) -> dict[str, Any]:
    """Which sitting and which records each level comes from, the launches of each arm, and what failed."""
    picks = {level: choice.picks.get(level) or block.best(level) for level in block.levels}
    chosen = {block.facts[r.launch_id].sitting for pick in picks.values() for r in pick.values()}
    shown = {failure.launch_id for failure in failures}
    first = block.sessions[0]
    return {
        "schema": SCHEMA,
        "study": study.study,
        "model": first.model,
        "block": first.block,
        "order": [session.arm for session in block.sessions],
        "levels": [
            {
                "concurrency": level,
                "sitting": choice.sittings.get(level),
                "runs": {
                    arm: {
                        "run_hash": record.run_hash,
                        "record": record.name,
                        "launch_id": record.launch_id,
                        "started_at": record.started_at,
                        "ended_at": record.ended_at,
                    }
                    for arm, record in picks[level].items()
                },
            }
            for level in block.levels
        ],
        "launches": {
            session.arm: [
                launch_id
                for launch_id in block.store.launches(session.session_hash)
                if launch_id in shown or block.facts[launch_id].sitting in chosen - {None}
            ]
            for session in block.sessions
        },
        "failures": [failure.as_dict() for failure in failures],
    }


def new_sitting() -> str:
    """A name that no other sitting has: when it began, and eight random digits."""
    return f"sitting-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def here_of(
    study: Study, sessions: Sequence[Session], shell: Mapping[str, str] = os.environ
) -> Here:
    """What launches of a block's sessions would be made with now."""
    return _here(Builds.of(study, sessions, shell), shell)


def _here(builds: Builds, shell: Mapping[str, str]) -> Here:
    hardware = describe_hardware()
    return Here(
        host=hardware["host"],
        gpus=chosen_gpus({"hardware": hardware, "visible_devices": visible_devices(shell)}),
        build=builds.digest,
        weights=builds.weights,
        client=str(CLIENT_VERSION),
        now_s=time.time(),
    )


def _not_in_store(block: Block, choice: Choice) -> str:
    first = block.sessions[0]
    lacking = [
        f"{session.arm} at {level}"
        for session in block.sessions
        for level in choice.missing
        if not block.records[session.arm, level]
    ]
    what = (
        f"{', '.join(lacking)} is not in {block.store.folder}"
        if lacking
        else f"its arms were not measured together (level {', '.join(map(str, choice.missing))})"
    )
    return (
        f"{first.model}, block {first.block}: {what}, and stored=true launches nothing; bring its records there, "
        "ask for fewer blocks, set design.reuse to see the numbers without a verdict, or leave out stored=true"
    )
