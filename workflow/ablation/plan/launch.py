"""What is typed to get a session's server, by kind of launch: a process, a container, or nothing at all."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ablation.plan.command import model_location, server_command, server_env
from ablation.plan.container import WORKFLOW, container_command, launch_spec
from ablation.study.catalogue import Entry
from ablation.study.config import Study
from ablation.study.launch import Container, Endpoint

CAVEAT = (
    "The servers were launched by someone else: blocks are interleaved visits to the same running servers, so "
    "launches were not replicated. The intervals say how visits differ; what two launches of one arm, or the "
    "endpoints' hosts, differ by would look like an effect of the factor."
)


def served_model(study: Study, model: str, arm: str, entry: Entry) -> str:
    """The name that requests ask for: the study's, or the one that an endpoint serves."""
    if isinstance(study.server.launch, Endpoint):
        return model_location(study, model, entry, arm)
    return model


def inner_command(study: Study, model: str, arm: str, entry: Entry) -> list[str]:
    """The server's own command, in whatever it runs; empty where nothing is launched."""
    if isinstance(study.server.launch, Endpoint):
        return []
    return server_command(study, model, arm, entry)


def launch_env(study: Study, model: str, arm: str, entry: Entry) -> dict[str, str]:
    """The server's variables; none where nothing is launched."""
    if isinstance(study.server.launch, Endpoint):
        return {}
    return server_env(study, model, arm, entry)


def outer_command(study: Study, model: str, arm: str, entry: Entry) -> list[str]:
    """The whole command: of a container `docker run ...`."""
    launch = study.server.launch
    inner = inner_command(study, model, arm, entry)
    if not isinstance(launch, Container):
        return inner
    simulated = study.server.kind == "reference"
    env = launch_env(study, model, arm, entry)
    return container_command(
        launch,
        study.hardware.platform,
        inner,
        env=env | {"PYTHONPATH": WORKFLOW} if simulated else env,
        pass_env=study.server.pass_env,
        location=None if simulated else model_location(study, model, entry, arm),
    )


def spec_of_launch(study: Study, model: str, arm: str, entry: Entry) -> dict[str, Any] | None:
    """What of the launch decides a measurement beside the server's command; nothing for a process."""
    launch = study.server.launch
    if isinstance(launch, Container):
        return launch_spec(launch, study.hardware.platform)
    if isinstance(launch, Endpoint):
        url = study.factor.arms[arm].url
        return {"kind": "endpoint", "url": url, "model": served_model(study, model, arm, entry)}
    return None


def shown_command(session: Mapping[str, Any], *, copyable: bool = False) -> str:
    """A session's command as a person reads it; `copyable` quotes it for a shell."""
    if session.get("url"):
        return f"(endpoint {session['url']}, launched by someone else)"
    words = list(map(str, session["command"]))
    if session.get("container"):
        return shlex.join(words) if copyable else " ".join(words)
    if copyable:
        env = [f"{key}={shlex.quote(str(value))}" for key, value in session["env"].items()]
        return " ".join([*env, shlex.join(words)])
    env = [f"{key}={value}" for key, value in session["env"].items()]
    return f"{' '.join(env)} {' '.join(words)}"
