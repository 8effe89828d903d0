"""One server's life: launch, ready, alive, stop. The life of the server is the life of the session's job."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import psutil

from ablation.errors import UserError
from ablation.evidence import cause, tail
from ablation.evidence.stamps import read_log, unstamped
from ablation.plan.resolved import PORT
from ablation.session.container import Running
from ablation.session.guard import start_ticks

AFTERMATH_S = 3.0  # a dead engine shows at its API within a second

GUARD = Path(__file__).with_name("guard.py")


class ServerError(UserError):
    """The server did not start, did not get ready, or died; the message names the cause and the kept log."""


class Server:
    """A server under guard. Use as a context manager: leaving it ends the server, whatever happened."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: dict[str, str],
        folder: Path,
        served_model: str,
        host: str,
        port: int | str,
        lock_fd: int,
        watched: Sequence[int],
        stop_timeout_s: float,
        container: Running | None = None,
    ) -> None:
        """`folder` takes server.log and exit.json; `watched` are pids without which the server must end.

        `container` names the container that the command will run, where it is a `docker run`.
        """
        self.host = host
        self.port = free_port(host) if port == "auto" else check_port(host, int(port))
        self.command = [part.replace(PORT, str(self.port)) for part in command]
        self.served_model = served_model
        self.log_path = folder / "server.log"
        self.exit_path = folder / "exit.json"
        self.base_url = f"http://{host}:{self.port}"
        self.headers: dict[str, str] = {}
        self.container = container
        self._scratch = tempfile.mkdtemp(prefix="ablation-")
        self.environment = env | {"VLLM_RPC_BASE_PATH": self._scratch}
        self._lock_fd = lock_fd
        self._watched = watched
        self._stop_timeout_s = stop_timeout_s
        self._guard: subprocess.Popen[str] | None = None
        self.pid = 0
        self.started = 0.0

    def __enter__(self) -> Server:
        watch = ",".join(f"{pid}:{start_ticks(pid)}" for pid in self._watched)
        arguments = [
            str(self.log_path),
            str(self.exit_path),
            str(self._stop_timeout_s),
            watch,
            str(self._lock_fd),
            self.container.for_guard() if self.container else "",
        ]
        self.started = time.monotonic()
        self._guard = subprocess.Popen(
            [sys.executable, "-I", str(GUARD), *arguments, *self.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
            process_group=0,
            pass_fds=(self._lock_fd,),
        )
        assert self._guard.stdout is not None
        answer = json.loads(self._guard.stdout.readline() or '{"error": "the guard did not start"}')
        if "error" in answer:
            self.stop()
            remedy = "run `make setup`, or name a Python that has vLLM"
            field = "server.python"
            if self.container:
                field, remedy = "server.launch", f"install {self.container.program}, or name it"
            raise ServerError(f"{field}: {answer['error']}; {remedy}")
        self.pid = int(answer["pid"])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def log(self) -> str:
        """What the server has said so far, without the times that the guard puts in front of its lines."""
        return unstamped(read_log(self.log_path) or "")

    @property
    def log_note(self) -> str:
        """Where its log is, for a message."""
        return f"The server's log is kept in {self.log_path}"

    def alive(self) -> bool:
        """True while this very server (not another on the port) lives."""
        if self._guard is None or self._guard.poll() is not None:
            return False
        try:
            return bool(psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def check_unchanged(self, what: str, *, failed_requests: int = 0) -> None:
        """After a level (`what`): the server must still be there, and well. Raises ServerError.

        An API process outlives its engine by moments: where requests failed, it is given time to notice.
        """
        end = time.monotonic() + (AFTERMATH_S if failed_requests else 0.0)
        while True:
            if not self.alive():
                raise ServerError(
                    self.obituary(f"{what}: the server was gone at the end of the level")
                )
            if why := self.unwell():
                raise ServerError(self.obituary(f"{what}: {why} at the end of the level"))
            if time.monotonic() >= end:
                return
            time.sleep(0.2)

    def unwell(self) -> str:
        """Why the server is no longer fit to serve, by its /health; an empty string where it is."""
        try:
            answer = httpx.get(f"{self.base_url}/health", timeout=10, trust_env=False)
        except httpx.HTTPError as error:
            return f"the server did not answer /health ({type(error).__name__})"
        return "" if answer.status_code == 200 else f"/health answered HTTP {answer.status_code}"

    def wait_ready(
        self, timeout_s: float, on_wait: Callable[[float], None] = lambda _: None
    ) -> float:
        """Wait until /health answers and the model is served by this server. Returns seconds since launch.

        Raises ServerError where the server ends first, is not ready in time, or a stranger has the port.
        """
        with httpx.Client(base_url=self.base_url, timeout=2, trust_env=False) as client:
            while True:
                waited = time.monotonic() - self.started
                if not self.alive():
                    self.stop()
                    raise ServerError(
                        self.obituary(f"the server ended after {waited:.0f} s, before it was ready")
                    )
                if waited > timeout_s:
                    self.stop()
                    raise ServerError(
                        self.obituary(
                            f"the server was not ready after {waited:.0f} s (server.ready_timeout_s: {timeout_s:g})"
                        )
                    )
                try:
                    if client.get("/health").status_code == 200:
                        self._check_identity(client)
                        return time.monotonic() - self.started
                except httpx.HTTPError:
                    pass
                on_wait(waited)
                time.sleep(0.2)

    def _check_identity(self, client: httpx.Client) -> None:
        """The port must be listened on by this server's own processes, and serve the model asked for."""
        owner = listener(self.port)
        if owner is not None and owner.pid not in self.processes():
            raise ServerError(
                f"port {self.port} is answered by a stranger: {describe(owner)}; nothing was measured"
            )
        served = [model["id"] for model in client.get("/v1/models").json()["data"]]
        if self.served_model not in served:
            raise ServerError(
                f"port {self.port} serves {served}, not {self.served_model!r}; nothing was measured"
            )

    def processes(self) -> set[int]:
        """Process ids of the server and its descendants, those of its container too."""
        found: set[int] = set()
        for pid in (self.pid, self.container.pid() if self.container else 0):
            with contextlib.suppress(psutil.NoSuchProcess):
                if pid:
                    server = psutil.Process(pid)
                    found |= {pid, *(child.pid for child in server.children(recursive=True))}
        return found

    def version(self) -> str:
        """The version that the server says it is, or an empty string."""
        try:
            answer = httpx.get(f"{self.base_url}/version", timeout=5, trust_env=False)
            return str(answer.json().get("version", ""))
        except (httpx.HTTPError, ValueError):
            return ""

    def stop(self) -> dict[str, Any]:
        """End the server and return how it ended; a second call returns the same."""
        if self._guard is not None:
            guard = self._guard
            assert guard.stdin is not None
            assert guard.stdout is not None
            # A guard that is gone already has broken the pipe: closing it may say so.
            with contextlib.suppress(BrokenPipeError, ValueError):
                guard.stdin.write("stop")
                guard.stdin.flush()
            with contextlib.suppress(BrokenPipeError):
                guard.stdin.close()
            guard.wait()
            guard.stdout.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
        try:
            record: dict[str, Any] = json.loads(self.exit_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            record = {"code": None, "signal": None, "how": "the guard itself was killed"}
        return record

    def obituary(self, what: str) -> str:
        """One message about a server that failed: what, why, its last words, and where the log is kept."""
        ended = self.stop()
        log = (
            self.log()
        )  # after the end: the guard writes down the last words before it says how it ended
        code = f" (exit code {ended['code']})" if ended.get("code") is not None else ""
        code = f" (signal {ended['signal']})" if ended.get("signal") else code
        why = self.container.cause(log, ended.get("code")) if self.container else None
        return (
            f"{what}{code}: {why or cause(log)}\nIts log is kept in {self.log_path} and ends with:\n"
            f"{tail(log)}"
        )


def free_port(host: str) -> int:
    """A port that is free now; identity is checked again when the server answers."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def check_port(host: str, port: int) -> int:
    """The port itself, where it is free. Raises ServerError naming who has it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            owner = listener(port)
            who = describe(owner) if owner else error.strerror
            raise ServerError(
                f"server.port: {port} on {host} is in use ({who}); end that process, or set server.port to auto"
            ) from error
    return port


def listener(port: int) -> psutil.Process | None:
    """The process that listens on a local TCP port, where it can be seen."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr.port == port
                and connection.pid
            ):
                return psutil.Process(connection.pid)
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        pass
    return None


def describe(process: psutil.Process) -> str:
    """Name and id of a process, for a message."""
    try:
        return f"{process.name()}, pid {process.pid}"
    except psutil.NoSuchProcess:
        return f"pid {process.pid}"


def began(watched: Sequence[int]) -> float:
    """When the command began that these processes belong to, in Unix seconds; 0 where nobody is watched."""
    return min((psutil.Process(pid).create_time() for pid in watched), default=0.0)


def snakemake_ancestors() -> list[int]:
    """The ancestors up to the outermost Snakemake: when one of them is gone, nobody waits for this job.

    Empty where the job was not started by Snakemake. A terminal or ssh above it may go without harm.
    """
    parents = psutil.Process(os.getpid()).parents()
    outermost = 0
    for index, parent in enumerate(parents, start=1):
        try:
            words = parent.cmdline()[:4]
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            words = []
        if any(Path(word).name == "snakemake" for word in words):
            outermost = index
    return [parent.pid for parent in parents[:outermost]]
