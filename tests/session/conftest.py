"""A host lock of the tests' own, so that they neither wait for a study on this host nor hold one up."""

import os
import sys
from pathlib import Path

import pytest

from ablation.session.lock import HOST_LOCK
from ablation.session.server import Server

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def own_host_lock(tmp_path, monkeypatch):
    monkeypatch.setenv(HOST_LOCK, str(tmp_path / "host.lock"))


@pytest.fixture
def lock_fd(tmp_path):
    descriptor = os.open(tmp_path / "held.lock", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def make_server(tmp_path, lock_fd):
    """A factory of servers under guard; the command is Python's unless told otherwise."""

    def make(*arguments: str, port: int | str = "auto", **settings: object) -> Server:
        folder = tmp_path / f"launch-{len(list(tmp_path.glob('launch-*')))}"
        folder.mkdir()
        options: dict = {
            "env": {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "workflow")},
            "folder": folder,
            "served_model": "m",
            "host": "127.0.0.1",
            "port": port,
            "lock_fd": lock_fd,
            "watched": [],
            "stop_timeout_s": 5.0,
        }
        return Server([sys.executable, *arguments], **(options | settings))

    return make


REFERENCE = ("-m", "ablation.reference", "--model", "m", "--host", "127.0.0.1", "--port", "{port}")
