"""A launch that is no data: it fills the caches of compiled kernels before the first launch that is measured.

AITER builds its kernels when they are first used, which takes minutes, and the builders' memory and the cold caches
belong to that launch alone. Waiting for the server and each level's warm-up requests keep the builds out of the window,
and the gate `jit_in_window` catches what they missed; but the run that the gate then takes out is one of the first
block. A warm launch pays for that before block 1, once for each model and arm on a host.
"""

from __future__ import annotations

import dataclasses
import time

from ablation.client.load import LoadError, ServerDied, drive
from ablation.client.workload import seed_of
from ablation.plan.plan import Load, Session
from ablation.plan.spec import spec_hash
from ablation.session.hardware import describe_hardware
from ablation.session.launched import Held, launched
from ablation.session.launcher import AnyServer
from ablation.session.load import load_spec
from ablation.session.progress import Progress
from ablation.session.server import ServerError
from ablation.session.store import Store
from ablation.study.config import Study

SCHEMA = "ablation.warm/1"


def warm_up(study: Study, session: Session, store: Store, progress: Progress, held: Held) -> bool:
    """Launch the session's server once, send every level's warm-up requests, and end it; unless that was done.

    Returns whether it launched; raises ServerError or LoadError where it failed.
    """
    address = warm_hash(session)
    if any(is_done(store, launch_id, session) for launch_id in store.launches(address, "warm")):
        return False
    begin = time.monotonic()
    progress.say("warm launch: fills the caches, is no data")
    with launched(
        study, session, store, progress, held, kind="warm", address=address, more={"schema": SCHEMA}
    ) as launch:
        server, record = launch.server, launch.record
        record["ready_s"] = server.wait_ready(
            study.server.ready_timeout_s,
            lambda s: progress.tick(f"warm launch: server is starting ({s:.0f} s)"),
        )
        for level in session.levels:
            _send(study, level.load, server)
            record["levels"].append(level.concurrency)
    progress.say(f"warm launch: done in {time.monotonic() - begin:.0f} s")
    return True


def _send(study: Study, load: Load, server: AnyServer) -> None:
    """A level's warm-up requests, and as many more as are in flight."""
    spec = load_spec(
        server.base_url, server.served_model, load, study.workload.prompts, server.headers
    )
    spec = dataclasses.replace(
        spec, requests=load.concurrency, seed=seed_of(f"{load.prompt_seed}/warm")
    )
    try:
        drive(spec, server_alive=server.alive).discard()
    except ServerDied as died:
        died.record.discard()
        raise ServerError(server.obituary(f"warm launch: {died}")) from died
    except LoadError as error:
        raise LoadError(f"warm launch: {error}\n{server.log_note}") from error


def warm_hash(session: Session) -> str:
    """One for each model and arm on a host: its caches are what is warmed. Blocks share it."""
    spec = {name: value for name, value in session.spec.items() if name != "block"}
    return spec_hash({"warm": spec, "host": describe_hardware()["host"]})


def is_done(store: Store, launch_id: str, session: Session) -> bool:
    """Whether a warm launch went through all of the session's levels."""
    record = store.launch(launch_id)
    wanted = {level.concurrency for level in session.levels}
    return "error" not in record and wanted <= set(record["levels"])
