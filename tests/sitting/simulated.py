"""Blocks measured through the real plan, choice and store, with launches that only write their records.

A launch takes five minutes of a clock of the simulation's own. Its throughput is the arm's, times what the launch, the
level and the day make of it; it stands in the record, as the parquet of a run would have it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas import DataFrame

from ablation.plan.build import build_plan
from ablation.plan.plan import Level, Plan, Session
from ablation.session.progress import Progress
from ablation.session.server import ServerError
from ablation.session.store import Store
from ablation.sitting import measure
from ablation.sitting.build import Builds
from ablation.sitting.outlook import blocks_of
from ablation.study.catalogue import Catalogue
from ablation.study.load import load_study

DAY_S = 86400.0
LAUNCH_S = 300.0
GAP_S = 30.0


def study(
    arms: Mapping[str, Any], *, blocks: int = 6, levels: Sequence[int] = (4,), **design: Any
) -> dict:
    """A study of one model on the simulated server."""
    return {
        "study": "s",
        "title": "S",
        "factor": {"name": "f", "title": "F", "baseline": "off", "arms": dict(arms)},
        "models": {"m": {"path": "/m", "vocabulary": 1000}},
        "server": {"kind": "reference", "vllm": "0.0.0"},
        "design": {"blocks": blocks, "levels": list(levels), **design},
    }


def plan_of(config: dict) -> Plan:
    """Its plan."""
    return build_plan(load_study(config, "test"), Catalogue(models={}))


@dataclass
class Host:
    """A host with a clock: what its launches are made with, and how fast they are."""

    folder: Path
    now_s: float = 1.7e9
    name: str = "one"
    build: str | None = "b1"
    weights: str | None = "w1"
    client: str = "3"
    gpus: list[str] = field(default_factory=lambda: ["gpu-1"])
    rate: Callable[[Session, Level, float], float] = lambda session, level, now: 100.0
    stop_before: str | None = None  # id of a session: killed before it is launched
    failing: set[str] = field(default_factory=set)  # arms whose launches die at their second level
    dies_of: str = "kernel-missing"
    launches: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return Store(self.folder)

    def stamp(self) -> str:
        return datetime.fromtimestamp(self.now_s, UTC).isoformat()

    def measure_launch(
        self, study, session, missing, store, progress, held, *, sitting, build, **_: Any
    ) -> None:
        if session.id == self.stop_before:
            raise KeyboardInterrupt
        self.now_s += GAP_S
        self.launches.append(session.id)
        launch_id = f"launch-{len(self.launches):05d}-{self.now_s:.0f}-{session.session_hash}"
        folder = self.folder / launch_id
        folder.mkdir(parents=True)
        launch = {
            "launch_id": launch_id,
            "started_at": self.stamp(),
            "hardware": {"host": self.name, "gpu_ids": self.gpus},
            "versions": {"client": self.client},
            "sitting": sitting,
            "build": build,
            "levels": [level.concurrency for level in missing],
        }
        for level in missing:
            self.now_s += LAUNCH_S / len(session.levels)
            if session.arm in self.failing:
                launch["error"] = "ServerError: the server ended"
                launch["failure"] = {
                    "id": self.dies_of,
                    "words": "no such kernel",
                    "remedy": "build it",
                    "line": "no kernel image",
                    "stage": "start",
                }
                (folder / "launch.json").write_text(json.dumps(launch | {"ended_at": self.stamp()}))
                raise ServerError("the server ended")
            name = store.free_name(level.run_hash)
            record = self.folder / name
            record.mkdir()
            run = {
                "run_hash": level.run_hash,
                "launch_id": launch_id,
                "started_at": self.stamp(),
                "ended_at": self.stamp(),
                "rate": self.rate(session, level, self.now_s),
            }
            (record / "run.json").write_text(json.dumps(run))
            store.changed()
        launch["total_s"] = LAUNCH_S
        (folder / "launch.json").write_text(json.dumps(launch | {"ended_at": self.stamp()}))

    def run(
        self, monkeypatch: pytest.MonkeyPatch, config: dict
    ) -> tuple[Plan, list[dict[str, Any]]]:
        """Measure a study as its jobs do, block by block. Returns its plan and the sittings' evidence."""
        plan, evidence = plan_of(config), []
        hardware = {"host": self.name, "gpu_ids": self.gpus}
        monkeypatch.setattr(measure, "measure_launch", self.measure_launch)
        monkeypatch.setattr(measure, "describe_hardware", lambda: hardware)
        monkeypatch.setattr(measure, "visible_devices", lambda _: {})
        monkeypatch.setattr(measure, "CLIENT_VERSION", self.client)
        monkeypatch.setattr(measure.time, "time", lambda: self.now_s)
        monkeypatch.setattr(measure, "host_lock", _free)
        monkeypatch.setattr(measure, "end_orphans", lambda *_: [])
        builds = Builds(self.build, dict.fromkeys(plan.arms, self.weights))
        monkeypatch.setattr(measure.Builds, "of", lambda *_: builds)
        began = self.now_s
        for sessions in blocks_of(plan).values():
            evidence.append(
                measure.run_sitting(
                    plan.study,
                    sessions,
                    self.store,
                    lambda s: Progress([io.StringIO()], s.id),
                    same_arm=plan.sessions,
                    since_s=began,
                )
            )
        return plan, evidence

    def runs(self, plan: Plan, evidence: Sequence[Mapping[str, Any]]) -> DataFrame:
        """The aggregate that this evidence leads to."""
        ranks = {(s.arm, s.block): s.rank for s in plan.sessions}
        rows = []
        for sitting in evidence:
            for level in sitting["levels"]:
                for arm, found in level["runs"].items():
                    launch = self.store.launch(found["launch_id"])
                    run = json.loads((self.folder / found["record"] / "run.json").read_text())
                    rows.append(
                        {
                            "model": sitting["model"],
                            "arm": arm,
                            "block": sitting["block"],
                            "concurrency": level["concurrency"],
                            "rank": ranks[arm, sitting["block"]],
                            "launch_id": found["launch_id"],
                            "sitting": (launch["sitting"] or {}).get("id"),
                            "host": launch["hardware"]["host"],
                            "gpus": ",".join(launch["hardware"]["gpu_ids"]),
                            "build": launch["build"].get("digest"),
                            "client": launch["versions"]["client"],
                            "started_at": pd.Timestamp(run["started_at"]),
                            "ended_at": pd.Timestamp(run["ended_at"]),
                            "launch_started_at": pd.Timestamp(launch["started_at"]),
                            "launch_ended_at": pd.Timestamp(launch["ended_at"]),
                            "usable": True,
                            "gates_failed": [],
                            "output_throughput_tok_s": run["rate"],
                        }
                    )
        return DataFrame(rows)


def noisy(
    rng: np.random.Generator, launch_percent: float, shift_percent: float, day_s: float
) -> Callable:
    """Throughputs without any effect of the arm: launches vary, and from `day_s` on the host is another."""
    of_launch: dict[tuple[str, float], float] = {}

    def rate(session: Session, level: Level, now_s: float) -> float:
        noise = of_launch.setdefault(
            (session.id, now_s // LAUNCH_S), rng.normal(0, launch_percent / 100)
        )
        shift = np.log1p(shift_percent / 100) if now_s >= day_s else 0.0
        return float(100 * np.exp(noise + shift))

    return rate


class _free:
    def __init__(self, *_: Any) -> None: ...

    def __enter__(self) -> int:
        return 0

    def __exit__(self, *_: Any) -> None: ...
