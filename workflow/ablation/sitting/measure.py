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
from ablation.plan.plan import Session
from ablation.session.hardware import describe_hardware, visible_devices
from ablation.session.lock import host_lock
from ablation.session.progress import Progress
from ablation.session.session import LOCK_PATIENCE_S, check_disk, measure_launch
from ablation.session.store import Store
from ablation.session.warm import warm_up
from ablation.sitting.build import Builds
from ablation.sitting.choice import Block, Choice, Here
from ablation.sitting.facts import chosen_gpus
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
) -> dict[str, Any]:
    """Measure what the store lacks of a block, and return which sitting holds for each level.

    `sessions` are the block's, of one model. Raises ServerError or LoadError where a launch fails (what was measured
    until then is in the store), StudyError where something is missing and `launch` is false.
    """
    gap_s, reuse = study.design.sitting_gap_s, study.design.reuse
    block = Block(sessions, store)
    if not launch:
        choice = block.choose(Here(), gap_s, reuse=reuse)
        if choice.missing:
            raise StudyError(_not_in_store(block, choice))
        return sitting_evidence(study, block, choice)
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
        held_by: dict[str, Any] = {"lock_fd": lock_fd, "watched": watched, "shell": shell}
        if (
            study.server.warm_launch
        ):  # all before the first that counts: nothing lies between the pairs
            for session in block.sessions:
                warm_up(study, session, store, progress(session), **held_by)
        # The wait may have been long, and another workflow of this folder may have measured meanwhile.
        block = Block(sessions, store.fresh())
        here = _here(builds, shell)
        choice = block.choose(here, gap_s, reuse=reuse)
        sitting = choice.resumes or new_sitting()
        order = [session.arm for session in block.sessions]
        for session, left in block.left(choice, here, reuse=reuse):
            measure_launch(
                study,
                session,
                [level for level in session.levels if level.concurrency in left],
                store,
                progress(session),
                sitting={"id": sitting, "order": order},
                build=builds.record(session.arm),
                **held_by,
            )
    block = Block(sessions, store.fresh())
    choice = block.choose(_here(builds, shell), gap_s, reuse=reuse)
    if choice.missing:
        raise StudyError(
            f"{sessions[0].model}, block {sessions[0].block}: the launches of its arms lie too far apart to be "
            "compared (design.sitting_gap_s); type the same command again: the block is then measured in one go"
        )
    return sitting_evidence(study, block, choice)


def sitting_evidence(study: Study, block: Block, choice: Choice) -> dict[str, Any]:
    """Which sitting and which records each level comes from, and the launches of each arm, failed ones too."""
    chosen = set(choice.sittings.values()) - {None}
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
                "sitting": choice.sittings[level],
                "runs": {
                    arm: {
                        "run_hash": record.run_hash,
                        "record": record.name,
                        "launch_id": record.launch_id,
                        "started_at": record.started_at,
                        "ended_at": record.ended_at,
                    }
                    for arm, record in choice.picks[level].items()
                },
            }
            for level in block.levels
        ],
        "launches": {
            session.arm: [
                launch_id
                for launch_id in block.store.launches(session.session_hash)
                if block.store.sitting_of(launch_id) in chosen
            ]
            for session in block.sessions
        },
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
