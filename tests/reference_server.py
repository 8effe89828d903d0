"""The reference server as a process of the tests' own, and how its answers come out of the client."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

import ablation
from ablation.client.load import LoadSpec, drive
from ablation.client.record import RawRecord, read_record, write_record
from ablation.client.workload import Workload, fixed
from ablation.run.decode import decode

ENV = os.environ | {"PYTHONPATH": str(Path(ablation.__file__).parent.parent)}


@dataclass
class Served:
    """A running reference server."""

    process: subprocess.Popen[str]
    url: str

    def alive(self) -> bool:
        return self.process.poll() is None

    def truth(self) -> dict[str, Any]:
        truth: dict[str, Any] = httpx.get(f"{self.url}/truth").json()
        return truth


@contextmanager
def serving(*args: str) -> Iterator[Served]:
    """A reference server with short intervals (others by args), ended with the block."""
    command = [sys.executable, "-m", "ablation.reference", "--port", "0"]
    command += ["--ttft-ms", "5", "--itl-ms", "2", *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENV) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            yield Served(process, url)
        finally:
            process.kill()


def spec(server: Served, **changes: Any) -> LoadSpec:
    """A small level: 4 in flight, 40 requests of 16 tokens in and 8 out."""
    load: dict[str, Any] = {
        "url": server.url,
        "workload": Workload("reference", isl=fixed(16), osl=fixed(8)),
        "concurrency": 4,
        "requests": 40,
        "seed": 1,
        "timeout_s": 30.0,
    }
    return LoadSpec(**(load | changes))


def measured(server: Served, folder: Path, **changes: Any) -> tuple[RawRecord, pa.Table]:
    """Drive a level, write it, read it back and decode it."""
    load = spec(server, **changes)
    record = drive(load, server_alive=server.alive, scratch=folder)
    return stored(record, folder, load.concurrency)


def stored(record: RawRecord, folder: Path, concurrency: int) -> tuple[RawRecord, pa.Table]:
    """Write a record, read it back and decode it."""
    write_record(folder / "record", record, {"spec": {"concurrency": concurrency}})
    record.discard()
    record = read_record(folder / "record")
    return record, decode(record)
