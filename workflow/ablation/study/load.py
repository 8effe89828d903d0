"""From a mapping or a file to a validated `Study`, with one message that a person can act on."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from ablation.errors import UserError
from ablation.study.config import Study

M = TypeVar("M", bound=BaseModel)


class StudyError(UserError):
    """Something that the user wrote cannot be used: names the file, the field, the value and the remedy."""


def load_study(config: Mapping[str, Any], source: str) -> Study:
    """Validate a study given as a mapping.

    `source` is the file's name for the message. Raises StudyError, listing every fault at once.
    """
    return validate(Study, dict(config), source)


def read_study(path: Path) -> Study:
    """Read and validate a study's YAML. Raises StudyError."""
    return load_study(read_yaml(path), str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that must hold a mapping. Raises StudyError."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(
            f"{path}: no such file; give one with --configfile, or see config/studies/"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(data, dict):
        raise StudyError(f"{path}: must hold a mapping of fields; config/README.md lists them")
    return data


def validate(schema: type[M], data: dict[str, Any], source: str) -> M:
    """Validate `data` against a pydantic model; every fault on a line of its own in one StudyError."""
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        lines = [_sentence(schema, fault, source) for fault in error.errors()]
        raise StudyError("\n".join(lines)) from None


def _sentence(schema: type[BaseModel], fault: Any, source: str) -> str:
    where = ".".join(_walk(schema, fault["loc"])[0])
    if fault["type"] == "extra_forbidden":
        known = _walk(schema, fault["loc"][:-1])[1]
        near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return f"{source}: {where}: unknown field; {hint} (config/README.md describes all fields)"
    if fault["type"] == "missing":
        return f"{source}: {where}: this field is required (config/README.md describes it)"
    message = fault["msg"].removeprefix("Value error, ")
    value = fault["input"]
    if fault["type"] == "string_type" and isinstance(value, bool):
        message = (
            f"YAML reads on, off, yes and no as {str(value).lower()}; write the word in quotes"
        )
    shown = f" (value: {value!r})" if isinstance(value, (str, int, float, bool)) else ""
    return f"{source}: {where or 'study'}: {message}{shown}"


def _walk(schema: type[BaseModel], loc: tuple[Any, ...]) -> tuple[list[str], list[str]]:
    """Along the path of a fault: (its parts as the YAML has them, names that may stand where it ends).

    Pydantic puts the kind into the path of a part that comes in several (`server.launch.docker.image`); the YAML has no
    such step.
    """
    current: list[type[BaseModel]] = [schema]
    parts: list[str] = []
    key_next = False
    for part in loc:
        if part == "[key]":
            continue
        if (
            key_next
        ):  # a key of `dict[str, Model]`: the model itself was resolved by the field before
            key_next = False
            parts.append(str(part))
            continue
        of_kind = [model for model in current if len(current) > 1 and _is_kind(model, part)]
        if of_kind:
            current = of_kind
            continue
        parts.append(str(part))
        fields = [m.model_fields[str(part)] for m in current if str(part) in m.model_fields]
        current = _models_in(fields[0].annotation) if fields else []
        key_next = bool(fields) and get_origin(fields[0].annotation) is dict
    return parts, sorted({name for model in current for name in model.model_fields})


def _is_kind(model: type[BaseModel], part: Any) -> bool:
    field = model.model_fields.get("kind")
    return field is not None and part in get_args(field.annotation)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The pydantic models inside an annotation such as `dict[str, Arm]` or `Expect | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]
