"""From a session of the plan to its server: a process, a container, or a visit to an endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ablation.places import HOME, executable
from ablation.plan.plan import Session
from ablation.session import container, endpoint
from ablation.session.environment import secrets, server_environment
from ablation.session.lock import host_lock_path
from ablation.session.orphans import mark
from ablation.session.server import Server
from ablation.study.config import Study
from ablation.study.launch import Container, Endpoint
from ablation.study.load import StudyError
from ablation.study.secrets import SHORTEST, secret_name, too_short

AnyServer = Server | endpoint.Endpoint


def hidden_values(study: Study, shell: Mapping[str, str]) -> list[str]:
    """Texts that must not stand in any file: secrets among the values of `server.pass_env`, and the endpoint's key.

    Raises StudyError where one is too short to be found in a text and no placeholder.
    """
    handed_on, launch = study.server.pass_env, study.server.launch
    asked = {name: "server.pass_env" for name in handed_on if secret_name(name)}
    keys = [launch.api_key_env] if isinstance(launch, Endpoint) and launch.api_key_env else []
    for name, where in (asked | dict.fromkeys(keys, "server.launch.api_key_env")).items():
        if too_short(shell.get(name, "")):
            raise StudyError(
                f"{where}: the value of {name} has fewer than {SHORTEST} characters: it cannot be taken out of a log "
                "without making the log unreadable, and must not stay in it; unset the variable, or, where the server "
                f"only wants some text, export {name}=EMPTY"
            )
    return secrets(shell, handed_on, keys)


def open_server(
    study: Study,
    session: Session,
    folder: Path,
    *,
    lock_fd: int,
    watched: Sequence[int],
    shell: Mapping[str, str],
    say: Callable[[str], None],
) -> AnyServer:
    """The server of a session, not yet started: it starts and ends as a context manager.

    `folder` takes its log. Raises UserError where this host cannot start it.
    """
    launch = study.server.launch
    if isinstance(launch, Endpoint):
        return endpoint.Endpoint(
            session.launch.url or "",
            arm=session.arm,
            served_model=session.launch.served_model,
            headers=endpoint.authorization(launch, shell),
            folder=folder,
        )
    settings: dict[str, Any] = {
        "folder": folder,
        "served_model": session.model,
        "host": study.server.host,
        "port": study.server.port,
        "lock_fd": lock_fd,
        "watched": watched,
        "stop_timeout_s": study.server.stop_timeout_s,
    }
    if isinstance(launch, Container):
        return _in_container(study, launch, session, settings, shell, say)
    env = server_environment(shell, session.launch.env, study.server.pass_env)
    env |= mark(host_lock_path(), folder.name)
    if study.server.kind == "reference":
        env["PYTHONPATH"] = str(HOME / "workflow")
    command = [executable(session.launch.command[0]), *session.launch.command[1:]]
    return Server(command, env=env, **settings)


def _in_container(
    study: Study,
    launch: Container,
    session: Session,
    settings: dict[str, Any],
    shell: Mapping[str, str],
    say: Callable[[str], None],
) -> Server:
    container.ensure_image(launch, say)
    python = session.launch.command[session.launch.command.index("--entrypoint") + 1]
    container.prepare(launch, python, study.hardware.platform)
    if left := container.sweep(launch):
        say(f"ended {len(left)} container(s) that an earlier session had left behind")
    folder: Path = settings["folder"]
    name = f"ablation-{folder.name}"
    command = container.command_line(
        session.launch.command, name, folder.absolute() / "container.id", shell
    )
    env = server_environment(shell, {}, study.server.pass_env)
    env |= container.client_environment(shell)
    running = container.Running(launch.program, name)
    return Server(command, env=env, container=running, **settings)


def launch_record(study: Study, session: Session, server: AnyServer) -> dict[str, Any]:
    """What the launch's evidence says of where its server came from; nothing for a process."""
    launch = study.server.launch
    if isinstance(launch, Endpoint):
        return {"launch": {"kind": "endpoint", "url": session.launch.url or ""}}
    if isinstance(launch, Container) and server.container is not None:
        return {
            "launch": {
                "kind": launch.kind,
                "image": launch.reference,
                "container": server.container.name,
                "id": container.container_id(server.log_path.with_name("container.id")),
            }
        }
    return {}
