"""One launch: start the server of (model, arm, block), drive the levels that its sitting lacks, end it.

What is measured goes into the store at once, level by level. The session's declared output is only its
evidence, made from the store: it can be made again at any time, and is the same each time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from ablation.accuracy.collect import observe
from ablation.client.load import LoadError, ServerDied, drive
from ablation.client.load import Progress as LoadProgress
from ablation.client.record import write_record
from ablation.evidence import reread
from ablation.files import read_json
from ablation.plan.plan import Level, Session
from ablation.session.hardware import describe_hardware
from ablation.session.installation import check_version
from ablation.session.launched import Held, launched, now
from ablation.session.launcher import AnyServer
from ablation.session.load import load_spec
from ablation.session.model_config import model_config
from ablation.session.progress import Progress
from ablation.session.server import ServerError
from ablation.session.store import LOG_FILE, Store
from ablation.study.config import Study
from ablation.study.load import StudyError

SCHEMA = "ablation.session/1"
LOCK_PATIENCE_S = (
    7 * 24 * 3600.0
)  # another study may hold the host for days; the wait is said, not silent
FREE_BYTES_NEEDED = 500_000_000


def session_evidence(
    study: Study, session: Session, store: Store, sitting: Mapping[str, Any]
) -> dict[str, Any]:
    """The evidence of a session: its launches, and which record of the store each of its runs is.

    `sitting` is what the block's sitting left (sitting/measure.py); everything else comes from the store.
    """
    runs = [
        {
            "concurrency": level["concurrency"],
            "sitting": level["sitting"],
            **level["runs"][session.arm],
        }
        for level in sitting["levels"]
        if session.arm in level["runs"]
    ]
    failures = [f for f in sitting["failures"] if f["arm"] == session.arm]
    used = {run["launch_id"] for run in runs} | set(sitting["launches"].get(session.arm, ()))
    return {
        "schema": SCHEMA,
        "study": study.study,
        "model": session.model,
        "arm": session.arm,
        "block": session.block,
        "session_hash": session.session_hash,
        "launches": [
            reread(
                store.launch(launch_id),
                store.folder / launch_id / LOG_FILE,
                session.claim,
            )
            for launch_id in sorted(used)
        ],
        "runs": runs,
        "failure": failures[0] if failures else None,
    }


def record_of(session: Path, run_hash: str) -> str | dict[str, Any]:
    """Name of the record that a session's evidence has for a run, or the failure that left it without.

    Raises StudyError where the evidence has neither.
    """
    evidence = read_json(
        session, f"derive it again: snakemake --cores 1 {session} --forcerun session"
    )
    for run in evidence["runs"]:
        if run["run_hash"] == run_hash:
            return str(run["record"])
    if failure := evidence.get("failure"):
        return dict(failure)
    raise StudyError(
        f"{session}: has no run {run_hash}; it was made for another configuration: derive it again with "
        f"snakemake --cores 1 {session} --forcerun session"
    )


def check_disk(folder: Path) -> None:
    """Refuse to launch on a disk that cannot hold the records. Raises OSError with the remedy."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES_NEEDED:
        raise OSError(
            f"{folder}: only {free / 1e6:.0f} MB are free on this disk and a session may need "
            f"{FREE_BYTES_NEEDED / 1e6:.0f} MB; nothing was started. Free some space, then type the same command again"
        )


def measure_launch(
    study: Study,
    session: Session,
    missing: Sequence[Level],
    store: Store,
    progress: Progress,
    held: Held,
    *,
    sitting: Mapping[str, Any],
    build: Mapping[str, Any],
) -> None:
    """Launch the session's server, drive the `missing` levels, and end it.

    `sitting` and `build` are kept with the launch: what it was measured beside, and with what. Raises ServerError
    where the server does not start, get ready or survive, LoadError where the load cannot be driven; everything
    measured until then is in the store.
    """
    more = {"sitting": dict(sitting), "build": dict(build)}
    with launched(study, session, store, progress, held, more=more) as launch:
        server, record = launch.server, launch.record
        visit = study.server.launch.kind == "endpoint"
        progress.say(f"visiting {server.base_url}" if visit else "launching the server")
        progress.quiet()
        record["ready_s"] = server.wait_ready(
            study.server.ready_timeout_s,
            lambda s: progress.tick(f"server is starting ({s:.0f} s)"),
        )
        record["ready_at"] = now()
        record["model_config"] = model_config(session.launch.command, held.shell)
        record["versions"]["server"] = server.version()
        if study.server.kind == "vllm" and record["versions"]["server"]:
            check_version(record["versions"]["server"], study.server.vllm, "the server")
        progress.say(f"server is ready after {record['ready_s']:.1f} s")
        record["accuracy"] = observe(
            server.base_url,
            session,
            launch.folder,
            launch.hidden,
            served_model=server.served_model,
            headers=server.headers,
        )
        progress.say(record["accuracy"]["text"])
        for level in missing:
            _measure_level(study, session, level, server, launch.folder, store, progress)
            record["levels"].append(level.concurrency)


def scratch_of(store: Path) -> Path:
    """Where a level's raw bytes lie until they are whole: on the store's own disk, whose room was checked.

    What a killed job left there is removed by the next one of this host.
    """
    host = describe_hardware()["host"]
    for left in store.glob(f".scratch-{host}-*"):
        if not psutil.pid_exists(int(left.name.rpartition("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    folder = store / f".scratch-{host}-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _measure_level(
    study: Study,
    session: Session,
    level: Level,
    server: AnyServer,
    folder: Path,
    store: Store,
    progress: Progress,
) -> None:
    concurrency, load = level.concurrency, level.load
    progress.say(
        f"level {concurrency}: {load.warmup_requests} warm-up and {load.requests} requests"
    )
    progress.quiet()

    def on_progress(at: LoadProgress) -> None:
        if at.phase == "data":
            progress.tick(f"level {concurrency}: {at.done}/{at.total} requests")

    begin = time.monotonic()
    spec = load_spec(
        server.base_url, server.served_model, load, study.workload.prompts, server.headers
    )
    run = {
        "spec": session.run_spec(level),
        "run_hash": level.run_hash,
        "launch_id": folder.name,
    }
    scratch = scratch_of(store.folder)
    try:
        record = drive(
            spec,
            server_alive=server.alive,
            on_progress=on_progress,
            scratch=scratch,
        )
    except ServerDied as died:
        # The evidence of a failed run is kept beside the log of the server that died, never as data.
        write_record(
            folder / f"failed-concurrency-{concurrency}", died.record, run | {"error": str(died)}
        )
        died.record.discard()
        raise ServerError(server.obituary(f"level {concurrency}: {died}")) from died
    except LoadError as error:
        raise LoadError(f"level {concurrency}: {error}\n{server.log_note}") from error
    try:
        try:
            failed = len(record.requests) - record.requests["error_class"].null_count
            server.check_unchanged(f"level {concurrency}", failed_requests=failed)
        except ServerError as error:
            kept = folder / f"failed-concurrency-{concurrency}"
            write_record(kept, record, run | {"error": str(error)})
            raise
        write_record(store.record(store.free_name(level.run_hash)), record, run)
        store.changed()
    finally:
        record.discard()
        with contextlib.suppress(OSError):
            scratch.rmdir()
    progress.say(f"level {concurrency}: measured in {time.monotonic() - begin:.1f} s")
