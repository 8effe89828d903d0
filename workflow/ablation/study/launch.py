"""Where a server comes from: a process of this host, a container, or an endpoint that someone else runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from ablation.study.fields import MountPath, Settings, Strict, Variable

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_IMAGE = re.compile(r"(?:[a-z0-9][a-z0-9._:/-]*[a-z0-9](?::[\w.-]+)?@)?sha256:[0-9a-f]{64}")

# What a container needs of its host, by platform, as the documentation of AMD and vLLM has it:
# rocm.docs.amd.com, "vLLM inference"; docs.vllm.ai, "Using Docker".
_BY_PLATFORM: dict[str, dict[str, list[str]]] = {
    "rocm": {
        "devices": ["/dev/kfd", "/dev/dri"],
        "groups": ["video", "render"],
        "cap_add": ["SYS_PTRACE"],
        "security_opt": ["seccomp=unconfined"],
    },
    "cuda": {},
    "cpu": {},
}
# Options that the workflow sets, or that would take the container's life out of its hands.
_RESERVED = re.compile(
    "--(rm|name|cidfile|label|label-file|pull|network|net|publish|publish-all|detach|restart|replace|rmi|rootfs|env"
    "|env-file|env-host|unsetenv|unsetenv-all|entrypoint|workdir|interactive|tty|log-driver|sig-proxy|mount|volume"
    "|volumes-from|device|gpus|group-add|cap-add|security-opt|ipc|shm-size)|-[lpPdewitv].*"
)
# Options without a value (docker-run(1) of 28, podman-run(1) of 5): the word behind one would be taken for the image.
_FLAGS = re.compile(
    "--(disable-content-trust|http-proxy|init|no-healthcheck|no-hostname|no-hosts|oom-kill-disable|passwd|privileged"
    "|quiet|read-only|read-only-tmpfs|tls-verify|use-api-socket)"
)


class Process(Strict):
    """A process of this host."""

    kind: Literal["process"] = Field(default="process", description="`process`")


class Mount(Strict):
    """A folder or file of the host that the container sees."""

    source: MountPath = Field(description="Absolute path on the host.")
    target: MountPath | None = Field(
        default=None, description="Absolute path in the container; the same when absent."
    )
    read_only: bool = Field(default=True, description="Whether the container may only read it.")


class Container(Strict):
    """A container, started by Docker or Podman and ended with the session.

    It has the host's network, where the server binds to `server.host`. `server.python` is the Python in the image.
    The model's folder (read-only), the cache of the hub and the folder for compiled kernels
    (`resources/cache/{digest}/`) are mounted under the paths that they have on the host.
    """

    kind: str
    image: str = Field(
        description=(
            "`name@sha256:...`, or the `sha256:...` id of a local image. A tag can be pushed again, so a tag alone "
            "is refused."
        )
    )
    executable: str | None = Field(
        default=None, description="Program to call; `docker` or `podman` when absent."
    )
    devices: list[str] | None = Field(
        default=None,
        description="Devices of the host; on ROCm `/dev/kfd` and `/dev/dri` when absent.",
    )
    gpus: str | None = Field(
        default=None,
        description="NVIDIA GPUs: Docker's `--gpus`, Podman's CDI device; `all` on CUDA when absent.",
    )
    groups: list[str] | None = Field(
        default=None,
        description=(
            "Groups of the host that own the devices; on ROCm `video` and `render` when absent. Passed by number, "
            "since the image may know them by no name or another."
        ),
    )
    cap_add: list[str] | None = Field(
        default=None, description="Capabilities; on ROCm `SYS_PTRACE` when absent."
    )
    security_opt: list[str] | None = Field(
        default=None, description="On ROCm `seccomp=unconfined` when absent."
    )
    ipc: str | None = Field(
        default=None,
        description="`host` when absent, unless `shm_size` is given: GPUs of one server share memory.",
    )
    shm_size: str | None = Field(
        default=None, description="Size of /dev/shm, in place of the host's: `16g`."
    )
    mounts: list[Mount] = Field(default=[], description="More of the host.")
    options: list[str] = Field(
        default=[],
        description="More options of `run`, a word each: `[--ulimit, memlock=-1]`.",
    )

    @field_validator("image")
    @classmethod
    def _image_by_digest(cls, image: str) -> str:
        if _IMAGE.fullmatch(image):
            return image
        tag = image.split("@")[0]
        raise ValueError(
            f"{image!r} does not name an image by its digest, and a tag can mean another image tomorrow; "
            f"`docker pull {tag}`, then `docker image inspect --format '{{{{index .RepoDigests 0}}}}' {tag}` "
            "(Podman: the same words) says what to write here; for an image made on this host "
            "--format '{{.Id}}'"
        )

    @field_validator("options")
    @classmethod
    def _options_leave_its_life_alone(cls, options: list[str]) -> list[str]:
        words = iter(options)
        for word in words:
            name, equals, _ = word.partition("=")
            if _RESERVED.fullmatch(name):
                raise ValueError(
                    f"{name}: set by the workflow, or has a field of its own (config/README.md); "
                    "variables belong under server.env, tokens under server.pass_env"
                )
            if not word.startswith("--") or word == "--":
                raise ValueError(
                    f"{name}: a word here would be taken for the image or for a command in it; options begin with two "
                    "dashes, as in [--ulimit, memlock=-1] or [--ulimit=memlock=-1]"
                )
            if not equals and not _FLAGS.fullmatch(name) and next(words, None) is None:
                raise ValueError(f"{name}: needs a value, and would take the next option for it")
        return options

    @model_validator(mode="after")
    def _one_shared_memory(self) -> Container:
        if self.shm_size and self.ipc == "host":
            raise ValueError("shm_size: has no effect with ipc: host; give one of them")
        return self

    @property
    def digest(self) -> str:
        """`sha256:...` of the image: what it is, from whichever registry it comes."""
        return str(_DIGEST.findall(self.image)[-1])

    @property
    def reference(self) -> str:
        """The image as Docker and Podman both take it: Podman refuses a tag beside a digest."""
        name, at, digest = self.image.rpartition("@")
        registry, slash, rest = name.rpartition("/")
        return f"{registry}{slash}{rest.split(':')[0]}{at}{digest}"

    def flags(self, platform: str) -> list[str]:
        """Options that give the container its devices, groups and shared memory."""
        usual = _BY_PLATFORM[platform]
        line: list[str] = []
        for field, option in (
            ("devices", "--device"),
            ("groups", "--group-add"),
            ("cap_add", "--cap-add"),
            ("security_opt", "--security-opt"),
        ):
            stated = getattr(self, field)
            for value in usual.get(field, []) if stated is None else stated:
                line += [option, value]
        gpus = self.gpus or ("all" if platform == "cuda" else None)
        if gpus:
            line += self.gpu_option(gpus)
        if self.shm_size:
            line += ["--shm-size", self.shm_size]
        if self.ipc or not self.shm_size:
            line += ["--ipc", self.ipc or "host"]
        return [*line, *self.options]

    def gpu_option(self, gpus: str) -> list[str]:
        """How this program is asked for NVIDIA GPUs: without quotes Docker takes the 5 of `device=4,5` for a count."""
        several = (
            gpus.startswith("device=") and "," in gpus and "=" not in gpus.removeprefix("device=")
        )
        return ["--gpus", f'"{gpus}"' if several else gpus]

    def given_gpus(self) -> list[str] | None:
        """Which of the host's NVIDIA GPUs `gpus` names, by index or UUID, in the container's order; None for all.

        Docker takes `all`, a number (the first so many) and `"device=4,5"`, beside other fields (docker/cli,
        opts/gpus.go), and gives one where neither is said. However they are listed, a container counts them as the host
        does.
        """
        named: list[str] = []
        of_devices = False
        for field in (self.gpus or "all").replace('"', "").replace("'", "").split(","):
            name, equals, value = field.strip().partition("=")
            of_devices = name == "device" if equals else of_devices
            if of_devices:
                named.append(value if equals else name)
            elif name == "count" or not equals:
                count = value or name
                return [str(i) for i in range(int(count))] if count.isdigit() else None
        return _in_order(named) or ["0"]

    @property
    def program(self) -> str:
        """What is called."""
        return self.executable or self.kind


class Docker(Container):
    """A container of Docker."""

    kind: Literal["docker"] = Field(description="`docker` or `podman`")

    @field_validator("gpus")
    @classmethod
    def _gpus_as_docker_reads_them(cls, gpus: str | None) -> str | None:
        if gpus is not None and re.fullmatch(r"\s*\d+(\s*,\s*\d+)+\s*", gpus):
            listed = re.sub(r"\s", "", gpus)
            raise ValueError(
                f"Docker takes a number for a count; write device={listed} for these GPUs"
            )
        return gpus


class Podman(Container):
    """A container of Podman."""

    kind: Literal["podman"] = Field(description="`podman`")

    def gpu_option(self, gpus: str) -> list[str]:
        """A CDI device for each GPU: https://docs.nvidia.com/datacenter/cloud-native (CDI)."""
        return [
            word
            for gpu in gpus.split(",")
            for word in ("--device", f"nvidia.com/gpu={gpu.strip()}")
        ]

    def given_gpus(self) -> list[str] | None:
        """Which of the host's NVIDIA GPUs `gpus` names, by index or UUID, in the container's order; None for all."""
        named = [gpu.strip() for gpu in (self.gpus or "all").split(",")]
        return None if "all" in named else _in_order(named)


