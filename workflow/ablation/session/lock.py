"""Locks that end with their holder: one for the host, one for the folder.

Both are `flock`s, which the kernel releases when the last process that inherited the descriptor is gone. There
is nothing to unlock by hand after a power cut, and nothing that an orphaned server could slip through.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ablation.errors import UserError

LOCK = Path("/tmp/ablation-host.lock")  # whatever TMPDIR says: one for all jobs and users of a host
HOST_LOCK = "ABLATION_HOST_LOCK"  # environment variable with another path, for tests and containers


class LockedError(UserError):
    """Someone else holds the lock; the message says who."""


def host_lock_path() -> Path:
    """One path for all users and folders of this host."""
    return Path(os.environ.get(HOST_LOCK) or LOCK)


@contextmanager
def host_lock(
    holder: str, on_wait: Callable[[str, float], None], patience_s: float
) -> Iterator[int]:
    """Hold the host: yields the descriptor that the server must inherit.

    Waits for as long as someone else measures here, calling `on_wait(holder, seconds waited)` about twice a
    second. Raises LockedError after `patience_s`.
    """
    path = host_lock_path()
    descriptor = _open(path)
    try:
        begin = time.monotonic()
        while not _try(descriptor):
            waited = time.monotonic() - begin
            other = _holder(descriptor)
            if waited > patience_s:
                raise LockedError(
                    f"{path}: this host is in use by {other}, for {waited:.0f} s already"
                )
            on_wait(other, waited)
            time.sleep(0.5)
        _write_holder(descriptor, f"{holder}, pid {os.getpid()}")
        yield descriptor
    finally:
        os.close(descriptor)


def folder_lock(folder: Path) -> int:
    """Hold a working folder for the rest of this process. Returns the descriptor; raises LockedError.

    Takes the place of Snakemake's own lock, which outlives a killed Snakemake and then needs `--unlock`.
    """
    path = folder / ".snakemake" / "ablation.lock"
    path.parent.mkdir(exist_ok=True)
    descriptor = _open(path)
    if not _try(descriptor):
        other = _holder(descriptor)
        os.close(descriptor)
        raise LockedError(
            f"{folder}: another Snakemake is at work in this folder ({other}); wait for it to end"
        )
    _write_holder(descriptor, f"pid {os.getpid()}")
    return descriptor


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        # Without O_CREAT first: kernels refuse O_CREAT on another user's file in a sticky folder.
        return os.open(path, flags)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT, 0o666)
        os.chmod(
            path, 0o666
        )  # past the umask: another user of this host must be able to take turns
        return descriptor


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 500, 0).decode(errors="replace").strip() or "an unknown process"


def _write_holder(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
