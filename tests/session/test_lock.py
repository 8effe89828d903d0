"""Locks that end with their holder."""

import fcntl
import os
import subprocess
import sys

import pytest

from ablation.session.lock import LockedError, folder_lock, host_lock, host_lock_path


def test_the_second_waits_and_is_told_who_holds_it():
    waited: list[str] = []
    with (
        host_lock("study a", lambda *_: None, 5),
        pytest.raises(LockedError, match="in use by study a, pid"),
    ):
        with host_lock("study b", lambda holder, _: waited.append(holder), 0.6):
            pass
    assert waited[0].startswith("study a")
    with host_lock("study b", lambda *_: None, 0):
        pass  # free again


def test_a_dead_holder_leaves_nothing_to_unlock():
    code = "import fcntl, os, sys; fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); fcntl.flock(fd, fcntl.LOCK_EX)"
    subprocess.run(
        [sys.executable, "-c", code + "; os.kill(os.getpid(), 9)", str(host_lock_path())],
        check=False,
    )
    with host_lock("next", lambda *_: None, 0):
        pass


def test_an_orphan_that_inherited_the_lock_still_holds_it():
    with host_lock("job", lambda *_: None, 0) as descriptor:
        orphan = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"], pass_fds=(descriptor,)
        )
    try:
        with pytest.raises(LockedError), host_lock("next", lambda *_: None, 0):
            pass
    finally:
        orphan.kill()
        orphan.wait()
    with host_lock("next", lambda *_: None, 0):
        pass


def test_a_folder_has_one_snakemake(tmp_path):
    descriptor = folder_lock(tmp_path)
    with pytest.raises(
        LockedError, match=f"another Snakemake is at work in this folder .pid {os.getpid()}"
    ):
        folder_lock(tmp_path)
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)
    os.close(folder_lock(tmp_path))
