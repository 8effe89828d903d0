"""What a container needs of its host before it starts, and what its program says when it fails."""

from __future__ import annotations

import grp
import hashlib
import itertools
import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ablation.errors import UserError
from ablation.evidence.stamps import split_lines
from ablation.places import HOME, hub_home
from ablation.plan import container as planned
from ablation.session.lock import host_lock_path
from ablation.study.launch import Container

# What Docker's and Podman's own programs need of the shell, beside `environment.HANDED_ON`.
HANDED_ON = (
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "CONTAINER_HOST",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINERS_REGISTRIES_CONF",
    "REGISTRY_AUTH_FILE",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
)
# `docker run` ends with one of these when the container did not start (docs.docker.com, "Exit status").
NEVER_STARTED = (125, 126, 127)
# In the words of Docker 20 to 29 and Podman 4; the first that matches names the cause.
CAUSES = (
    (
        r"permission denied while trying to connect to the Docker",
        "this user may not use Docker; add it to the group docker and log in again",
    ),
    (
        r"Cannot connect to the Docker daemon|failed to connect to the docker API",
        "Docker's daemon does not answer; start it (systemctl start docker)",
    ),
    (
        r"could not select device driver|unresolvable CDI devices",
        "the container toolkit for these GPUs is not set up on this host",
    ),
    (
        r"error gathering device information|stat /dev/\S+: no such file|no such device",
        "a device of server.launch.devices is not on this host; is the GPU's driver loaded?",
    ),
    (r"[Uu]nable to find group", "the image does not know a group of server.launch.groups"),
    (
        r"No such image|image not known|Unable to find image",
        "the image is not on this host; pull it",
    ),
    (r"bind source path does not exist|statfs .*: no such file", "a mounted folder is not there"),
    (
        r"executable file.* not found|exec: .*no such file",
        "the image has no such program (server.python)",
    ),
    (r"unknown flag|unknown option", "this Docker or Podman is too old for an option"),
)
SEEDED = "seeded.json"
# Runs in the image, with the cache mounted. AITER looks for its modules either in its own folder or, with
# AITER_JIT_DIR set, in that one only (get_module_custom_op in aiter/jit/core.py): modules that came with the image
# are linked into the cache, so that they are used and not built anew. find_spec does not import aiter.
SEED = """
import importlib.util, json, pathlib, sys
spec = importlib.util.find_spec("aiter")
found = []
if spec and spec.submodule_search_locations:
    jit = pathlib.Path(list(spec.submodule_search_locations)[0]) / "jit"
    pairs = [(so, pathlib.Path(sys.argv[1]) / "jit" / so.name) for so in jit.glob("*.so")]
    pairs += [(so, pathlib.Path(sys.argv[1]) / so.relative_to(jit)) for so in jit.glob("build/*/lib.so")]
    for so, link in pairs:
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists() and not link.is_symlink():
            link.symlink_to(so)
        found.append(link.name if link.name != "lib.so" else link.parent.name)
print(json.dumps({"modules": sorted(found)}))
"""


class ContainerError(UserError):
    """A container that cannot be started on this host; the message names the remedy."""


@dataclass(frozen=True)
class Running:
    """A container by its name: what the guard ends it by, and where its processes are found."""

    program: str
    name: str

    def for_guard(self) -> str:
        """As the guard is told."""
        return json.dumps({"program": self.program, "name": self.name})

    def pid(self) -> int:
        """Its first process, as the host counts; 0 where it is not running."""
        code, said = ask([self.program, "inspect", "--format", "{{.State.Pid}}", self.name])
        return int(said) if code == 0 and said.isdigit() else 0

    def cause(self, log: str, code: int | None) -> str | None:
        """Why it never started, in words; None where it did."""
        if code not in NEVER_STARTED:
            return None
        for pattern, words in CAUSES:
            if re.search(pattern, log):
                return words
        lines = [line for line in split_lines(log) if line.strip()]
        return f"{self.program} could not start the container: {lines[-1] if lines else 'no reason given'}"


