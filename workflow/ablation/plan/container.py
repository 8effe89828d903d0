"""The command line that starts a server in a container. Pure: what only the host knows stands in braces.

Folders have the same paths inside and outside, so that the server's own command is the same as for a process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ablation.places import model_path
from ablation.study.launch import Container

NAME = "{name}"  # of the container: one for each launch
CIDFILE = "{cidfile}"
LOCK = "{lock}"  # a hash of the host lock's path, by which containers that were left over are found
HERE = "{here}"  # the working folder
WORKFLOW = "{workflow}"  # the workflow's packages, for the reference server
HF_HOME = "{hf_home}"
LABEL = "ablation.lock"
CACHES = "resources/cache"

# Variable -> subfolder: where compiled kernels are kept. AITER builds its modules under AITER_JIT_DIR and its
# templates under AITER_ROOT_DIR/build (aiter/jit/core.py, csrc/cpp_itfs/utils.py); vLLM keeps what torch.compile
# made under VLLM_CACHE_ROOT. Without these a container would build them anew in every launch.
CACHE_VARIABLES = {"VLLM_CACHE_ROOT": "vllm", "TRITON_CACHE_DIR": "triton"}
AITER_VARIABLES = {"AITER_ROOT_DIR": "aiter", "AITER_JIT_DIR": "aiter/jit"}

# Handed from the shell, as to a process: which of the host's GPUs to use.
VISIBLE = {
    "rocm": ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
    "cuda": ("CUDA_VISIBLE_DEVICES",),
    "cpu": (),
}


# By which the runtimes of the two makers choose GPUs, beside what the command line says.
TOOLKITS = ("NVIDIA_VISIBLE_DEVICES", "AMD_VISIBLE_DEVICES")


def cache_folder(launch: Container) -> str:
    """Folder of compiled kernels: one for each image, since another image is another compiler."""
    return f"{CACHES}/{launch.digest.removeprefix('sha256:')[:16]}"


def cache_environment(launch: Container, platform: str) -> dict[str, str]:
    """Variables that point into the cache folder."""
    folders = CACHE_VARIABLES | (AITER_VARIABLES if platform == "rocm" else {})
    return {name: f"{HERE}/{cache_folder(launch)}/{part}" for name, part in folders.items()}


def container_command(
    launch: Container,
    platform: str,
    inner: Sequence[str],
    *,
    env: Mapping[str, str],
    pass_env: Sequence[str],
    location: str | None,
) -> list[str]:
    """`docker run ...` around a server's command.

    `env` goes by value (a study holds no secrets), `pass_env` by name: the value comes from the environment of the
    program that is called, and a name that is not set there is left out. `location` is the model's folder or hub
    name; None where the server needs no model.
    """
    line = [launch.program, "run", "--rm", "--name", NAME, "--label", f"{LABEL}={LOCK}"]
    line += ["--cidfile", CIDFILE, "--pull=never", "--log-driver", "none", "--network", "host"]
    line += launch.flags(platform)
    variables = cache_environment(launch, platform)
    cache = f"{HERE}/{cache_folder(launch)}"
    line += mount(cache, read_only=False)
    if location is not None and (folder := on_host(location)):
        line += mount(folder)
    elif location is not None:
        line += mount(HF_HOME, read_only=False)
        variables["HF_HOME"] = HF_HOME
    for extra in launch.mounts:
        line += mount(extra.source, extra.target, read_only=extra.read_only)
    for name, value in (variables | dict(env)).items():
        line += ["--env", f"{name}={value}"]
    for name in (*VISIBLE[platform], *pass_env):
        line += ["--env", name]
    line += ["--workdir", HERE, "--entrypoint", inner[0], launch.reference]
    return [*line, *inner[1:]]


def mount(source: str, target: str | None = None, *, read_only: bool = True) -> list[str]:
    """A bind mount. Unlike --volume it refuses a source that is not there."""
    end = ",readonly" if read_only else ""
    return ["--mount", f"type=bind,source={source},target={target or source}{end}"]


def on_host(location: str) -> str | None:
    """A model's folder as an absolute path; None for what comes from the hub."""
    path = model_path(location)
    if path is None:
        return None
    return str(path) if path.is_absolute() else f"{HERE}/{path}"


def visible_on_host(launch: Container, environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with CUDA_VISIBLE_DEVICES as the host counts; a container counts among the GPUs it was given."""
    given, listed = launch.given_gpus(), environment.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return dict(environment)
    seen: list[str] = []
    for entry in given if listed is None else (part.strip() for part in listed.split(",")):
        if listed is not None and entry.isdigit():
            if int(entry) >= len(given):
                break
            entry = given[int(entry)]
        seen.append(entry)
    return {**environment, "CUDA_VISIBLE_DEVICES": ",".join(seen)}


def inside(
    platform: str, client: Mapping[str, str], env: Mapping[str, str], pass_env: Sequence[str]
) -> dict[str, str]:
    """The variables that a server in a container has, of those that choose among GPUs and of its own.

    `client` is the environment of the program that starts the container, which hands on only what it is told to.
    """
    names = (*VISIBLE[platform], *pass_env)
    return {name: client[name] for name in names if name in client} | dict(env)


def unknown_gpus(launch: Container, platform: str, env: Mapping[str, str] | None = None) -> str:
    """Why nobody knows which of the host's GPUs a container has; "" where they are known. `env`: the server's own."""
    if platform == "cpu":
        return ""
    whole = ("/dev/kfd", "/dev/dri", "amd.com/gpu=all", "nvidia.com/gpu=all")
    some = [device for device in launch.devices or [] if device.split(":")[0] not in whole]
    # A toolkit's runtime chooses by variables of its own, and AMD's by its own order.
    some += [word for word in launch.options if word.split("=")[0] == "--runtime"]
    some += [name for name in TOOLKITS if name in (env or {})]
    if launch.gpus and launch.gpus != "all":
        some += [f"gpus: {launch.gpus}"] if platform == "rocm" else []
        some += [word for word in launch.options if word == "--privileged"]  # sees all of them too
    return f"which of the host's GPUs {', '.join(some)} is cannot be told" if some else ""


def launch_spec(launch: Container, platform: str) -> dict[str, Any]:
    """What of a container decides a measurement: the image by its digest, devices, shared memory, mounts."""
    return {
        "kind": launch.kind,
        "image": launch.digest,
        "flags": launch.flags(platform),
        "mounts": [extra.model_dump() for extra in launch.mounts],
    }
