"""The store: what was measured, for ever, at the address of its spec's hash.

    results/{study}/store/{run_hash}/                          one run's raw record, whole or absent
    results/{study}/store/{run_hash}-{time}/                   the same run measured again, in another sitting
    results/{study}/store/launch-{time}-{session_hash}/        one launch: server.log, launch.json, exit.json
    results/{study}/store/warm-{time}-{hash}/                  a launch that only filled the caches: no data

Snakemake does not know the store, so it never deletes from it: not when a job fails, not when a configuration
changes. Nothing here deletes or overwrites a record either.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ablation.files import DamagedError, read_json

RUN_FILE = "run.json"  # written with the raw record; its presence makes a record whole
LAUNCH_FILE = "launch.json"
LOG_FILE = "server.log"
_RECORD = re.compile(r"[0-9a-f]{16}(?:-\d{8}T\d{9})?")


@dataclass(frozen=True)
class Record:
    """One raw record: its folder's name in the store, the launch that it is from, and when it was measured."""

    name: str
    run_hash: str
    launch_id: str
    started_at: str
    ended_at: str


class Store:
    """The store under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: dict[str, str] = {}  # folder -> what cannot be read there, and what follows
        self._names: dict[str, list[str]] | None = None

    def record(self, name: str) -> Path:
        """Folder of a raw record."""
        return self.folder / name

    def records(self, run_hash: str) -> list[Record]:
        """Every whole measurement of a run, the first one first; none where it was never measured.

        What cannot be read is left out, kept, and named in `damaged`.
        """
        if self._names is None:
            self._names = _by_hash(self.folder)
        found = []
        for name in self._names.get(run_hash, ()):
            try:
                run = read_json(self.folder / name / RUN_FILE)
                found.append(
                    Record(
                        name,
                        run_hash,
                        str(run["launch_id"]),
                        _time(run["started_at"]),
                        _time(run["ended_at"]),
                    )
                )
                self.launch(found[-1].launch_id)
            except DamagedError as error:
                self._damaged(name, error)
                found = [record for record in found if record.name != name]
            except (LookupError, TypeError, ValueError) as error:
                self._damaged(
                    name, f"{self.folder / name / RUN_FILE}: not a run's record ({error!r})"
                )
        return sorted(found, key=lambda record: (record.started_at, record.name))

    def _damaged(self, name: str, why: object) -> None:
        self.damaged[name] = f"{why}; what it holds is kept, and measured again"

    def free_name(self, run_hash: str) -> str:
        """Name for a new record of a run: its hash, with the time behind it where it was measured before."""
        if not (self.folder / run_hash).exists():
            return run_hash
        return f"{run_hash}-{_stamp()}"

    def changed(self) -> None:
        """Look again what is there: a record was added."""
        self._names = None

    def fresh(self) -> Store:
        """The same store, looked at anew: somebody else may have added to it."""
        return Store(self.folder)

    def sitting_of(self, launch_id: str) -> str | None:
        """The sitting that a launch belongs to; None where it was made before sittings were recorded."""
        return (self.launch(launch_id).get("sitting") or {}).get("id")

    def new_launch(self, session_hash: str, kind: str = "launch") -> Path:
        """A fresh folder for a launch, or for another `kind` of server's life that is no data (`warm`)."""
        folder = self.folder / f"{kind}-{_stamp()}-{session_hash}"
        folder.mkdir(parents=True)
        return folder

    def launch(self, launch_id: str) -> dict[str, Any]:
        """The evidence of a launch, with how its server ended where that is known.

        Raises DamagedError where the launch left no record that can be read.
        """
        folder = self.folder / launch_id
        record = read_json(folder / LAUNCH_FILE)
        if not {"launch_id", "started_at"} <= set(record):
            raise DamagedError(f"{folder / LAUNCH_FILE}: not a launch's record")
        if (folder / "exit.json").is_file():
            try:
                record["exit"] = read_json(folder / "exit.json")
            except DamagedError as error:
                record["exit"] = {"code": None, "signal": None, "how": f"not known: {error}"}
            record["ended_at"] = record["exit"].get("ended_at")
        return record

    def launches(self, session_hash: str, kind: str = "launch") -> list[str]:
        """Ids of all launches of a session that left a record, failed ones too, oldest first."""
        found = []
        for folder in self.folder.glob(f"{kind}-*-{session_hash}"):
            try:
                self.launch(folder.name)
                found.append(folder.name)
            except DamagedError as error:
                self.damaged[folder.name] = f"{error}; the folder is kept"
        return sorted(found)


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")[:-3]


def _by_hash(folder: Path) -> dict[str, list[str]]:
    """Run hash -> names of its whole records, from one look at the folder."""
    found: dict[str, list[str]] = {}
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return found
    for name in names:
        if _RECORD.fullmatch(name) and (folder / name / RUN_FILE).is_file():
            found.setdefault(name[:16], []).append(name)
    return found


def _time(text: Any) -> str:
    """An ISO time, checked. Raises ValueError."""
    datetime.fromisoformat(text)
    return str(text)
