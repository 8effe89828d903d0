"""From a run's raw record in the store to its parquet: rows, summary, gates, provenance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablation.client.record import read_record
from ablation.evidence import rejudge
from ablation.evidence.claim import Claim
from ablation.evidence.expectations import UNTOLD
from ablation.evidence.treatment import state_of
from ablation.roofline.launch import run_roofline
from ablation.run.compilation import server_log
from ablation.run.decode import decode
from ablation.run.gate import gate, usable
from ablation.run.gates import Thresholds, judge
from ablation.run.metrics import mark_window, summarise
from ablation.run.schema import RUN, write_run_parquet
from ablation.run.telemetry import run_telemetry
from ablation.session.store import LOG_FILE, Store
from ablation.sitting.facts import facts_of


def derive_run(
    store: Store,
    name: str,
    path: Path,
    *,
    study: str,
    gates: dict[str, Any],
    slo: dict[str, float | None],
    claim: Claim | None = None,
) -> dict[str, Any]:
    """Decode the record of this name and write its run's parquet. The same record and thresholds give the same bytes.

    `claim` as the study makes it now: the treatment is judged anew from the server's log, so that correcting an arm's
    `evidence` costs no measurement. Without it, or without a log, the judgement of the launch stands.
    Returns the run's metadata. Raises RecordError where the store has no such record: an older file
    can then never be taken for it.
    """
    record = read_record(store.record(name))
    run_hash = record.run_json["run_hash"]
    spec = record.run_json["spec"]
    session = spec["session"]
    launch = store.launch(record.run_json["launch_id"])
    folder = store.folder / launch["launch_id"]
    if claim is not None and claim.shows_log:
        launch = rejudge(launch, folder / LOG_FILE, claim)
    objectives = {name: value for name, value in slo.items() if value is not None}
    rows = decode(record)
    summary = summarise(rows, record.run_json, objectives)
    summary |= run_telemetry(folder, launch, summary, record.run_json)
    summary |= run_roofline(launch, summary)
    rows = mark_window(rows, summary)
    thresholds = Thresholds(**{name: value for name, value in gates.items() if name != "treatment"})
    judged = judge(summary, rows, record.run_json, thresholds, server_log(folder, launch))
    judged.append(treatment_gate(launch, required=gates["treatment"]))
    metadata = {
        "study": study,
        "model": session["model"],
        "arm": session["arm"],
        "block": session["block"],
        "concurrency": spec["concurrency"],
        "run_hash": run_hash,
        "launch_id": launch["launch_id"],
        "record": name,
        "launch_facts": launch_facts(launch, record.ended_at),
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "summary": summary,
        "gates": judged,
        "usable": usable(judged),
        "provenance": {
            "command": launch["command"],
            "env": launch["env"],
            "versions": launch["versions"],
            "hardware": launch["hardware"],
            "spec": spec,
            "client": record.client,
            "server_counters": record.server_counters,
            "warmup": record.warmup,
            "thresholds": gates,
        },
    }
    write_run_parquet(path, rows, metadata)
    return metadata


def derive_failed(
    path: Path, failure: Mapping[str, Any], *, identity: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the parquet of a run that was never measured, since its launch failed: no rows, no numbers, the reason.

    `identity` is study, model, arm, block, concurrency and run_hash. Returns the metadata.
    """
    why = f"{failure['text']}; {failure['remedy']}"
    metadata = {
        **identity,
        "launch_id": failure["launch_id"],
        "record": None,
        "launch_facts": {},
        "started_at": None,
        "ended_at": None,
        "summary": {},
        "gates": [gate("launch", False, None, None, why)],
        "usable": False,
        "provenance": {"failure": dict(failure)},
    }
    write_run_parquet(path, RUN.empty_table(), metadata)
    return metadata


def launch_facts(launch: dict[str, Any], ended_at: str) -> dict[str, Any]:
    """Where, when and with what a run's launch was made: what decides whether two runs are a pair."""
    facts = facts_of(launch, [ended_at])
    return {
        "sitting": facts.sitting,
        "host": facts.host,
        "gpus": None if facts.gpus is None else ",".join(facts.gpus),
        "build": facts.build,
        "weights": facts.weights,
        "client": facts.client,
        "launch_started_at": launch["started_at"],
        "launch_ended_at": launch.get("ended_at") or ended_at,
    }


def treatment_gate(launch: dict[str, Any], required: bool) -> dict[str, Any]:
    """Did the server's log show that the arm's treatment took effect?

    A treatment that the log refutes fails. One that cannot be told from it was not observed, and the report says so
    beside the verdict; but it fails where the study asks for a line of a log that nobody can see (an endpoint's).
    """
    found = launch.get("treatment") or {"passed": None, "text": "the launch left no evidence"}
    shown = found["passed"]
    untold = state_of(found) == UNTOLD and shown is None
    passed = None if untold else shown is not False or not required
    value = None if shown is None else float(shown)
    return gate("treatment", passed, value, 1.0 if required else None, found["text"])
