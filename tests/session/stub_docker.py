"""A stand-in for Docker: records what it is told, and runs the container's command on this host.

`daemon SOCKET CALLS` is the daemon: containers are its children, as with Docker, so that killing the command that
started one leaves it running. With any other words it is the command `docker`, told of the daemon by STUB_SOCKET.
Knows what the workflow asks for, and no more.
"""

import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

FLAGS = {"--rm", "-aq", "--quiet", "--force", "--interactive"}  # options without a value


def split(words):
    """Words after a subcommand -> (options as pairs, the rest)."""
    pairs, rest = [], list(words)
    while rest and rest[0].startswith("-"):
        name = rest.pop(0)
        if name in FLAGS:
            pairs.append((name, ""))
        elif "=" in name:
            pairs.append(tuple(name.split("=", 1)))
        else:
            pairs.append((name, rest.pop(0)))
    return pairs, rest


class Daemon:
    def __init__(self, path, calls):
        self.calls = calls
        self.containers = {}  # name -> (process, labels)
        self.images = set()
        self.lock = threading.Lock()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen()

    def serve(self):
        while True:
            connection, _ = self.server.accept()
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        stream = connection.makefile("rwb")
        request = json.loads(stream.readline())
        with self.lock, open(self.calls, "a") as file:
            file.write(json.dumps(request["argv"]) + "\n")

        def say(**fields):
            with contextlib.suppress(OSError):
                stream.write(json.dumps(fields).encode() + b"\n")
                stream.flush()

        subcommand, *words = request["argv"]
        code, text = getattr(self, subcommand)(words, request, say)
        say(code=code, text=text)

    def version(self, words, request, say):
        return 0, "29.0.0-stub"

    def image(self, words, request, say):
        return (0, "[]") if words[-1] in self.images else (1, "Error: No such image")

    def pull(self, words, request, say):
        if "nowhere" in words[-1]:
            return 1, "Error response from daemon: manifest unknown"
        self.images.add(words[-1])
        return 0, words[-1]

    def run(self, words, request, say):
        pairs, (image, *arguments) = split(words)
        options = dict(pairs)
        assert options["--pull"] == "never"
        if image not in self.images:
            return 125, f"docker: No such image: {image}"
        environment = {"PATH": os.environ["PATH"]}
        for option, value in pairs:
            if option == "--mount":
                source = re.search("source=([^,]*)", value)[1]
                if not os.path.exists(source):
                    return 125, "docker: invalid mount config: bind source path does not exist"
            if option == "--env":
                name, equals, text = value.partition("=")
                if equals or name in request["env"]:
                    environment[name] = text if equals else request["env"][name]
        folder = os.path.dirname(self.calls)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as output:
            try:
                process = subprocess.Popen(
                    [options["--entrypoint"], *arguments],
                    cwd=options.get("--workdir"),
                    env=environment,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError:
                return 127, "docker: exec: no such file or directory: unknown"
        name = options.get("--name", output.name)
        self.containers[name] = (process, options.get("--label"))
        if "--cidfile" in options:
            Path(options["--cidfile"]).write_text(self.id_of(name))
        say(out=output.name)
        code = process.wait()
        del self.containers[name]
        return code if code >= 0 else 128 - code, ""

    def id_of(self, name):
        return hashlib.sha256(name.encode()).hexdigest()

    def ps(self, words, request, say):
        (wanted,) = [value for option, value in split(words)[0] if option == "--filter"]
        kind, _, value = wanted.partition("=")
        found = [
            self.id_of(name)
            for name, (_, label) in list(self.containers.items())
            if (label == value if kind == "label" else re.search(value, name))
        ]
        return 0, "\n".join(found)

    def inspect(self, words, request, say):
        name = split(words)[1][0]
        if name not in self.containers:
            return 1, f"Error: No such object: {name}"
        return 0, str(self.containers[name][0].pid)

    def stop(self, words, request, say):
        pairs, (name,) = split(words)
        if name not in self.containers:
            return 1, "No such container"
        process = self.containers[name][0]
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(float(dict(pairs)["-t"]))
        process.kill()
        return 0, name

    def kill(self, words, request, say):
        if words[0] in self.containers:
            self.containers[words[0]][0].terminate()
        return 0, ""

    def rm(self, words, request, say):
        for wanted in split(words)[1]:
            for name, (process, _) in list(self.containers.items()):
                if wanted in (name, self.id_of(name)):
                    process.kill()
                    while name in self.containers:
                        time.sleep(0.01)
        return 0, ""


def ask(argv):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.environ["STUB_SOCKET"])
    stream = connection.makefile("rwb")
    stream.write(json.dumps({"argv": argv, "env": dict(os.environ)}).encode() + b"\n")
    stream.flush()
    return stream


def copy(path, ended):
    """What a container writes, to this command's own output: all of it, also what it wrote last."""
    with open(path, "rb") as file:
        while True:
            last = ended.is_set()
            while text := file.read(65536):
                sys.stdout.buffer.write(text)
                sys.stdout.buffer.flush()
            if last:
                return
            time.sleep(0.02)


def command(argv):
    pairs = dict(split(argv[1:])[0]) if argv[0] == "run" else {}
    # As `docker run` does: a signal to it is the container's.
    signal.signal(signal.SIGTERM, lambda *_: ask(["kill", pairs.get("--name", "")]).readline())
    stream = ask(argv)
    answer = json.loads(stream.readline())
    if "out" in answer:
        ended = threading.Event()
        copying = threading.Thread(target=copy, args=(answer["out"], ended), daemon=True)
        copying.start()
        answer = json.loads(stream.readline())
        ended.set()
        copying.join()
    print(answer["text"], end="\n" if answer["text"] else "")
    if answer["code"] and answer["text"]:
        print(answer["text"], file=sys.stderr)
    return answer["code"]


if __name__ == "__main__":
    if sys.argv[1] == "daemon":
        Daemon(*sys.argv[2:]).serve()
    sys.exit(command(sys.argv[1:]))
