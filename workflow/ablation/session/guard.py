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

LOG is server.log. The server's stdout and stderr are one pipe, which the guard reads; in front of every line it
writes when the line's first bytes came, by the wall clock (UTC) and by CLOCK_MONOTONIC in seconds, which is the clock
of the client's records:

    2026-11-23T02:58:42.123456Z 7138.204518 | (EngineCore pid=82) INFO 11-23 03:58:42 [core.py:133] ...

A line ends with "\n", "\r\n" or "\r" (each redrawing of a progress bar is a line), and with nothing else. Without its
stamps the log is the server's output byte for byte; what has no end yet is written at once. A line was written at its
stamp or before: by milliseconds (up to GATHER_S pass between two reads), by more only where the server held it back. A
pipe changes nothing there: C and Python keep what goes to stdout until a buffer is full, in a pipe as in a file; what
goes to stderr or through Python's `logging` (all of vLLM and AITER) is flushed by the line, a bare `print`, such as
those of Triton's autotuner, is not. PYTHONUNBUFFERED is the study's to set: it makes two writes of each `print`, so
that lines of several processes may mix.

The server never waits for a disk: one thread reads, another writes. What the disk does not take is counted in
exit.json (`log.lost_bytes`) and, once it takes something again, said in the log at its place.

Guard and server have process groups of their own, so that a Ctrl-C is the job's, but stay in the job's session:
where `kernel.sched_autogroup_enabled` is set, Linux shares the CPU out between sessions first, and a client that
shares cores with a server in another session may wait long for its turn (lag of its event loop of 20 to 320 ms
where it is 2 to 4 ms within one session, on 2 cores).