def _in_order(gpus: list[str]) -> list[str]:
    """GPUs as a container counts them: by the host's indices, where they are named by these."""
    return sorted(gpus, key=int) if all(gpu.isdigit() for gpu in gpus) else gpus


class Endpoint(Strict):
    """Servers that someone else runs, one URL an arm (`factor.arms.*.url`).

    Nothing is launched: blocks are interleaved visits, there is no log to prove a treatment from, and the report says
    both. The model's `path` is the name that the endpoint serves it under.
    """

    kind: Literal["endpoint"] = Field(description="`endpoint`")
    api_key_env: Variable | None = Field(
        default=None,
        description="Variable of your shell that holds the API key; sent as a bearer token, never stored.",
    )


def _kind(launch: Any) -> Any:
    return launch.get("kind") if isinstance(launch, dict) else getattr(launch, "kind", None)


# By a function: a field that pydantic itself tells kinds by cannot have the checks that every field has.
Launch = Annotated[
    Annotated[Process, Tag("process")]
    | Annotated[Docker, Tag("docker")]
    | Annotated[Podman, Tag("podman")]
    | Annotated[Endpoint, Tag("endpoint")],
    Discriminator(_kind),
]


def check_launch(
    launch: Process | Container | Endpoint,
    urls: Mapping[str, str | None],
    settings: Mapping[str, Settings],
    *,
    warm_launch: bool,
) -> None:
    """Hold the parts of a study against its kind of launch.

    `urls` are those of the arms, `settings` all parts that may hold `env` and `args`, by where they stand. Raises
    ValueError with the remedy.
    """
    if not isinstance(launch, Endpoint):
        stray = [arm for arm, url in urls.items() if url is not None]
        if stray:
            raise ValueError(
                f"factor.arms.{stray[0]}.url: has a meaning only with server.launch: {{kind: endpoint}}"
            )
        return
    if warm_launch:
        raise ValueError(
            "server.warm_launch: nothing is launched with server.launch.kind: endpoint"
        )
    for arm, url in urls.items():
        if url is None:
            raise ValueError(f"factor.arms.{arm}.url: an endpoint study needs the URL of every arm")
        check_url(arm, url)
    for where, part in settings.items():
        for field in ("env", "args"):
            if getattr(part, field):
                raise ValueError(
                    f"{where}.{field}: nobody here launches the endpoint, so this would never take effect; "
                    "take it out, and say in the arm's label what its endpoint runs with"
                )


def check_url(arm: str, url: str) -> None:
    """Refuse what is not the root of a server. Raises ValueError."""
    where = f"factor.arms.{arm}.url"
    if "@" in url:
        raise ValueError(
            f"{where}: a key in a URL would be stored with the results; "
            "export it and name its variable in server.launch.api_key_env"
        )
    try:
        parts = urlsplit(url)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ValueError(f"{where}: {url!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_right:
        raise ValueError(f"{where}: {url!r} is not an address such as http://host:8000")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(
            f"{where}: {url!r}: give the server alone, without a path: {parts.scheme}://{parts.netloc}"
        )
