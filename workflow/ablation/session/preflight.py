"""What can be known to be wrong before a server starts: refused here, in one message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablation.places import executable
from ablation.plan.plan import Plan
from ablation.session.arguments import check_arguments
from ablation.session.installation import (
    check_model,
    check_variables,
    check_version,
    find_installation,
)
from ablation.session.server import check_port
from ablation.study.catalogue import Entry
from ablation.study.config import Study
from ablation.study.layers import arguments_written, variables_written


def preflight(study: Study, plan: Plan, entries: Mapping[str, Entry]) -> dict[str, Any]:
    """Check Python, vLLM, variables, model folders, arguments and the port. Returns what was found.

    `entries` are the catalogue's, by the study's models. A "warning" in what is returned is to be said.

    Raises StudyError or ServerError naming the field, the value and the remedy.
    """
    found: dict[str, Any] = {"schema": "ablation.preflight/1", "study": study.study}
    if study.server.port != "auto":
        check_port(study.server.host, study.server.port)
    if study.server.kind == "vllm":
        installation = find_installation(executable(study.server.python))
        check_version(
            installation.vllm, study.server.vllm, f"server.python ({study.server.python})"
        )
        check_variables(variables_written(study, entries), installation)
        found |= {"python": installation.python_version, "vllm": installation.vllm}
        for name, model in plan["models"].items():
            for arm, location in model["locations"].items():
                own = location == model["location"]
                where = f"models.{name}.path" if own else f"factor.arms.{arm}.paths.{name}"
                check_model(location, own and model["generated"], where)
        # Last: importing vLLM takes seconds.
        found["arguments"] = check_arguments(
            arguments_written(study, entries),
            plan,
            executable(study.server.python),
            installation.vllm,
        )
    return found