def ask(
    words: Sequence[str], timeout_s: float = 120.0, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Call the container's program. Returns (exit code, what it said); 127 where there is no such program."""
    try:
        done = subprocess.run(
            list(words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env=env,
        )
    except FileNotFoundError:
        return 127, f"{words[0]}: no such program"
    except OSError as error:
        return 126, f"{words[0]}: {error.strerror}"
    except subprocess.TimeoutExpired:
        return 124, f"{words[0]} did not answer in {timeout_s:.0f} s"
    said = done.stdout if done.returncode == 0 else done.stderr or done.stdout
    return done.returncode, said.strip()


def check_program(launch: Container) -> str:
    """The version of Docker or Podman. Raises ContainerError where it cannot be used."""
    code, said = ask([launch.program, "version", "--format", "{{.Client.Version}}"])
    if code != 0:
        known = next((words for pattern, words in CAUSES if re.search(pattern, said)), said)
        raise ContainerError(
            f"server.launch: {launch.program} cannot be used: {known}; install it, or name the program in "
            "server.launch.executable"
        )
    return said


def check_host(launch: Container, platform: str) -> None:
    """Refuse devices and mounts that this host lacks. Raises ContainerError."""
    flags = launch.flags(platform)
    for option, value in itertools.pairwise(flags):
        if (
            option == "--device"
            and value.startswith("/")
            and not Path(value.split(":")[0]).exists()
        ):
            raise ContainerError(
                f"server.launch.devices: {value.split(':')[0]} is not on this host; is the GPU's driver loaded "
                "(docs/on-amd.md)?"
            )
        if option == "--group-add":
            group_number(value)
    for extra in launch.mounts:
        if not Path(extra.source).exists():
            raise ContainerError(f"server.launch.mounts: {extra.source} is not on this host")


def group_number(group: str) -> str:
    """A group of the host by number; a number and Podman's keep-groups as they are. Raises ContainerError."""
    if group.isdigit() or group == "keep-groups":
        return group
    try:
        return str(grp.getgrnam(group).gr_gid)
    except KeyError:
        raise ContainerError(
            f"server.launch.groups: this host has no group {group!r}; `ls -ln /dev/kfd /dev/dri` shows the groups that "
            "own the devices: give their numbers"
        ) from None


def ensure_image(launch: Container, say: Callable[[str], None]) -> bool:
    """Have the image on this host, pulled if need be. Returns whether it was pulled; raises ContainerError."""
    if ask([launch.program, "image", "inspect", launch.reference])[0] == 0:
        return False
    if "@" not in launch.reference:
        raise ContainerError(
            f"server.launch.image: {launch.image} is the id of an image, and not on this host: "
            f"`{launch.program} image ls --digests` lists those that are"
        )
    say(f"pulling {launch.reference} (once for this host)")
    code, said = ask([launch.program, "pull", "--quiet", launch.reference], timeout_s=6 * 3600)
    if code != 0:
        raise ContainerError(
            f"server.launch.image: {launch.reference} is not on this host and cannot be pulled: {said[-500:]}"
        )
    return True


def python_in(
    launch: Container,
    python: str,
    *,
    folders: Sequence[Path] = (),
    env: Mapping[str, str] | None = None,
) -> list[str]:
    """Words before the arguments of the image's Python, without GPU or network. It may write to `folders`."""
    line = [launch.program, "run", "--rm", "--interactive", "--pull=never", "--network", "none"]
    line += ["--log-driver", "none"]
    for extra in launch.mounts:
        line += planned.mount(extra.source, extra.target, read_only=extra.read_only)
    for folder in folders:
        line += planned.mount(str(folder), read_only=False)
    for name, value in (env or {}).items():
        line += ["--env", f"{name}={value}"]
    return [*line, *launch.options, "--entrypoint", python, launch.reference]


def sweep(launch: Container) -> list[str]:
    """End containers that were left over on this host, and return their ids.

    Called with the host lock held: whoever started a container with this lock's label is gone, and so should it be.
    """
    label = f"label={planned.LABEL}={lock_name()}"
    _, said = ask([launch.program, "ps", "-aq", "--filter", label])
    left = [word for word in said.split() if re.fullmatch(r"[0-9a-f]{12,64}", word)]
    if left:
        ask([launch.program, "rm", "--force", *left])
    return left


def lock_name() -> str:
    """Names the host lock in a label: other locks' containers are none of ours."""
    return hashlib.sha256(str(host_lock_path()).encode()).hexdigest()[:12]


def prepare(launch: Container, python: str, platform: str) -> Path:
    """Make the cache folder, and link the AITER modules that the image brings. Returns the folder.

    A folder that the container's user made is its own, and may not be ours to write: what is there is left alone.
    """
    folder = Path.cwd() / planned.cache_folder(launch)
    for name in (*planned.CACHE_VARIABLES.values(), *planned.AITER_VARIABLES.values()):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if platform == "rocm" and not (folder / SEEDED).is_file():
        words = python_in(launch, python, folders=[folder])
        code, said = ask([*words, "-c", SEED, str(folder / "aiter")], timeout_s=600)
        if code != 0:
            raise ContainerError(
                f"server.launch: {python} does not run in {launch.reference}: {said[-500:]}"
            )
        (folder / SEEDED).write_text(said + "\n", encoding="utf-8")
    return folder


def command_line(
    command: Sequence[str], name: str, cidfile: Path, shell: Mapping[str, str]
) -> list[str]:
    """A launch's command with what only this host knows filled in. Raises ContainerError."""
    hub = hub_home(shell).absolute()
    known = {
        planned.NAME: name,
        planned.CIDFILE: str(cidfile),
        planned.LOCK: lock_name(),
        planned.HERE: str(Path.cwd()),
        planned.WORKFLOW: str(HOME / "workflow"),
        planned.HF_HOME: str(hub),
    }
    if any(planned.HF_HOME in word for word in command):
        hub.mkdir(parents=True, exist_ok=True)
    line: list[str] = []
    for word in command:
        if line and line[-1] == "--group-add":
            word = group_number(word)
        for brace, value in known.items():
            word = word.replace(brace, value)
        line.append(word)
    return with_linked_folders(line)


def with_linked_folders(line: list[str]) -> list[str]:
    """The command with what the model's folder links to mounted beside it, unless it is already."""
    if "--model" not in line:
        return line
    model = Path(line[line.index("--model") + 1]).absolute()
    mounted = [
        Path(found[1]) for word in line if (found := re.match("type=bind.*,target=([^,]*)", word))
    ]
    if model not in mounted:
        return line
    at = line.index("--workdir")
    more = [
        word
        for folder in linked_folders(model)
        if not any(folder.is_relative_to(target) for target in mounted)
        for word in planned.mount(str(folder))
    ]
    return [*line[:at], *more, *line[at:]]


def linked_folders(folder: Path) -> list[Path]:
    """Folders outside of a model's that its files are links to: a snapshot of the hub's cache is made of links."""
    if not folder.is_dir():
        return []
    inside = folder.resolve()
    links = (entry.resolve().parent for entry in folder.iterdir() if entry.is_symlink())
    return sorted({link for link in links if not link.is_relative_to(inside)})


def client_environment(shell: Mapping[str, str]) -> dict[str, str]:
    """What the container's program itself needs of the shell, beside what every server is handed."""
    return {name: shell[name] for name in HANDED_ON if name in shell}


def container_id(cidfile: Path) -> str | None:
    """The id that Docker or Podman gave, once it is running."""
    try:
        return cidfile.read_text(encoding="ascii").strip() or None
    except OSError:
        return None
