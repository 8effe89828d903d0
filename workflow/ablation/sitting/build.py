"""What the arms of a block would be launched with, as far as it can be seen from here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablation.build.host import host_of, quick_host
from ablation.build.model import models_of, quick_models
from ablation.build.parts import Build, Host, Model, NotSeen, Server
from ablation.build.server import quick_server, reference_server, server_of
from ablation.files import write_json
from ablation.places import executable, hub_home
from ablation.plan.plan import Session
from ablation.session import container
from ablation.session.environment import server_environment
from ablation.study.config import Study
from ablation.study.launch import Container, Endpoint


@dataclass(frozen=True)
class Builds:
    """Of a block's arms: the software with the host under it, which they share, and the model's files of each.

    `digest` and `weights` are what decides whether two launches were made with the same; None where a part of it was
    not seen.
    """

    digest: str | None = None
    weights: dict[str, str | None] = field(default_factory=dict)
    builds: dict[str, Build] = field(default_factory=dict)

    @classmethod
    def of(cls, study: Study, sessions: Sequence[Session], shell: Mapping[str, str]) -> Builds:
        """Look at the server's Python or image, the driver, the GPUs, and the model's files. Takes a second or two."""
        environment = _environment(study, sessions[0], shell)
        server = _server(study, environment, shell)
        gpus = max(session.launch.gpus for session in sessions)
        builds = {
            session.arm: Build(
                server, _host(study, gpus, environment), _models(study, session, shell)
            )
            for session in sessions
        }
        return cls(
            digest=builds[sessions[0].arm].software_digest(),
            weights={arm: build.models_digest() for arm, build in builds.items()},
            builds=builds,
        )

    def record(self, arm: str) -> dict[str, Any]:
        """What a launch of an arm keeps of it."""
        build = self.builds.get(arm)
        return {
            "digest": self.digest,
            "weights_digest": self.weights.get(arm),
            "document": None if build is None else build.to_json(trees=False),
        }

    def keep(self, store: Path) -> None:
        """Keep what each build is, with the names of all files, once for each: `store/builds/{digest}.json`."""
        for build in self.builds.values():
            path = store / "builds" / f"{build.digest()}.json"
            if not path.exists():
                write_json(path, build.to_json())


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


def _server(
    study: Study, environment: Mapping[str, str], shell: Mapping[str, str]
) -> Server | NotSeen:
    launch = study.server.launch
    if isinstance(launch, Endpoint):
        return NotSeen("the endpoint was launched by someone else")
    if study.server.kind == "reference":
        return reference_server()
    if isinstance(launch, Container):
        words = container.python_in(launch, study.server.python, folders=[], env={})
        return server_of(words, server_environment(shell, {}, ()), image=launch.digest)
    return server_of([executable(study.server.python)], environment, here=str(Path.cwd()))


def _host(study: Study, gpus: int, environment: Mapping[str, str]) -> Host | NotSeen:
    if isinstance(study.server.launch, Endpoint):
        return NotSeen("the endpoint's host is not this one")
    if study.server.kind == "reference":
        return host_of("cpu", 0, {})
    return host_of(study.hardware.platform, gpus, environment)


def _models(study: Study, session: Session, shell: Mapping[str, str]) -> dict[str, Model | NotSeen]:
    launch = study.server.launch
    if study.server.kind == "reference" or isinstance(launch, Endpoint):
        return {}
    environment = _environment(study, session, shell)
    if isinstance(launch, Container):  # of the hub's cache it is told this alone
        environment = {"HF_HOME": str(hub_home(shell))}
    return models_of(session.launch.location, session.launch.args, environment)
