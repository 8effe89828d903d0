"""What the arms of a block would be launched with, as far as it can be seen from here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablation.build.host import host_of, quick_host
from ablation.build.model import models_of, quick_models
from ablation.build.parts import Build, Model, NotSeen, Server
from ablation.build.server import quick_server, reference_server, server_of
from ablation.places import executable
from ablation.plan.plan import Session
from ablation.session import container
from ablation.session.environment import server_environment
from ablation.study.config import Study
from ablation.study.launch import Container, Endpoint

UNSEEN = NotSeen("not looked at here")


@dataclass(frozen=True)
class Builds:
    """Of a block's arms: the software with the host under it, which they share, and the model's files of each.

    `digest` and `weights` are what decides whether two launches were made with the same; None where it was not seen.
    """

    digest: str | None = None
    weights: dict[str, str | None] = field(default_factory=dict)
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, study: Study, sessions: Sequence[Session], shell: Mapping[str, str]) -> Builds:
        """Look at the server's Python or image, the driver, the GPUs, and the model's files. Takes a second or two."""
        environment = _environment(study, sessions[0], shell)
        server = _server(study, environment)
        gpus = max(session.launch.gpus for session in sessions)
        visit = isinstance(study.server.launch, Endpoint)
        host = UNSEEN if visit else host_of(study.hardware.platform, gpus, environment)
        models = {session.arm: _models(study, session, environment) for session in sessions}
        seen = not isinstance(server, NotSeen)
        return cls(
            digest=Build(server, host, {}).digest() if seen else None,
            weights={arm: _weights(found) for arm, found in models.items()},
            parts={
                arm: Build(server, host, found).to_json(trees=False)
                for arm, found in models.items()
            },
        )

    def record(self, arm: str) -> dict[str, Any]:
        """What a launch of an arm keeps of it."""
        return {
            "digest": self.digest,
            "weights_digest": self.weights.get(arm),
            "parts": self.parts.get(arm),
        }


def trigger(study: Study, sessions: Sequence[Session], shell: Mapping[str, str]) -> str:
    """16 digits that are other ones whenever `Builds.of` may find something else; cheap enough for every command.

    By names, sizes and times of files: where they changed and their content did not, a block's job finds its records.
    """
    launch = study.server.launch
    environment = _environment(study, sessions[0], shell)
    found: list[str | None] = [quick_host(study.hardware.platform)]
    if isinstance(launch, Container):
        found.append(launch.digest)
    elif isinstance(launch, Endpoint):
        return "endpoint"
    elif study.server.kind == "vllm":
        python = [executable(study.server.python)]
        found.append(quick_server(python, environment, here=str(Path.cwd())))
    if study.server.kind == "vllm":
        found += [quick_models(s.launch.location, s.launch.args, environment) for s in sessions]
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


def _environment(study: Study, session: Session, shell: Mapping[str, str]) -> dict[str, str]:
    return server_environment(shell, session.launch.env, study.server.pass_env)


def _server(study: Study, environment: Mapping[str, str]) -> Server | NotSeen:
    launch = study.server.launch
    if isinstance(launch, Endpoint):
        return NotSeen("the endpoint was launched by someone else")
    if study.server.kind == "reference":
        return reference_server()
    if isinstance(launch, Container):
        python = container.python_in(launch, study.server.python, folders=[], env={})
        return server_of(python, environment, image=launch.digest)
    return server_of([executable(study.server.python)], environment, here=str(Path.cwd()))


def _models(
    study: Study, session: Session, environment: Mapping[str, str]
) -> dict[str, Model | NotSeen]:
    if study.server.kind == "reference" or isinstance(study.server.launch, Endpoint):
        return {}
    return models_of(session.launch.location, session.launch.args, environment)


def _weights(models: Mapping[str, Model | NotSeen]) -> str | None:
    """Digest of a model's files; None where one of them was not seen, or there are none."""
    if not models or any(isinstance(model, NotSeen) for model in models.values()):
        return None
    return Build(UNSEEN, UNSEEN, models).digest()
