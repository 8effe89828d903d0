"""The process that samples: asked every `period_s`, told to end by the end of its input.

It speaks JSON lines: first what it reads with, or why it cannot; last how much it took. It never touches the
server or the client, gives way to both (nice), and outlives the session by no more than one sample: when the
session is gone, however it went, its input ends, and what was sampled is written.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.telemetry.probe import Request, probe
from ablation.telemetry.reading import NotObserved, Reader, Reading

if TYPE_CHECKING:
    from ablation.telemetry.file import TelemetryFile

NICE = 5
FIRST_S = 5.0
GIVE_UP_AFTER = 20  # failed samples in a row


def main(words: str) -> None:
    """`words` is JSON: the fields of Request, and `path` of the file to write."""
    spec: dict[str, Any] = json.loads(words)
    path = Path(spec.pop("path"))
    request = Request(**spec)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICE)
    found = probe(request)
    about = {
        "reader": found.reader.name if found.reader else None,
        "tried": found.tried,
        "devices": [
            {"kind": d.kind, "index": d.index, "name": d.name}
            for d in (found.reader.devices if found.reader else [])
        ],
        "period_s": request.period_s,
    }
    if found.reader is None:
        say(about)
        return
    # Here: where nothing can be read, the launch does not wait for pyarrow.
    from ablation.telemetry.file import TelemetryFile

    file = TelemetryFile(path, about)
    file.add(first(found.reader))
    say(about)
    say(sample(found.reader, file, request.period_s))


def first(reader: Reader) -> list[Reading]:
    """The first readings, so that there are some of before the launch."""
    deadline = time.monotonic() + FIRST_S
    while not (readings := reader.read()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return readings


def sample(reader: Reader, file: TelemetryFile, period_s: float) -> dict[str, Any]:
    """Sample until the input ends. Returns how many samples, their cost, and why it gave up if it did."""
    cpu, wall = cpu_s(), time.monotonic()
    due, failed, gave_up = wall, 0, ""
    while not gave_up:
        try:
            file.add(reader.read())
            failed = 0
        except NotObserved as error:
            gave_up = str(error)
        except Exception as error:  # a GPU that is lost for a moment may come back
            failed += 1
            if failed >= GIVE_UP_AFTER:
                gave_up = f"{type(error).__name__}: {error}"
        file.write_when_due()
        due = max(due + period_s, time.monotonic())
        if ended(max(due - time.monotonic(), 0)):
            break
    if not gave_up:
        try:
            file.add(reader.read())
        except Exception as error:  # the last sample is worth no more than the others
            gave_up = f"{type(error).__name__}: {error}"
    file.write()
    reader.close()
    seconds = time.monotonic() - wall
    spent = cpu_s() - cpu
    return {
        "samples": file.samples,
        "sampled_s": round(seconds, 3),
        "cpu_share": round(spent / seconds, 5) if seconds > 0 else None,
        "gave_up": gave_up or None,
    }


def cpu_s() -> float:
    """CPU seconds of this process and of the children that have ended (nvidia-smi, once it is closed)."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def ended(seconds: float) -> bool:
    """Wait; True as soon as the input has ended (or says anything)."""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready)


def say(words: dict[str, Any]) -> None:
    """One line to the session; nobody may be there any more."""
    try:
        print(json.dumps(words), flush=True)
    except OSError:
        # Python flushes once more at exit; the pipe is broken then too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
