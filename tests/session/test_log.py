"""The guard as the reader of the server's output: every line has its time, and neither side waits for the other."""

import contextlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from ablation.evidence.stamps import STAMP, read_log, stamped_lines
from ablation.session import guard
from ablation.session.log import keep_log_without_secrets, scrub_log
from tests.session.test_server import gone, wait_for


def said(server) -> bytes:
    """What the server wrote: its log's bytes without the stamps, of which each line must have one."""
    kept = server.log_path.read_bytes()
    stamp = STAMP.pattern.encode()
    for line in re.split(rb"\r\n|\r|\n", kept)[:-1]:
        assert re.match(stamp, line), line[:200]
    return re.sub(stamp, b"", kept)


def ended(server) -> dict:
    record: dict = json.loads(server.exit_path.read_text())
    return record


def run_to_its_end(make_server, code: str, **settings):
    """A server that does what the code says and ends by itself."""
    with make_server("-c", code, **settings) as server:
        assert wait_for(lambda: not server.alive())
    return server


# A server that says the next thing only when it was told that the last one was seen.
STEP_BY_STEP = """
import os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
for n, text in enumerate(sys.argv[2:]):
    while not (folder / f"go-{n}").exists():
        time.sleep(0.01)
    os.write(2, f"{text} {time.monotonic()} {time.time()}".encode())
while not (folder / "end").exists():
    time.sleep(0.01)
os.write(2, b"\\n")
"""


def test_a_line_has_the_moment_at_which_it_came_on_both_clocks(make_server, tmp_path):
    """Each redrawing of a progress bar, too, and what has no end yet: it is in the log at once."""
    words = ["first", "\nsecond", "\r25%", "\r50%", "\r\nlast"]
    seen = []
    with make_server("-c", STEP_BY_STEP, str(tmp_path), *words) as server:
        for n, word in enumerate(words):
            (tmp_path / f"go-{n}").touch()
            wait_for(lambda word=word: word.strip() in server.log())
            seen.append((time.monotonic(), time.time()))
        (tmp_path / "end").touch()
        wait_for(lambda: not server.alive())
    text = read_log(server.log_path)
    lines = [line for line in stamped_lines(text) if line.text]
    assert [line.text.split()[0] for line in lines] == [word.strip() for word in words]
    for line, kept, (monotonic, wall) in zip(
        lines,
        (one for one in text.splitlines() if "| " in one and one[-1] != " "),
        seen,
        strict=True,
    ):
        written, written_wall = map(float, line.text.split()[1:])
        assert written - 1e-6 <= line.at_s <= monotonic
        told = datetime.fromisoformat(kept.split(" ")[0]).timestamp()
        assert written_wall - 1e-5 <= told <= wall
    assert said(server).count(b"\r") == 3


def test_stdout_and_stderr_of_all_processes_stand_in_one_log(make_server):
    code = (
        "import os, subprocess, sys\n"
        "os.write(1, b'one\\n'); os.write(2, b'two\\n')\n"
        "subprocess.run([sys.executable, '-c', 'import os; os.write(1, b\"three\\\\n\")'])\n"
    )
    assert said(run_to_its_end(make_server, code)) == b"one\ntwo\nthree\n"


@pytest.mark.parametrize("number", ["SIGSEGV", "SIGKILL"])
def test_the_last_words_of_a_server_that_crashes(make_server, number):
    code = f"import os, signal; os.write(2, b'x' * 300_000 + b'\\nlast words'); os.kill(os.getpid(), signal.{number})"
    server = run_to_its_end(make_server, code)
    assert said(server) == b"x" * 300_000 + b"\nlast words"
    assert ended(server)["signal"] == number


