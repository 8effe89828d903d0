"""What can be known to be wrong before a server starts: refused here, in one message."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import httpx

from ablation.places import executable
from ablation.plan.plan import Plan
from ablation.session import container, endpoint
from ablation.session.arguments import Python, check_arguments
from ablation.session.installation import (
    check_model,
    check_variables,
    check_version,
    find_installation,
)
from ablation.session.launcher import hidden_values
from ablation.session.server import ServerError, check_port
from ablation.study.catalogue import Entry
from ablation.study.config import Study
from ablation.study.launch import Container, Endpoint
from ablation.study.layers import arguments_written, variables_written


def preflight(
    study: Study, plan: Plan, entries: Mapping[str, Entry], shell: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Check Python, vLLM, variables, model folders, arguments and the port; image and devices; endpoints.

    `entries` are the catalogue's, by the study's models. Returns what was found; a "warning" in it is to be said.

    Raises UserError naming the field, the value and the remedy.
    """
    found: dict[str, Any] = {"schema": "ablation.preflight/1", "study": study.study}
    launch = study.server.launch
    hidden_values(study, shell)
    if isinstance(launch, Endpoint):
        return found | {"endpoints": _endpoints(study, launch, plan, shell)}
    if study.server.port != "auto":
        check_port(study.server.host, study.server.port)
    if isinstance(launch, Container):
        found |= {"container": _container(study, launch)}
    if study.server.kind == "vllm":
        installation = find_installation(_python(study)([], {}))
        check_version(
            installation.vllm, study.server.vllm, f"server.python ({study.server.python})"
        )
        check_variables(variables_written(study, entries), installation)
        found |= {"python": installation.python_version, "vllm": installation.vllm}
        for name, model in plan.models.items():
            for arm, location in model.locations.items():
                own = location == model.location
                where = f"models.{name}.path" if own else f"factor.arms.{arm}.paths.{name}"
                check_model(location, own and model.generated, where)
        # Last: importing vLLM takes seconds.
        found["arguments"] = check_arguments(
            arguments_written(study, entries),
            plan.sessions,
            _python(study),
            installation.vllm,
        )
    return found


def _python(study: Study) -> Python:
    """The server's Python, of this host or in the image, as the words before its arguments."""
    launch = study.server.launch
    if isinstance(launch, Container):
        return lambda folders, env: container.python_in(
            launch, study.server.python, folders=folders, env=env
        )
    return lambda folders, env: [executable(study.server.python)]


def _container(study: Study, launch: Container) -> dict[str, Any]:
    """Docker or Podman, devices, groups, mounts, and the image, pulled if need be: a pull takes longer than a start."""
    version = container.check_program(launch)
    container.check_host(launch, study.hardware.platform)
    pulled = container.ensure_image(launch, lambda text: print(text, file=sys.stderr, flush=True))
    return {
        "program": launch.program,
        "version": version,
        "image": launch.reference,
        "pulled": pulled,
    }


def _endpoints(
    study: Study, launch: Endpoint, plan: Plan, shell: Mapping[str, str]
) -> dict[str, Any]:
    """Each arm's endpoint: reachable, serving the model, of the study's version where it says one."""
    found: dict[str, Any] = {}
    headers = endpoint.authorization(launch, shell)
    visits = {(s.arm, s.launch.url or "", s.launch.served_model) for s in plan.sessions}
    for arm, url, model in sorted(visits):
        visited = endpoint.Endpoint(
            url, arm=arm, served_model=model, headers=headers, folder=endpoint.NOWHERE
        )
        try:
            visited.check()
        except httpx.TransportError as error:
            raise ServerError(
                f"factor.arms.{arm}.url: {url} cannot be reached ({error}); is the server up, and the port its own?"
            ) from error
        version = visited.version()
        if version and study.server.kind == "vllm":
            check_version(version, study.server.vllm, f"the endpoint of arm {arm} ({url})")
        found[f"{arm}: {model}"] = {"url": url, "version": version or "not said"}
    return found
