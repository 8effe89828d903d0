"""The store: what was measured, for ever, at the address of its spec's hash.

    results/{study}/store/{run_hash}/                          one run's raw record, whole or absent
    results/{study}/store/launch-{time}-{session_hash}/        one launch: server.log, launch.json, exit.json
    results/{study}/store/warm-{time}-{hash}/                  a launch that only filled the caches: no data

Snakemake does not know the store, so it never deletes from it: not when a job fails, not when a configuration
changes. Nothing here deletes or overwrites a record either.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RUN_FILE = "run.json"  # written with the raw record; its presence makes a record whole
LAUNCH_FILE = "launch.json"
LOG_FILE = "server.log"


class Store:
    """The store under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, run_hash: str) -> Path:
        """Folder of a run's raw record, whether it exists or not."""
        return self.folder / run_hash

    def has(self, run_hash: str) -> bool:
        """True where the run was measured."""
        return (self.run(run_hash) / RUN_FILE).is_file()

    def missing(self, run_hashes: Iterable[str]) -> list[str]:
        """Those that were not measured yet."""
        return [run_hash for run_hash in run_hashes if not self.has(run_hash)]

    def run_json(self, run_hash: str) -> dict[str, Any]:
        """What was recorded with a run. Raises FileNotFoundError where it was never measured."""
        return _read(self.run(run_hash) / RUN_FILE)

    def new_launch(self, session_hash: str, kind: str = "launch") -> Path:
        """A fresh folder for a launch, or for another `kind` of server's life that is no data (`warm`)."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")[:-3]
        folder = self.folder / f"{kind}-{stamp}-{session_hash}"
        folder.mkdir(parents=True)
        return folder

    def launch(self, launch_id: str) -> dict[str, Any]:
        """The evidence of a launch, with how its server ended where that is known."""
        folder = self.folder / launch_id
        record = _read(folder / LAUNCH_FILE)
        if (folder / "exit.json").is_file():
            record["exit"] = _read(folder / "exit.json")
            record["ended_at"] = record["exit"].get("ended_at")
        return record

    def launches(self, session_hash: str, kind: str = "launch") -> list[str]:
        """Ids of all launches of a session, failed ones too, oldest first."""
        return sorted(folder.name for folder in self.folder.glob(f"{kind}-*-{session_hash}"))


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(data, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data