@pytest.mark.parametrize(
    "output",
    [
        b"\xff\xfe\x00\n\x00",
        "a\u2028b\x0bc\x85\n".encode(),
        b"\n" * 5000,
        b"\r" * 5000,
        b"m" * 5_000_000 + b"\n",
        b"no end " * 1_000_000,
        b"2026-11-23T02:58:42.123456Z 1.000000 | mine\n",
    ],
    ids=[
        "not UTF-8, NUL",
        "separators",
        "newlines",
        "returns",
        "5 MB",
        "7 MB without end",
        "alike",
    ],
)
def test_whatever_a_server_writes_is_kept_byte_for_byte(make_server, tmp_path, output):
    (tmp_path / "output").write_bytes(output)
    code = f"import sys; sys.stdout.buffer.write(open({str(tmp_path / 'output')!r}, 'rb').read())"
    server = run_to_its_end(make_server, code)
    kept = server.log_path.read_bytes()
    # One stamp is the guard's for each line; a server's own that looks alike stays.
    assert re.sub(STAMP.pattern.encode(), b"", kept) == output
    record = ended(server)["log"]
    assert record == {"bytes": len(kept), "lost_bytes": 0, "why": ""}


def test_whoever_else_holds_the_pipe_is_not_waited_for(make_server):
    """A container's program, say, may have handed it on: nobody knows when that process ends."""
    code = (
        "import os, socket, time\n"
        "os.write(1, b'mine\\n')\n"
        "parent = socket.socket(socket.AF_UNIX); parent.connect(ADDRESS)\n"
        "socket.send_fds(parent, [b'x'], [1])\n"
        "time.sleep(600)\n"
    )
    with socket.socket(socket.AF_UNIX) as listener:
        address = f"\0ablation-test-{os.getpid()}"
        listener.bind(address)
        listener.listen()
        code = code.replace("ADDRESS", repr(address))
        with make_server("-c", code) as server:
            other, _ = listener.accept()
            with other:
                _, descriptors, _, _ = socket.recv_fds(other, 1, 1)
            (held,) = descriptors
            os.write(held, b"a stranger's\n")
            server.stop()  # the stranger holds on for ever
        try:
            assert said(server) == b"mine\na stranger's\n"
            with pytest.raises(BrokenPipeError):
                os.write(held, b"too late\n")
        finally:
            os.close(held)


def test_a_full_disk_neither_stops_the_server_nor_is_kept_secret(make_server):
    code = (
        "import os, time\n"
        "for n in range(300): os.write(1, b'%04d ' % n + b'y' * 20_000 + b'\\n')\n"
        "open('{done}', 'w').close(); time.sleep(600)\n"
    )
    server = make_server()
    done = server.log_path.with_name("done")
    server.command = [sys.executable, "-c", code.replace("{done}", str(done))]
    server.log_path.symlink_to("/dev/full")
    with server:
        assert wait_for(done.exists)  # more than a pipe holds was written
        assert server.alive()
    record = ended(server)["log"]
    assert record["lost_bytes"] > 6_000_000
    assert record["why"] == "No space left on device"


class Disk:
    """What the guard writes to, in place of a file: a pipe that is emptied when the test says so."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.got = b""

    def empty(self, until) -> bytes:
        """Take what comes until a condition holds."""
        end = time.monotonic() + 20
        while time.monotonic() < end and not until(self.got):
            with contextlib.suppress(BlockingIOError):
                self.got += os.read(self.reader, 1 << 20)
            time.sleep(0.001)
        return self.got


def test_a_slow_disk_loses_lines_and_says_where(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "MOST_WAITING_BYTES", 200_000)
    disk = Disk(tmp_path / "server.log")
    log = guard.Log(str(tmp_path / "server.log"))
    server = os.dup(log.for_server)
    log.start()
    line = b"z" * 999 + b"\n"
    for _ in range(3000):  # far more than fits anywhere, while the disk takes nothing
        os.write(server, line)
    wait_for(lambda: log.lost)
    disk.empty(lambda got: b"zzz" in got and log.waiting == 0)
    os.write(server, b"the disk is well again\n")
    disk.empty(lambda got: b"well again" in got)
    os.close(server)
    kept = log.finish()
    got = disk.got
    os.close(disk.reader)
    assert kept["lost_bytes"] > 1_000_000
    assert kept["why"] == "the disk was too slow"
    text = got.decode()
    assert text.endswith("the disk is well again\n")
    notes = [one.text for one in stamped_lines(text) if one.text.startswith("[ablation]")]
    assert notes
    assert all("of the server's log are lost here: the disk was too slow" in note for note in notes)
    told = sum(int(note.split()[1]) for note in notes)
    assert told == kept["lost_bytes"]
    assert all(STAMP.match(one) for one in text.splitlines())


def test_a_disk_that_was_full_for_a_while(tmp_path, monkeypatch):
    """What could not be written is said before what could be, and a torn line does not run into the next."""
    log = guard.Log(str(tmp_path / "server.log"))
    server, write = os.dup(log.for_server), os.write
    full = threading.Event()

    def limited(descriptor: int, data: bytes) -> int:
        if descriptor == log.file and full.is_set():
            if len(data) > 10:
                return write(descriptor, data[:10])
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    log.start()
    write(server, b"before\n")
    wait_for(lambda: log.written and not log.waiting)
    monkeypatch.setattr(guard.os, "write", limited)
    full.set()
    write(server, b"lost and " + b"q" * 500)
    wait_for(lambda: log.lost and not log.waiting)
    full.clear()
    write(server, b" its end\nafter\n")
    wait_for(lambda: b"after\n" in (tmp_path / "server.log").read_bytes())
    os.close(server)
    kept = log.finish()
    lines = [line.text for line in stamped_lines((tmp_path / "server.log").read_text())]
    assert lines[0] == "before"
    assert lines[-3] == (
        f"[ablation] {kept['lost_bytes']} bytes of the server's log are lost here: No space left on device"
    )
    assert lines[-2:] == [" its end", "after"]


# A server with a child in a session of its own, both of which print all the time.
CHATTY = """
import os, signal, subprocess, sys, time
if len(sys.argv) > 1:
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True)
    print("child", child.pid, flush=True)
