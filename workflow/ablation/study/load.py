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
    where = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    if fault["type"] == "extra_forbidden":
        known = _fields_at(schema, fault["loc"][:-1])
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


def _fields_at(schema: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    """Names that may stand where `loc` points: walks the models along the path of the fault."""
    current: type[BaseModel] | None = schema
    key_next = False
    for part in loc:
        if (
            key_next
        ):  # a key of `dict[str, Model]`: the model itself was resolved by the field before
            key_next = False
            continue
        field = current.model_fields.get(str(part)) if current is not None else None
        current = _model_in(field.annotation) if field else None
        key_next = field is not None and get_origin(field.annotation) is dict
    return sorted(current.model_fields) if current is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model inside an annotation such as `dict[str, Arm]` or `Expect | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
