"""A launch that is no data: it fills the caches of compiled kernels before the first launch that is measured.

AITER builds its kernels when they are first used, which takes minutes, and the builders' memory and the cold caches
belong to that launch alone. Waiting for the server and each level's warm-up requests keep the builds out of the window,
and the gate `jit_in_window` catches what they missed; but the run that the gate then takes out is one of the first
block. A warm launch pays for that before block 1, once for each model and arm on a host.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ablation.client.load import LoadError, ServerDied, drive
from ablation.client.workload import seed_of
from ablation.evidence.jit import jit
from ablation.evidence.stages import stages
from ablation.plan.plan import Session
from ablation.plan.spec import spec_hash
from ablation.session.environment import scrub
from ablation.session.hardware import describe_hardware
from ablation.session.launcher import hidden_values, launch_record, open_server
from ablation.session.load import load_spec
from ablation.session.log import keep_log_without_secrets
from ablation.session.progress import Progress
from ablation.session.server import ServerError
from ablation.session.store import LAUNCH_FILE, LOG_FILE, Store, write_json
from ablation.study.config import Study

SCHEMA = "ablation.warm/1"


def warm_up(
    study: Study,
    session: Session,
    store: Store,
    progress: Progress,
    *,
    lock_fd: int,
    watched: Sequence[int],
    shell: Mapping[str, str],
) -> bool:
    """Launch the session's server once, send every level's warm-up requests, and end it; unless that was done.

    Called with the host lock held. Returns whether it launched; raises ServerError or LoadError where it failed.
    """
    address = warm_hash(session)
    if any(is_done(store, launch_id, session) for launch_id in store.launches(address, "warm")):
        return False
    folder = store.new_launch(address, "warm")
    hidden = hidden_values(study, shell)
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "launch_id": folder.name,
        "session": session.id,
        "command": session.launch.command,
        "env": session.launch.env,
        "started_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "hardware": describe_hardware(),
        "levels": [],
    }
    begin = time.monotonic()
    progress.say("warm launch: fills the caches, is no data")
    try:
        server = open_server(
            study, session, folder, lock_fd=lock_fd, watched=watched, shell=shell, say=progress.say
        )
        with server:
            record["ready_s"] = server.wait_ready(
                study.server.ready_timeout_s,
                lambda s: progress.tick(f"warm launch: server is starting ({s:.0f} s)"),
            )
            for level in session.levels:
                load = level.load
                spec = load_spec(
                    server.base_url,
                    server.served_model,
                    load,
                    study.workload.prompts,
                    server.headers,
                )
                spec = dataclasses.replace(
                    spec,
                    requests=load.concurrency,
                    seed=seed_of(f"{load.prompt_seed}/warm"),
                )
                try:
                    drive(spec, server_alive=server.alive).discard()
                except ServerDied as died:
                    died.record.discard()
                    raise ServerError(server.obituary(f"warm launch: {died}")) from died
                except LoadError as error:
                    raise LoadError(f"warm launch: {error}\n{server.log_note}") from error
                record["levels"].append(load.concurrency)
            record |= {"stages": stages(server.log()), "jit": jit(server.log())}
            record |= launch_record(study, session, server)
    except BaseException as error:
        record["error"] = scrub(f"{type(error).__name__}: {error}", hidden)[:4000]
        raise
    finally:
        record["total_s"] = round(time.monotonic() - begin, 3)
        keep_log_without_secrets(folder / LOG_FILE, hidden)
        write_json(folder / LAUNCH_FILE, record)
    progress.say(f"warm launch: done in {record['total_s']:.0f} s")
    return True


def warm_hash(session: Session) -> str:
    """One for each model and arm on a host: its caches are what is warmed. Blocks share it."""
    spec = {name: value for name, value in session.spec.items() if name != "block"}
    return spec_hash({"warm": spec, "host": describe_hardware()["host"]})


def is_done(store: Store, launch_id: str, session: Session) -> bool:
    """Whether a warm launch went through all of the session's levels."""
    try:
        text = (store.folder / launch_id / LAUNCH_FILE).read_text(encoding="utf-8")
    except OSError:
        return False
    record = json.loads(text)
    wanted = {level.concurrency for level in session.levels}
    return "error" not in record and wanted <= set(record["levels"])
