"""The one way in which a server is launched, watched, ended and recorded: for data, to warm caches, as a probe.

store/{kind}-{time}-{hash}/launch.json is written before the server starts and again when it has ended, however it
ended: a launch that fails is a result.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ablation.evidence import collect
from ablation.evidence.launch import never_ready
from ablation.files import write_json
from ablation.plan.container import inside, unknown_gpus, visible_on_host
from ablation.plan.plan import Session
from ablation.session.endpoint import Endpoint, evidence_of
from ablation.session.environment import scrub_error, scrubbed
from ablation.session.hardware import describe_hardware, visible_devices
from ablation.session.launcher import AnyServer, hidden_values, launch_record, open_server
from ablation.session.log import keep_log_without_secrets
from ablation.session.progress import Progress
from ablation.session.store import LAUNCH_FILE, LOG_FILE, Store
from ablation.session.versions import workflow_versions
from ablation.study.config import Study
from ablation.study.launch import Container
from ablation.telemetry.watch import Watch, request_for


@dataclass(frozen=True)
class Held:
    """What a job holds while it launches: the host's lock, who watches it, and its shell's variables."""

    lock_fd: int
    watched: Sequence[int]
    shell: Mapping[str, str]


@dataclass(frozen=True)
class Launched:
    """A server under way, the folder that takes its evidence, and the record that becomes launch.json."""

    server: AnyServer
    folder: Path
    record: dict[str, Any]
    hidden: Sequence[str]


@contextmanager
def launched(
    study: Study,
    session: Session,
    store: Store,
    progress: Progress,
    held: Held,
    *,
    kind: str = "launch",
    address: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> Iterator[Launched]:
    """Launch a session's server and yield it; its end and its evidence are recorded whatever happens.

    `kind` and `address` name the folder in the store, `more` joins the record. Raises UserError where the server
    cannot be started here; whatever is raised inside stands in the record as `error`.
    """
    hidden = hidden_values(study, held.shell)
    folder = store.new_launch(address or session.session_hash, kind)
    record: dict[str, Any] = {
        "launch_id": folder.name,
        "session": session.id,
        "command": session.launch.command,
        "env": session.launch.env,
        "started_at": now(),
        "versions": workflow_versions(),
        "hardware": describe_hardware(),
        "visible_devices": visible_devices(held.shell),
        "levels": [],
        **(more or {}),
    }
    write_json(folder / LAUNCH_FILE, record)
    # A launch that was killed could not do it itself.
    for earlier in store.launches(address or session.session_hash, kind):
        keep_log_without_secrets(store.folder / earlier / LOG_FILE, hidden)
    begin = time.monotonic()
    server: AnyServer | None = None
    watch: Watch | None = None
    try:
        server = open_server(
            study,
            session,
            folder,
            lock_fd=held.lock_fd,
            watched=held.watched,
            shell=held.shell,
            say=progress.say,
        )
        watch = _watch(study, session, server, folder)
        with watch, server:
            yield Launched(server, folder, record, hidden)
        record["total_s"] = round(time.monotonic() - begin, 3)
    except BaseException as error:
        scrub_error(error, hidden)
        record["error"] = f"{type(error).__name__}: {error}"[:4000]
        raise
    finally:
        if server is not None:
            record |= _ended(study, session, server, hidden, record)
            record["telemetry"] = watch.evidence(server.started) if watch else None
        write_json(folder / LAUNCH_FILE, scrubbed(record, hidden))


def now() -> str:
    """This moment, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _watch(study: Study, session: Session, server: AnyServer, folder: Path) -> Watch:
    visit = isinstance(server, Endpoint)
    why_not = "what this host's devices do says nothing of an endpoint's" if visit else ""
    environment = dict(server.environment)
    launch, platform, own = study.server.launch, study.hardware.platform, session.launch.env
    if isinstance(launch, Container):
        handed_on = inside(platform, environment, own, study.server.pass_env)
        environment = visible_on_host(launch, handed_on)
        why_not = unknown_gpus(launch, platform, own)
    return Watch(
        folder,
        study.telemetry,
        request_for(
            study.telemetry,
            platform,
            session.launch.gpus,
            server.command,
            environment,
        ),
        why_not=why_not,
    )


def _ended(
    study: Study,
    session: Session,
    server: AnyServer,
    hidden: Sequence[str],
    record: Mapping[str, Any],
) -> dict[str, Any]:
    """End the server, read its log as it is, and keep the log without secrets."""
    ended = server.stop()
    if isinstance(server, Endpoint):
        found = evidence_of(session.claim)
    else:
        log = server.log()
        keep_log_without_secrets(server.log_path, hidden)
        found = collect(log, session.claim, ended, never_ready=never_ready(record))
    return found | launch_record(study, session, server)