while os.getppid() != 1 or len(sys.argv) > 1:
    print("INFO all is well", flush=True)
    time.sleep(0.001)
"""


def test_a_server_that_prints_ends_with_a_killed_guard(make_server):
    with make_server("-c", CHATTY, CHATTY) as server:
        child = int(wait_for(lambda: re.search(r"child (\d+)\n", server.log()))[1])
        os.kill(server._guard.pid, signal.SIGKILL)
        assert gone(server.pid)
        assert gone(child)  # its next print has no reader
    assert server.stop()["how"] == "the guard itself was killed"


def test_a_server_that_prints_all_the_time_can_be_stopped(make_server):
    with make_server("-c", CHATTY, CHATTY, stop_timeout_s=2.0) as server:
        child = int(wait_for(lambda: re.search(r"child (\d+)\n", server.log()))[1])
    assert gone(server.pid)
    assert gone(child)
    assert ended(server)["log"]["lost_bytes"] == 0


def test_secrets_are_hidden_and_stamps_stay(tmp_path):
    path = tmp_path / "server.log"
    now = guard.stamp(1_795_402_722_000_000_000, 1_000_000_000)
    path.write_bytes(
        now + b"\xff token=s3cret\r" + now + b"2026 is a year\n" + now + b"-----BEGIN\r\n" + now
        + b"KEY-----\n" + now + b"all is well\n"
    )  # fmt: skip
    keep_log_without_secrets(path, ["-----BEGIN\nKEY-----\n", "s3cret", "2026", "1.000000"])
    assert path.read_bytes() == (
        now + b"\xff token=***\r" + now + b"*** is a year\n" + now + b"***\n" + now + b"all is well\n"
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == [path]


def test_a_log_without_secrets_or_without_stamps(tmp_path):
    path = tmp_path / "server.log"
    keep_log_without_secrets(path, ["s3cret"])  # an endpoint has none
    path.write_text("old s3cret\n")
    before = path.stat().st_ino
    keep_log_without_secrets(path, [])
    keep_log_without_secrets(path, ["absent"])
    assert path.stat().st_ino == before
    keep_log_without_secrets(path, ["s3cret"])
    assert path.read_text() == "old ***\n"
    stamped = f"{guard.stamp(0, 0).decode()}a\n"
    assert scrub_log(stamped, ["\n"]) == stamped


def test_a_full_disk_leaves_the_log_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "server.log"
    path.write_text("old s3cret\n")

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        keep_log_without_secrets(path, ["s3cret"])
    assert path.read_text() == "old s3cret\n"
    assert list(tmp_path.iterdir()) == [path]
