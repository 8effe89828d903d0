"""The guard: a small process between the session job and the server, which outlives the job to end the server.

    python -I guard.py LOG EXIT_JSON STOP_TIMEOUT_S WATCHED_PIDS LOCK_FD CONTAINER COMMAND...

A killed job cannot clean up after itself, and PR_SET_PDEATHSIG reaches only a direct child: vLLM's EngineCore
lives on. So the guard is the server's parent. It holds the read end of a pipe from the job; when the pipe
closes (the job ended, in whatever way) or a watched process (Snakemake) is gone, it ends the server's whole
process group and every descendant that left the group, then writes how the server ended. The host lock's
descriptor is inherited by guard and server, so the host stays locked until both are gone.

CONTAINER is empty, or {"program": "docker", "name": ...} where the command is a `docker run`. The processes of a
container are no children of that command, and live on when it is killed: the guard stops the container by its
name, kills it by its name where that was not enough, and looks whether it is gone.

Guard and server have process groups of their own, so that a Ctrl-C is the job's, but stay in the job's session:
where `kernel.sched_autogroup_enabled` is set, Linux shares the CPU out between sessions first, and a client that
shares cores with a server in another session may wait long for its turn (lag of its event loop of 20 to 320 ms
where it is 2 to 4 ms within one session, on 2 cores).

Only the standard library, and run in isolated mode: its environment is the server's, not the workflow's.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime, timezone

POLL_S = 0.2
ABANDONED_STOP_S = (
    4.0  # when the job is gone nobody waits for a graceful end, and the next launch needs the host
)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def utc_now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")  # noqa: UP017 (any Python 3)


def start_ticks(pid: int) -> int:
    """Start time in clock ticks: tells a process from a later one that got its pid."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return int(file.read().rsplit(")", 1)[1].split()[19])


def processes() -> dict:
    """pid -> (state, parent, process group, start time) of every process, from /proc."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            found[int(entry)] = (fields[0], int(fields[1]), int(fields[2]), int(fields[19]))
    return found


def is_alive(pid: int, start: int) -> bool:
    """True while the very process that had this pid and start time lives."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return False
    return fields[0] != "Z" and int(fields[19]) == start


def members(group: int) -> list:
    """Living processes of the server: its process group, and all descendants of this guard."""
    table = processes()
    mine = {os.getpid()}
    while True:
        more = {pid for pid, (_, parent, _, _) in table.items() if parent in mine} - mine
        if not more:
            break
        mine |= more
    mine.discard(os.getpid())
    return [
        pid
        for pid, (state, _, pgid, _) in table.items()
        if state != "Z" and (pgid == group or pid in mine)
    ]


def send(pids: list, number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def reap() -> None:
    """Collect orphans that were handed to this guard as the subreaper; the server itself is Popen's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def stop(server: subprocess.Popen, timeout_s: float) -> tuple:
    """TERM, then KILL after timeout_s. Returns (seconds it took, pids that had to be killed)."""
    begin = time.monotonic()
    killed: list = []
    send([server.pid], signal.SIGTERM)
    while members(server.pid):
        server.poll()
        waited = time.monotonic() - begin
        if server.returncode is not None and not killed:
            send(members(server.pid), signal.SIGTERM)  # children that outlive their parent
        if waited > timeout_s:
            left = members(server.pid)
            killed = sorted(set(killed) | set(left))
            send(left, signal.SIGKILL)
        if waited > timeout_s + 20:
            break  # unkillable: a process in uninterruptible sleep
        time.sleep(0.05)
        if server.returncode is not None:
            reap()
    server.poll()
    return time.monotonic() - begin, killed


def call(words: list, timeout_s: float) -> tuple:
    """Run a command. Returns (exit code, last line of what it said)."""
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer in {timeout_s:.0f} s"
    except OSError as error:
        return None, str(error)
    return done.returncode, done.stdout.decode(errors="replace").strip()[-500:]


def stop_container(container: dict, command: subprocess.Popen, timeout_s: float) -> None:
    """TERM to the container's first process, then KILL after timeout_s, by its name.

    The command that runs it ends by itself then, and with the server's exit code: it is waited for a little.
    """
    seconds = str(max(1, int(timeout_s)))
    call([container["program"], "stop", "-t", seconds, container["name"]], timeout_s + 30)
    with suppress(subprocess.TimeoutExpired):
        command.wait(5)


def remove_container(container: dict) -> dict:
    """Kill and remove whatever is left of the container. Returns what was found."""
    program, name = container["program"], container["name"]
    found = dict(container)
    for _ in range(3):
        listed, said = call([program, "ps", "-aq", "--filter", f"name=^/?{name}$"], 60)
        found["gone"] = listed == 0 and not said
        if found["gone"]:
            break
        _, found["said"] = call([program, "rm", "--force", name], 60)
    return found


def main() -> None:
    log_path, exit_path, stop_timeout, watched, lock_fd, contained = sys.argv[1:7]
    command = sys.argv[7:]
    container = json.loads(contained) if contained else None
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append("the guard was told to end"))
    watch = [tuple(map(int, item.split(":"))) for item in watched.split(",") if item]

    def in_child() -> None:
        os.setpgrp()  # and no session of its own: see the module's docstring
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    exit_record: dict = {"code": None, "signal": None, "how": "", "stop_s": None, "killed_pids": []}
    try:
        with open(log_path, "ab") as log:
            server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(int(lock_fd),),
                preexec_fn=in_child,
            )
    except OSError as error:
        print(json.dumps({"error": f"{command[0]}: {error.strerror}"}), flush=True)
        sys.exit(1)
    print(json.dumps({"pid": server.pid}), flush=True)

    how, timeout_s = "", float(stop_timeout)
    while not how:
        ready, _, _ = select.select([0], [], [], POLL_S)
        if server.poll() is not None:  # first: a session may ask for a server's end because it died
            how = "ended by itself"
        elif ready:
            how = (
                "stopped by the session"
                if os.read(0, 64)
                else "stopped: the session's job was gone"
            )
        elif asked:
            how = f"stopped: {asked[0]}"
        elif not all(is_alive(*process) for process in watch):
            how = "stopped: Snakemake was gone"
    if "gone" in how:
        timeout_s = min(timeout_s, ABANDONED_STOP_S)
    begin = time.monotonic()
    if container:
        stop_container(container, server, timeout_s)
    _, killed = stop(server, timeout_s)
    if container:  # after the command's own end: until then it could still have created it
        exit_record["container"] = remove_container(container)
    seconds = time.monotonic() - begin
    code = server.returncode
    exit_record.update(
        code=code if code is not None and code >= 0 else None,
        signal=signal.Signals(-code).name if code is not None and code < 0 else None,
        how=how,
        stop_s=round(seconds, 3),
        killed_pids=killed,
        ended_at=utc_now(),
    )
    partial = exit_path + ".partial"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(exit_record, file)
    os.replace(partial, exit_path)


if __name__ == "__main__":
    main()
