"""A server's life under guard: it starts, proves who it is, and never outlives its job."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import psutil
import pytest

from ablation.session.server import ServerError
from tests.session.conftest import REFERENCE, ROOT

# A server with a child in a session of its own that ignores TERM: vLLM's EngineCore at its worst.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) > 1:
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True)
    print(child.pid, flush=True)
time.sleep(600)
"""


def gone(pid: int, within_s: float = 10.0) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def wait_for(condition, within_s: float = 20.0):
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def test_a_server_starts_serves_and_ends(make_server):
    with make_server(*REFERENCE) as server:
        assert server.wait_ready(30) > 0
        assert httpx.get(f"{server.base_url}/health").status_code == 200
        assert server.alive()
        pid = server.pid
    assert gone(pid)
    assert server.stop()["how"] == "stopped by the session"
    assert "reference server (simulated)" in server.log()


def test_client_and_server_share_the_cores_as_processes_not_as_sessions(make_server):
    """Linux may share CPUs out between sessions first (autogroup); Ctrl-C goes to a process group."""
    with make_server(*REFERENCE) as server:
        server.wait_ready(30)
        guard = psutil.Process(server.pid).ppid()
        for pid in (guard, server.pid):
            assert os.getsid(pid) == os.getsid(0)
            assert os.getpgid(pid) == pid


def test_a_server_that_ends_at_once_says_why(make_server):
    code = "import sys; print('NotImplementedError: Sparse Attention is not supported on CPU.'); sys.exit(3)"
    with make_server("-c", code) as server, pytest.raises(ServerError) as error:
        server.wait_ready(30)
    message = str(error.value)
    assert "before it was ready (exit code 3): sparse attention unsupported" in message
    assert str(server.log_path) in message
    assert server.log().startswith("NotImplementedError")


def test_a_server_that_never_gets_ready(make_server):
    with make_server("-c", "import time; time.sleep(600)") as server:
        with pytest.raises(ServerError, match=r"not ready after .* \(server\.ready_timeout_s: 1\)"):
            server.wait_ready(1)
        assert gone(server.pid)


def test_an_executable_that_is_not_there(make_server, tmp_path):
    server = make_server()
    server.command = [str(tmp_path / "no-such-python")]
    with pytest.raises(
        ServerError, match="no-such-python: No such file or directory; run `make setup`"
    ):
        server.__enter__()


def test_a_port_in_use_is_refused_with_its_owner(make_server):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ServerError, match=rf"in use \(.*pid {os.getpid()}\)"):
            make_server(port=other.getsockname()[1])


def test_a_stranger_on_the_port_is_not_measured(make_server):
    with make_server(*REFERENCE) as stranger:
        stranger.wait_ready(30)
        with make_server("-c", "import time; time.sleep(600)") as server:
            server.base_url, server.port = stranger.base_url, stranger.port
            with pytest.raises(ServerError, match="answered by a stranger"):
                server.wait_ready(30)


def test_another_model_name_is_not_measured(make_server):
    with make_server(*REFERENCE, served_model="other") as server:
        with pytest.raises(ServerError, match=r"serves \['m'\], not 'other'"):
            server.wait_ready(30)


def test_a_stubborn_server_and_its_runaway_child_are_killed(make_server):
    with make_server("-c", STUBBORN, STUBBORN, stop_timeout_s=1.0) as server:
        child = int(wait_for(lambda: server.log().strip()))
        assert psutil.Process(child).is_running()
    assert gone(server.pid)
    assert gone(child)
    assert child in server.stop()["killed_pids"]


# A job that starts a server, prints its pids, then waits: what Snakemake's session script is.
JOB = """
import os, sys, time
sys.path.insert(0, {workflow!r})
from pathlib import Path
from ablation.session.server import Server
descriptor = os.open({lock!r}, os.O_RDWR | os.O_CREAT)
server = Server([sys.executable, "-c", {code!r}, {code!r}], env=dict(os.environ), folder=Path({folder!r}),
                served_model="m", host="127.0.0.1", port="auto", lock_fd=descriptor,
                watched=[os.getppid()] if {watch!r} else [], stop_timeout_s=60.0)
server.__enter__()
while not server.log().strip():
    time.sleep(0.05)
print(server.pid, server.log().strip(), flush=True)
time.sleep(600)
"""


def start_job(tmp_path, *, watch: bool) -> tuple[subprocess.Popen, list[int]]:
    """Start the job below a parent of its own, which stands for Snakemake."""
    code = JOB.format(
        workflow=str(ROOT / "workflow"),
        lock=str(tmp_path / "l"),
        code=STUBBORN,
        folder=str(tmp_path),
        watch=watch,
    )
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])",
            code,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    return parent, [int(pid) for pid in parent.stdout.readline().split()]


@pytest.mark.parametrize("victim", ["job", "snakemake"])
def test_no_server_outlives_a_killed_job_or_snakemake(tmp_path, victim):
    parent, pids = start_job(tmp_path, watch=victim == "snakemake")
    assert len(pids) == 2
    job = psutil.Process(parent.pid).children()[0]
    try:
        if victim == "job":
            job.kill()
        else:
            parent.kill()
        assert all(gone(pid, within_s=10.0) for pid in pids)
        record = json.loads(
            wait_for(
                lambda: (tmp_path / "exit.json").is_file() and (tmp_path / "exit.json").read_text()
            )
        )
        assert "gone" in record["how"]
    finally:
        for process in (job, parent):
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                process.kill()
        parent.wait()
        parent.stdout.close()


def test_a_killed_guard_takes_the_server_along(make_server):
    with make_server("-c", "import time; time.sleep(600)") as server:
        os.kill(server._guard.pid, signal.SIGKILL)
        assert gone(server.pid)
        assert not server.alive()
    assert server.stop()["how"] == "the guard itself was killed"
