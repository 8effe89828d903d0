"""Processes that a server left behind: ended by whoever holds the host's lock next, and never a stranger.

A guard ends its server's processes. Where the guard itself was killed, vLLM's engine and its workers live on, the lock
is free (they do not inherit its descriptor), and their memory fills every GPU. Every process of a server has the
variable MARK in its environment, with the lock that it was started under: whoever holds that lock knows that they
belong to nobody.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil

MARK = "ABLATION_LAUNCH"
PATIENCE_S = 10.0


def mark(lock: Path, launch_id: str) -> dict[str, str]:
    """The variable that a server and all its processes carry."""
    return {MARK: f"{lock}:{launch_id}"}


def orphans(lock: Path) -> list[psutil.Process]:
    """Processes that were launched under a lock. To be asked by its holder alone, before it launches anything."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if (
                process.pid not in own
                and process.status() != psutil.STATUS_ZOMBIE
                and process.environ().get(MARK, "").startswith(f"{lock}:")
            ):
                found.append(process)
        except (psutil.Error, OSError):  # another user's, or gone
            continue
    return found


def end_orphans(lock: Path, say: Callable[[str], None]) -> list[int]:
    """End what earlier launches under this lock left behind: TERM, then KILL. Returns their process ids."""
    left = orphans(lock)
    if not left:
        return []
    say(
        f"ending {len(left)} process(es) that an earlier launch left behind: "
        + ", ".join(f"{_name(process)} (pid {process.pid})" for process in left[:8])
    )
    for process in left:
        _signal(process.terminate)
    _, alive = psutil.wait_procs(left, timeout=PATIENCE_S)
    for process in alive:
        _signal(process.kill)
    psutil.wait_procs(alive, timeout=PATIENCE_S)
    end = time.monotonic() + PATIENCE_S
    while orphans(lock) and time.monotonic() < end:  # children that were started meanwhile
        for process in orphans(lock):
            _signal(process.kill)
        time.sleep(0.1)
    return [process.pid for process in left]


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return "a process"


def _signal(send: Callable[[], None]) -> None:
    try:
        send()
    except psutil.Error:
        return
