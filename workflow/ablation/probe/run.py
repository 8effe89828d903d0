"""One probe: launch the arm, see how far it comes, ask it a few requests, and write down what happened."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ablation.client.load import LoadError, ServerDied, drive
from ablation.evidence import classify, collect, reached, tail
from ablation.files import write_json
from ablation.probe.plan import Probe
from ablation.probe.text import summary
from ablation.session.environment import scrubbed
from ablation.session.launched import Held, launched
from ablation.session.load import load_spec
from ablation.session.lock import host_lock, host_lock_path
from ablation.session.orphans import end_orphans
from ablation.session.progress import Progress
from ablation.session.server import Server, ServerError
from ablation.session.session import LOCK_PATIENCE_S, check_disk
from ablation.session.store import Store
from ablation.study.config import Study

SCHEMA = "ablation.probe/1"
PROBE_FILE = "probe.json"
# An engine that dies of its first requests is gone within a second or two.
GRACE_S = 3.0


def run_probe(
    study: Study,
    probe: Probe,
    store: Store,
    progress: Progress,
    *,
    watched: Sequence[int] = (),
    shell: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """Try one arm and return what happened; the log is kept in the store, and the record beside it.

    A server that fails is a result. Raises ServerError only where nothing could be tried (no such program, the
    port taken by a stranger).

    stage               start, weights, kv_cache, graph_capture, ready or under_load: what the server came to
    outcome             answered (every request), or failed
    failure             {"id", "words", "remedy", "line", "stage"}, or None
    memory_loaded_gib   of one device, as the server says it; None where it does not
    claim, stale        what the catalogue said; True where the probe contradicts it
    """
    check_disk(store.folder)
    with host_lock(
        f"{study.study}: probe {probe.id}",
        lambda other, s: progress.tick(f"waiting for this host, in use by {other} ({s:.0f} s)"),
        LOCK_PATIENCE_S,
    ) as lock_fd:
        end_orphans(host_lock_path(), progress.say)
        return _try(study, probe, store, progress, Held(lock_fd, watched, shell))


def _try(
    study: Study, probe: Probe, store: Store, progress: Progress, held: Held
) -> dict[str, Any]:
    begin, ready_s = time.monotonic(), None
    answers = {"requests": probe.load.requests, "answered": 0, "first_error": None}
    with launched(
        study, probe.session, store, progress, held, kind="probe", address=probe.probe_hash
    ) as launch:
        server = launch.server
        if not isinstance(server, Server):
            raise ServerError("a probe launches a server: not with server.launch.kind: endpoint")
        progress.say("launching the server")
        try:
            ready_s = server.wait_ready(
                study.server.ready_timeout_s,
                lambda s: progress.tick(f"server is starting ({s:.0f} s)"),
            )
        except ServerError:
            if server.alive():  # somebody else answers on its port: nothing was tried
                raise
        if ready_s is not None:
            progress.say(f"server is ready after {ready_s:.1f} s")
            answers |= _ask(study, probe, server)
        ended, log = server.stop(), server.log()  # as it is: leaving hides secrets in it
    record = _record(study, probe, log, ended, ready_s=ready_s, answers=answers)
    record = dict(scrubbed(record, launch.hidden)) | {
        "launch_id": launch.folder.name,
        "log": f"{store.folder}/{launch.folder.name}/{server.log_path.name}",
        "started_at": launch.record["started_at"],
        "seconds": round(time.monotonic() - begin, 3),
        "versions": launch.record["versions"],
        "hardware": launch.record["hardware"],
    }
    write_json(launch.folder / PROBE_FILE, record)
    progress.say(record["text"])
    return record


def _ask(study: Study, probe: Probe, server: Server) -> dict[str, Any]:
    """Send the probe's requests, then wait a little: a server may answer and die."""
    spec = load_spec(server.base_url, probe.session.model, probe.load, study.workload.prompts)
    try:
        record = drive(spec, server_alive=server.alive)
    except ServerDied as died:
        record = died.record
    except LoadError as error:
        return {"first_error": str(error)}
    told = _answers(record.requests)
    record.discard()
    end = time.monotonic() + GRACE_S
    while server.alive() and time.monotonic() < end:
        time.sleep(0.1)
    return told


def _answers(requests: pa.Table) -> dict[str, Any]:
    errors = [text for text in requests["error_text"].to_pylist() if text]
    return {
        "answered": requests["error_class"].null_count,
        "first_error": errors[0][:300] if errors else None,
    }


def _record(
    study: Study,
    probe: Probe,
    log: str,
    ended: Mapping[str, Any],
    *,
    ready_s: float | None,
    answers: Mapping[str, Any],
) -> dict[str, Any]:
    """What happened, in the words of the log and of the requests."""
    ready = ready_s is not None
    failure = classify(log, ended=ended, known=not ready, loaded=ready)
    answered = ready and failure is None and answers["answered"] == answers["requests"]
    seen = collect(log, probe.session.claim, ended)
    seen["failure"] = failure.as_dict() if failure else None
    record = seen | {
        "schema": SCHEMA,
        "study": study.study,
        "simulated": study.simulated,
        "model": probe.session.model,
        "arm": probe.session.arm,
        "probe_hash": probe.probe_hash,
        "command": probe.session.launch.command,
        "env": probe.session.launch.env,
        "claim": probe.claim,
        "stage": reached(log, loaded=ready),
        "outcome": "answered" if answered else "failed",
        "ready_s": ready_s,
        **answers,
        "memory_loaded_gib": seen["stages"].get("model_memory_gib"),
        # A server that quietly ran something else does not speak against the catalogue.
        "stale": bool(probe.claim and answered and seen["treatment"]["passed"] is not False),
        "exit": dict(ended),
        "last_lines": tail(log),
    }
    return record | {"text": summary(record)}