Only the standard library, and run in isolated mode: its environment is the server's, not the workflow's.
"""

import collections
import ctypes
import fcntl
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import datetime, timezone

POLL_S = 0.2
ABANDONED_STOP_S = (
    4.0  # when the job is gone nobody waits for a graceful end, and the next launch needs the host
)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
F_SETPIPE_SZ, F_GETPIPE_SZ = 1031, 1032
PIPE_BYTES = 1 << 20  # Linux lets any user have so many
# Between two reads of the log, unless much came: a verbose server costs 100 reads a second, not one for each line.
GATHER_S = 0.01
MOST_WAITING_BYTES = 64 << 20  # for a slow disk, in memory
DRAIN_S = 2.0  # for what is left in the pipe when the server has ended, and for the disk to take it


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


def stamp(unix_ns: int, monotonic_ns: int) -> bytes:
    """What stands in front of a line: `2026-11-23T02:58:42.123456Z 7138.204518 | `, both clocks rounded down."""
    wall = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(unix_ns // 10**9))
    seconds, rest = divmod(monotonic_ns, 10**9)
    text = f"{wall}.{unix_ns % 10**9 // 1000:06d}Z {seconds}.{rest // 1000:06d} | "
    return text.encode("ascii")


class Stamper:
    """Puts stamps in front of the lines of a stream that comes in pieces."""

    ENDS = re.compile(rb"\r\n|\r|\n")

    def __init__(self) -> None:
        self.begins = True  # the next byte is the first of a line ...
        self.after_cr = False  # ... unless it is the second half of "\r\n"

    def add(self, data: bytes, now: bytes) -> bytes:
        """The piece with `now` in front of each line that begins in it."""
        half = b""
        if self.after_cr and data.startswith(b"\n"):
            half, data = b"\n", data[1:]
        self.after_cr = data.endswith(b"\r")
        if not data:
            return half
        end = data[len(data.rstrip(b"\r\n")) :][-2:]
        end = end if end == b"\r\n" else end[-1:]
        body = data[: len(data) - len(end)]
        body = (
            self.ENDS.sub(rb"\g<0>" + now, body)
            if b"\r" in body
            else body.replace(b"\n", b"\n" + now)
        )
        begins, self.begins = self.begins, bool(end)
        return half + (now if begins else b"") + body + end


class Log:
    """server.log: reads what the server says from a pipe, and writes it down with its times."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        self.pipe, self.for_server = os.pipe()
        with suppress(OSError):  # a user with many pipes may not make this one larger
            fcntl.fcntl(self.pipe, F_SETPIPE_SZ, PIPE_BYTES)
        self.much = fcntl.fcntl(self.pipe, F_GETPIPE_SZ) // 16
        os.set_blocking(self.pipe, False)  # of this end only: the server's writes are as ever
        self.ending = threading.Event()
        self.deadline = 0.0
        self.changed = threading.Condition()
        self.pieces: collections.deque = (
            collections.deque()
        )  # (lost before, stamp, continues, text)
        self.waiting = 0  # bytes in pieces
        self.all_read = False
        self.written = self.lost = self.untold = (
            0  # bytes; `untold` of the lost are not yet said in the log
        )
        self.why = ""
        self.last = b"\n"
        self.threads = [
            threading.Thread(target=work, daemon=True) for work in (self._read, self._write)
        ]

    def start(self) -> None:
        """Begin to read; called when the server has its end of the pipe."""
        os.close(self.for_server)
        for thread in self.threads:
            thread.start()

    def finish(self) -> dict:
        """Take what is left in the pipe, without waiting for whoever else may hold it, and say what was kept."""
        self.deadline = time.monotonic() + DRAIN_S
        self.ending.set()
        for thread in self.threads:
            thread.join(max(0.0, self.deadline + DRAIN_S - time.monotonic()))
        with self.changed:
            lost = self.lost + self.waiting
            return {"bytes": self.written, "lost_bytes": lost, "why": self.why if lost else ""}

    def _read(self) -> None:
        try:
            self._read_all()
        finally:
            os.close(self.pipe)  # whoever still writes is told so, and does not wait for a reader
            with self.changed:
                self.all_read = True
                self.changed.notify()

    def _read_all(self) -> None:
        stamper, skipped = Stamper(), 0
        while not (self.ending.is_set() and time.monotonic() > self.deadline):
            ending = self.ending.is_set()  # before the look: what came until now is read
            select.select([self.pipe], [], [], 0 if ending else POLL_S)
            try:
                data = os.read(self.pipe, PIPE_BYTES)
            except BlockingIOError:
                if ending:
                    break
                continue
            if not data:  # nobody is left who could write
                break
            now = stamp(time.time_ns(), time.monotonic_ns())
            continues = not stamper.begins
            text = stamper.add(data, now)
            with self.changed:
                if self.waiting > MOST_WAITING_BYTES:
                    skipped += len(text)
                    self.lost += len(text)
                    self.why = "the disk was too slow"
                else:
                    self.pieces.append((skipped, now, continues, text))
                    self.waiting, skipped = self.waiting + len(text), 0
                    self.changed.notify()
            if len(data) < self.much:
                self.ending.wait(GATHER_S)

    def _write(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.pieces or self.all_read)
                if not self.pieces:
                    return
                skipped, now, continues, text = self.pieces.popleft()
            self.untold += skipped
            note = self._note(now, continues) if self.untold else b""
            whole = note + text
            done = self._put(whole)
            with self.changed:
                self.waiting -= len(text)
                self.written += done
                if done >= len(note):
                    self.untold = 0
                missing = min(len(whole) - done, len(text))
                self.untold += missing
                self.lost += missing

    def _note(self, now: bytes, continues: bool) -> bytes:
        text = f"[ablation] {self.untold} bytes of the server's log are lost here: {self.why}\n"
        fresh = b"" if self.last == b"\n" else b"\n"
        return fresh + now + text.encode("utf-8", "replace") + (now if continues else b"")

    def _put(self, data: bytes) -> int:
        """Write all that the disk takes. Returns how many bytes that were."""
        done = 0
        while done < len(data):
            try:
                done += os.write(self.file, data[done:] if done else data)
            except OSError as error:
                self.why = error.strerror or str(error)
                break
        if done:
            self.last = data[done - 1 : done]
        return done


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
        log = Log(log_path)
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log.for_server,
            stderr=log.for_server,
            pass_fds=(int(lock_fd),),
            preexec_fn=in_child,
        )
    except OSError as error:
        print(json.dumps({"error": f"{command[0]}: {error.strerror}"}), flush=True)
        sys.exit(1)
    log.start()  # only now: a process with threads should not fork with a preexec_fn
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
    exit_record["log"] = log.finish()  # whoever could write to it is gone, or none of ours
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
