"""NVIDIA GPUs by one long-running `nvidia-smi --query-gpu ... -lms`: the last resort, without energy counter."""

from __future__ import annotations

import csv
import io
import os
import pty
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from ablation.telemetry.devices import used
from ablation.telemetry.nvml import reasons_of
from ablation.telemetry.reading import Device, NotObserved, Reading, number, scaled

PATIENCE_S = 20.0
OLDEST_NS = 10_000_000_000  # a stamp older than this is by another clock
FIELDS = (
    "timestamp",
    "index",
    "uuid",
    "name",
    "power.draw",
    "clocks.sm",
    "clocks.mem",
    "temperature.gpu",
    "memory.used",
    "utilization.gpu",
    "clocks_event_reasons.active",
    "enforced.power.limit",
)
# Drivers before R535 know the reasons by their older name.
OLDER = {"clocks_event_reasons.active": "clocks_throttle_reasons.active"}
_UNKNOWN = re.compile(r'Field "([^"]+)" is not a valid field')


def parse(text: str, fields: Sequence[str]) -> list[dict[str, str]]:
    """Whole lines of the csv (noheader, nounits) as field -> value; a cut or foreign line is left out."""
    rows = csv.reader(io.StringIO(text), skipinitialspace=True)
    return [dict(zip(fields, row, strict=True)) for row in rows if len(row) == len(fields)]


def reading(row: Mapping[str, str], device: Device, monotonic_ns: int) -> Reading:
    """A line of nvidia-smi as a reading."""
    mask = row.get("clocks_event_reasons.active", row.get("clocks_throttle_reasons.active", ""))
    try:
        throttle = reasons_of(int(mask, 16))
    except ValueError:
        throttle = None
    return Reading(
        monotonic_ns,
        device,
        power_w=number(row.get("power.draw")),
        clock_mhz=number(row.get("clocks.sm")),
        memory_clock_mhz=number(row.get("clocks.mem")),
        temperature_c=number(row.get("temperature.gpu")),
        memory_used_gib=scaled(number(row.get("memory.used")), 1 / 1024),
        utilisation=scaled(number(row.get("utilization.gpu")), 0.01),
        throttle=throttle,
        power_limit_w=number(row.get("enforced.power.limit")),
    )


class NvidiaSmiReader:
    """Reads GPUs from the lines of one nvidia-smi process, stamped as they arrive."""

    def __init__(self, environment: Mapping[str, str], count: int, period_s: float) -> None:
        """Raises NotObserved where there is no nvidia-smi, or it answers nothing."""
        tool = shutil.which("nvidia-smi")
        if tool is None:
            raise NotObserved("no nvidia-smi on PATH")
        self._fields, listed = _supported(tool)
        by_index = {int(row["index"]): row for row in listed if row["index"].isdigit()}
        order = sorted(by_index)
        chosen = used("cuda", environment, [by_index[i]["uuid"] for i in order], count)
        self.devices = [Device(order[i], by_index[order[i]]["name"]) for i in chosen]
        self._wanted = {device.index: device for device in self.devices}
        self._read, write = _channel()
        try:
            self._process = subprocess.Popen(
                [*_command(tool, self._fields), f"--loop-ms={max(int(period_s * 1000), 100)}"],
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            os.close(self._read)
            raise NotObserved(f"nvidia-smi: {error.strerror}") from error
        finally:
            os.close(write)
        os.set_blocking(self._read, False)
        self._rest = ""
        self.name = "nvidia-smi --loop-ms"

    def read(self) -> list[Reading]:
        """The readings that arrived since the last call. Raises NotObserved when the tool has ended."""
        now = time.monotonic_ns()
        with suppress(BlockingIOError):
            while True:
                try:
                    data = os.read(self._read, 1 << 16)
                except OSError as error:
                    if isinstance(error, BlockingIOError):
                        raise
                    data = b""  # a terminal whose other end is closed
                if not data:
                    raise NotObserved(f"nvidia-smi ended with {self._process.poll()}")
                self._rest += data.decode(errors="replace")
        lines, _, self._rest = self._rest.rpartition("\n")
        rows = parse(lines.replace("\r", ""), self._fields)
        return [
            reading(row, self._wanted[int(row["index"])], _moment(row.get("timestamp", ""), now))
            for row in rows
            if row["index"].isdigit() and int(row["index"]) in self._wanted
        ]

    def close(self) -> None:
        """End the tool."""
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._read)


def _channel() -> tuple[int, int]:
    """Both ends of what the tool writes to: a terminal, to which it gives each line at once.

    Behind a pipe it may hold lines back until a buffer is full; that is what is left where there are no terminals.
    """
    try:
        return pty.openpty()
    except OSError:
        return os.pipe()


def _moment(stamp: str, now: int) -> int:
    """The tool's own time stamp (local time) on CLOCK_MONOTONIC; `now` where it is none, or not of just now."""
    try:
        at = datetime.strptime(stamp, "%Y/%m/%d %H:%M:%S.%f").astimezone().timestamp()
    except ValueError:
        return now
    age_ns = time.time_ns() - int(at * 1e9)
    return now - age_ns if 0 <= age_ns < OLDEST_NS else now


def _command(tool: str, fields: Sequence[str]) -> list[str]:
    return [tool, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]


def _supported(tool: str) -> tuple[list[str], list[dict[str, str]]]:
    """The fields that this tool knows, and its answer to them."""
    fields = list(FIELDS)
    while True:
        try:
            done = subprocess.run(
                _command(tool, fields),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotObserved(f"nvidia-smi does not answer: {error}") from error
        said = f"{done.stdout}\n{done.stderr}"
        unknown = _UNKNOWN.search(said)
        if unknown and unknown.group(1) in fields:
            at = fields.index(unknown.group(1))
            older = OLDER.get(fields[at])
            fields[at : at + 1] = [older] if older else []
            continue
        rows = parse(done.stdout, fields)
        if done.returncode != 0 or not rows or not {"index", "uuid", "name"} <= set(fields):
            raise NotObserved(f"nvidia-smi ended with {done.returncode}: {said.strip()[:200]}")
        return fields, rows
