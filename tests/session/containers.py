"""What the container tests share: a stub of Docker on PATH, a real Podman where there is one, and a study for both."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from tests.workflow.conftest import ROOT, STUDY

STUB = Path(__file__).with_name("stub_docker.py")
DIGEST = "sha256:" + "ab" * 32
IMAGE = f"somewhere/vllm@{DIGEST}"


def study_in(launch: dict, **server) -> dict:
    """The simulated study, launched in a container."""
    study = json.loads(json.dumps(STUDY))
    study["models"] = {"toy": study["models"]["toy"]}
    study["server"] |= {"launch": launch, **server}
    return study


class Stub:
    """A running stub of Docker's daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        self.calls_file = folder / "calls.jsonl"
        program = self.bin / "docker"
        program.write_text(
            f'#!/bin/sh\nSTUB_SOCKET={folder / "socket"} exec {sys.executable} -I {STUB} "$@"\n'
        )
        program.chmod(0o755)
        self.path = f"{self.bin}:{os.environ['PATH']}"
        self.daemon = subprocess.Popen(
            [
                sys.executable,
                "-I",
                str(STUB),
                "daemon",
                str(folder / "socket"),
                str(self.calls_file),
            ]
        )
        while not (folder / "socket").exists():
            time.sleep(0.02)

    def calls(self, subcommand: str) -> list[list[str]]:
        """Every call of a subcommand, without that word."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [call[1:] for call in map(json.loads, lines) if call[0] == subcommand]

    def end(self) -> None:
        """End the daemon; containers that are left are the test's fault, and end with it."""
        left = subprocess.run(
            [self.bin / "docker", "ps", "-aq", "--filter", "name=."],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        ).stdout.split()
        if left:
            subprocess.run([self.bin / "docker", "rm", "--force", *left], check=False)
        self.daemon.kill()
        self.daemon.wait()


def podman_options() -> list[str]:
    """What a sandbox without CAP_SYS_RESOURCE and with cgroups of both versions needs; nothing on other hosts."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    # Podman 4.3 lowers its own to 32768 and then asks for more.
    limits = ["--ulimit", f"nofile={files}:{files}", "--ulimit", "nproc=32768:32768"]
    return ["--runtime", "runc", *limits]


def local_image(folder: Path) -> str:
    """An image of empty folders for Podman, its id; what it runs is mounted. Skips the test where that fails."""
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    archive = folder / "root.tar"
    with tarfile.open(archive, "w") as tar:
        for name in ("proc", "sys", "dev", "tmp", "etc", "run", "usr"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name in ("bin", "lib", "lib64"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(entry)
    done = subprocess.run(
        ["podman", "import", "--quiet", str(archive)], capture_output=True, text=True, check=False
    )
    found = re.search("[0-9a-f]{64}", done.stdout)
    if done.returncode != 0 or found is None:
        pytest.skip(f"podman cannot import an image here: {done.stderr.strip()[-200:]}")
    return f"sha256:{found[0]}"


def mounts() -> list[dict]:
    """This host's Python, its libraries and this checkout, under their own paths."""
    folders = {"/usr", str(ROOT), str(ROOT.resolve())}
    for prefix in (sys.prefix, sys.base_prefix):
        folders |= {prefix, str(Path(prefix).resolve())}
    folders = {
        folder
        for folder in folders
        if not any(folder != other and Path(folder).is_relative_to(other) for other in folders)
    }
    return [{"source": folder} for folder in sorted(folders)]


def podman_launch(folder: Path) -> dict:
    """`server.launch` for a real Podman on this host. Skips the test, with what Podman said, where it runs nothing."""
    image = local_image(folder)
    said = ""
    for options in ([], podman_options()):
        words = [
            word
            for mount in mounts()
            for word in ("--volume", f"{mount['source']}:{mount['source']}:ro")
        ]
        done = subprocess.run(
            [
                "podman",
                "run",
                "--rm",
                "--network",
                "host",
                "--log-driver",
                "none",
                *options,
                *words,
                "--entrypoint",
                sys.executable,
                image,
                "-c",
                "import httptools",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return {"kind": "podman", "image": image, "mounts": mounts(), "options": options}
        said = done.stderr.strip()[-200:]
    pytest.skip(f"podman runs no container here: {said}")
