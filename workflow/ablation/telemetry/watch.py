"""The session's side of telemetry: starts the sampler before the server and ends it after.

Nothing here may cost a measurement: a sampler that does not answer, dies or finds nothing to read leaves a
sentence that says so. Only a study that says `telemetry.enabled: true` is refused, before its server starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from ablation.errors import UserError
from ablation.places import HOME
from ablation.study.telemetry import Telemetry
from ablation.telemetry.devices import VARIABLES
from ablation.telemetry.energy import energy, series, summed
from ablation.telemetry.file import FILE, read_telemetry
from ablation.telemetry.probe import Request

ANSWER_S = 60.0  # several ways may each take seconds to say no
END_S = 30.0
# A server's Python still imports so long after its launch: the GPU is as it was.
STILL_IDLE_S = 2.0


class TelemetryError(UserError):
    """Telemetry was asked for and cannot be had; the message names each way that was tried, and the remedy."""


def request_for(
    settings: Telemetry,
    platform: str,
    gpus: int,
    command: Sequence[str],
    environment: Mapping[str, str],
) -> Request:
    """What is to be read for a server with this command and environment."""
    python = command[0] if Path(command[0]).name.startswith("python") else None
    return Request(
        platform=platform,
        gpus=gpus,
        period_s=settings.period_s,
        visible={name: environment[name] for name in VARIABLES if name in environment},
        python=python,
        pythonpath=environment.get("PYTHONPATH"),
    )


class Watch:
    """A sampler beside one launch. Use as a context manager around the server's life."""

    def __init__(
        self, folder: Path, settings: Telemetry, request: Request, *, why_not: str = ""
    ) -> None:
        """`folder` is the launch's: it takes telemetry.parquet. `why_not`: nothing can be sampled, and why."""
        self._why_not = why_not
        self._path = folder / FILE
        self._settings = settings
        self._request = request
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = b""
        self._errors: IO[bytes] | None = None
        self._last_words = ""
        self.about: dict[str, Any] = {"reader": None, "tried": []}

    def __enter__(self) -> Watch:
        if self._settings.enabled is False:
            self.about["tried"] = ["the study samples nothing (telemetry.enabled: false)"]
            return self
        if self._why_not:
            self.about["tried"] = [self._why_not]
        else:
            self._start()
        if self.about["reader"] is None and self._settings.enabled is True:
            self._end()
            raise TelemetryError(
                "telemetry.enabled: true, and nothing can be read here: "
                f"{'; '.join(self.about['tried'])}. Nothing was launched; set it to auto to measure without"
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _start(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the sampler has ended)
        paths = [str(HOME / "workflow"), os.environ.get("PYTHONPATH", "")]
        spec = {**vars(self._request), "path": str(self._path.absolute())}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ablation.telemetry", json.dumps(spec)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
                process_group=0,
            )
        except OSError as error:
            self._errors.close()
            self.about["tried"] = [f"the sampler did not start: {error}"]
            return
        self._hear(ANSWER_S)
        if self.about["reader"] is None:
            self._end()
            self.about["tried"] = self.about["tried"] or [
                f"the sampler did not answer{self._last_words}"
            ]

    def _hear(self, patience_s: float, *, to_the_end: bool = False) -> bool:
        """Take in the sampler's next line, or all of them until it closes. False when it takes too long."""
        assert self._process is not None
        assert self._process.stdout is not None
        deadline = time.monotonic() + patience_s
        while to_the_end or b"\n" not in self._heard:
            left = max(deadline - time.monotonic(), 0)
            if not select.select([self._process.stdout], [], [], left)[0]:
                return False
            data = os.read(self._process.stdout.fileno(), 1 << 16)
            if not data:
                break
            self._heard += data
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):  # it died in the middle of a word
                self.about |= json.loads(line)
        return True

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        if not self._hear(END_S, to_the_end=True):
            process.kill()
        process.wait()
        process.stdout.close()
        self._process = None
        self._last_words = self._complaint()
        if self.about["reader"] is not None and "samples" not in self.about:
            self.about["gave_up"] = f"the sampler ended with {process.returncode}{self._last_words}"

    def _complaint(self) -> str:
        """The last line of what the sampler complained of, after a colon; empty where it was silent."""
        assert self._errors is not None
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        self._errors.close()
        return f": {lines[-1][:300]}" if lines else ""

    def evidence(self, launched_s: float) -> dict[str, Any]:
        """What a launch keeps of its telemetry: how it was read, idle power, energy of the whole launch.

        reader      what it was read with, or None; `text` says what that means in a sentence
        idle_power_w    all devices, mean from the first sample to shortly after the server's launch
        launched_s      when the server was launched (time.monotonic)
        energy_j    all devices, from the first sample to the last; energy_source is counter or power
        """
        self._end()
        found = dict(self.about)
        if found["reader"] is None:
            return found | {"text": f"not observed: {'; '.join(found['tried'])}"}
        found["text"] = f"read by {found['reader']} every {found['period_s']:g} s"
        if found.get("gave_up"):
            found["text"] += f", until: {found['gave_up']}"
        try:
            return found | self._of_the_launch(launched_s)
        except Exception as why:  # evidence of a launch is written whatever telemetry has come to
            return found | {"text": f"{found['text']}; {why}"}

    def _of_the_launch(self, launched_s: float) -> dict[str, Any]:
        table, about = read_telemetry(self._path)
        every = series(table, 0)
        start = max(float(one.at_s[0]) for one in every)
        end = min(float(one.at_s[-1]) for one in every)
        parts = [energy(one, start, end, about["period_s"]) for one in every]
        idle = summed(every, "power_w", 0.0, launched_s + STILL_IDLE_S)
        power = summed(every, "power_w", start, end)
        return {
            "idle_power_w": round(float(np.mean(idle)), 3) if len(idle) else None,
            "power_max_w": round(float(np.max(power)), 3) if len(power) else None,
            "energy_j": round(sum(part.joules for part in parts), 3),
            "energy_source": " and ".join(sorted({part.source for part in parts})),
            "energy_s": round(end - start, 3),
        }
