"""The exact command and environment of a server, from the study, the catalogue and the arm."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping

from ablation.study.catalogue import Entry, Generate
from ablation.study.config import Study
from ablation.study.fields import ArgValue, whole_number
from ablation.study.layers import args_in_force, env_in_force

PORT = "{port}"  # filled in at launch: a port is where a server listens, not what is measured

GENERATED = "resources/models"


def generated_path(name: str, recipe: Generate) -> str:
    """Folder of a miniature: another recipe is another folder, so that it can never be taken for the old one."""
    digest = hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()[:8]
    return f"{GENERATED}/{name}-{digest}"


def model_location(study: Study, model: str, entry: Entry, arm: str | None = None) -> str:
    """What the server is given as `--model`: a folder or a hub name; an arm may have weights of its own.

    `~` is written out, since no shell stands between the study and the server.
    """
    settings = study.models[model]
    if arm is not None and model in study.factor.arms[arm].paths:
        return os.path.expanduser(study.factor.arms[arm].paths[model])
    if settings.path is not None:
        return os.path.expanduser(settings.path)
    if entry.generate is not None:
        return generated_path(settings.catalogue or model, entry.generate)
    return entry.hub or model


def flags(args: Mapping[str, ArgValue]) -> list[str]:
    """Server arguments as a command line, in the order given. `null` is left out, `false` is the `--no-` form."""
    line: list[str] = []
    for name, value in args.items():
        if value is None:
            continue
        if isinstance(value, bool):
            line.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, dict):
            line += [f"--{name}", json.dumps(value, sort_keys=True)]
        elif isinstance(value, list):
            line += [f"--{name}", *map(str, value)]
        else:
            line += [f"--{name}", str(value)]
    return line


def server_args(study: Study, model: str, arm: str, entry: Entry) -> dict[str, ArgValue]:
    """Arguments in force: the server's, overlaid by the catalogue's, the model's and the arm's."""
    return args_in_force(study, entry, model, arm)


def server_env(study: Study, model: str, arm: str, entry: Entry) -> dict[str, str]:
    """Variables in force, beside the few that a process needs to run at all (see session/environment.py)."""
    base: dict[str, str] = {}
    if study.server.kind == "vllm":
        base = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
        own = study.factor.arms[arm].paths.get(model, study.models[model].path)
        if own is not None or entry.generate is not None:
            base["HF_HUB_OFFLINE"] = "1"
    return base | env_in_force(study, entry, model, arm)


def server_command(study: Study, model: str, arm: str, entry: Entry) -> list[str]:
    """The command line; `{port}` stands for the port."""
    address = ["--host", study.server.host, "--port", PORT]
    args = flags(server_args(study, model, arm, entry))
    if study.server.kind == "reference":
        return [sys.executable, "-m", "ablation.reference", "--model", model, *address, *args]
    return [
        study.server.python,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        model_location(study, model, entry, arm),
        "--served-model-name",
        model,
        *address,
        "--disable-uvicorn-access-log",
        *args,
    ]


def gpus(study: Study, args: Mapping[str, ArgValue]) -> int:
    """GPUs that a session occupies: the product of its parallel sizes; none on a CPU."""
    if study.hardware.platform == "cpu":
        return 0
    sizes = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size")
    count = 1
    for size in sizes:
        count *= whole_number(args, size)
    return count
