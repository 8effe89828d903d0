"""Words of a server's command: where its model lies, and its arguments as flags."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Mapping, Sequence

from ablation.study.catalogue import Entry, Generate
from ablation.study.config import Study
from ablation.study.values import ArgValue

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


def shown_command(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    container: str | None = None,
    url: str | None = None,
    copyable: bool = False,
) -> str:
    """A launch's command as a person reads it; `copyable` quotes it for a shell."""
    if url:
        return f"(endpoint {url}, launched by someone else)"
    words = list(map(str, command))
    if container:
        return shlex.join(words) if copyable else " ".join(words)
    if copyable:
        return " ".join([*(f"{k}={shlex.quote(v)}" for k, v in env.items()), shlex.join(words)])
    return " ".join([*(f"{k}={v}" for k, v in env.items()), *words])
