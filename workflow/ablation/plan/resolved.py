"""A resolved launch: what the layers of a study come to for one (model, arm).

The server's, the catalogue's, the model's and the arm's settings are laid over each other once, here. The command,
the hash, the number of GPUs, the proof of the treatment, the provenance and the report all read this one object.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ablation.plan.command import flags, model_location
from ablation.plan.container import WORKFLOW, container_command, launch_spec
from ablation.study.catalogue import Entry
from ablation.study.config import Study
from ablation.study.launch import Container, Endpoint
from ablation.study.layers import args_in_force, env_in_force
from ablation.study.limits import parallel_of
from ablation.study.load import StudyError
from ablation.study.values import ArgValue

PORT = "{port}"  # filled in at launch: a port is where a server listens, not what is measured

Spec = dict[str, object]  # canonical JSON of what decides a measurement


@dataclass(frozen=True)
class Resolved:
    """One launch of a (model, arm), block left open.

    args, env   settings in force, in one canonical spelling (study/spelling.py)
    arguments   the server's own words after its executable; empty where nothing is launched
    command     what is typed on this host: of a container `docker run ...`; `{port}` stands for the port
    location    folder or hub name given to the server
    gpus        GPUs that the server occupies; 0 on a CPU
    decides     what a container or an endpoint adds to what decides a measurement
    """

    kind: Literal["vllm", "reference"]
    vllm: str
    location: str
    served_model: str
    args: dict[str, ArgValue]
    env: dict[str, str]
    arguments: list[str]
    command: list[str]
    gpus: int
    container: str | None = None
    url: str | None = None
    decides: Spec | None = None

    def spec(self, model: str, arm: str, block: int) -> Spec:
        """What decides a launch. The executable's path is left out: the build found there stands for it."""
        return {
            **({} if self.decides is None else {"launch": self.decides}),
            "kind": self.kind,
            "model": model,
            "arm": arm,
            "block": block,
            "arguments": self.arguments,
            "env": dict(sorted(self.env.items())),
            "vllm": self.vllm,
        }


def resolve(study: Study, entry: Entry, model: str, arm: str) -> Resolved:
    """Lay the layers of a study over each other for one (model, arm).

    Raises StudyError where an argument that counts GPUs holds anything else.
    """
    launch = study.server.launch
    location = model_location(study, model, entry, arm)
    args = args_in_force(study, entry, model, arm)
    endpoint = isinstance(launch, Endpoint)
    env = {} if endpoint else _environment(study, entry, model, arm)
    inner = [] if endpoint else _inner(study, model, location, args)
    decides: Spec | None = None
    served, url, command, container = model, None, inner, None
    if isinstance(launch, Endpoint):
        served, url = location, study.factor.arms[arm].url
        decides = {"kind": "endpoint", "url": url, "model": served}
    if isinstance(launch, Container):
        container = launch.kind
        decides = launch_spec(launch, study.hardware.platform)
        command = _in_container(study, launch, inner, env, location)
    return Resolved(
        kind=study.server.kind,
        vllm=study.server.vllm,
        location=location,
        served_model=served,
        args=args,
        env=env,
        arguments=inner[1:],
        command=command,
        gpus=gpus(study, args, model),
        container=container,
        url=url,
        decides=decides,
    )


def gpus(study: Study, args: Mapping[str, ArgValue], model: str) -> int:
    """GPUs that a launch occupies: the product of its parallel sizes; none on a CPU. Raises StudyError."""
    if study.hardware.platform == "cpu":
        return 0
    try:
        return parallel_of(args).gpus
    except ValueError as error:
        raise StudyError(f"models.{model}: {error}") from None


def _environment(study: Study, entry: Entry, model: str, arm: str) -> dict[str, str]:
    """Variables in force, beside the few that a process needs to run at all (see session/environment.py)."""
    base: dict[str, str] = {}
    if study.server.kind == "vllm":
        base = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
        own = study.factor.arms[arm].paths.get(model, study.models[model].path)
        if own is not None or entry.generate is not None:
            base["HF_HUB_OFFLINE"] = "1"
    return base | env_in_force(study, entry, model, arm)


def _inner(study: Study, model: str, location: str, args: Mapping[str, ArgValue]) -> list[str]:
    """The server's own command, in whatever it runs."""
    address = ["--host", study.server.host, "--port", PORT]
    if study.server.kind == "reference":
        return [
            *(sys.executable, "-m", "ablation.reference", "--model", model),
            *address,
            *flags(args),
        ]
    return [
        *(study.server.python, "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", location, "--served-model-name", model),
        *address,
        "--disable-uvicorn-access-log",
        *flags(args),
    ]


def _in_container(
    study: Study, launch: Container, inner: list[str], env: Mapping[str, str], location: str
) -> list[str]:
    simulated = study.server.kind == "reference"
    return container_command(
        launch,
        study.hardware.platform,
        inner,
        env={**env, "PYTHONPATH": WORKFLOW} if simulated else env,
        pass_env=study.server.pass_env,
        location=None if simulated else location,
    )
