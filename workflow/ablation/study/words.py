"""A field's type in the words of somebody who writes YAML: for config/README.md and for messages."""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel

from ablation.study import values

_PLAIN: dict[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    Any: "anything",
    object: "anything",
}
_SIGNS = ((Ge, "≥"), (Gt, ">"), (Le, "≤"), (Lt, "<"))


def type_words(annotation: Any) -> str:
    """A Python type: `list of integer`, `Process or Docker`, `true or false`."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin is dict:
        return f"mapping of {type_words(inner[1])}"
    if origin is list:
        return f"list of {type_words(inner[0])}"
    if hasattr(annotation, "__metadata__"):
        return type_words(annotation.__origin__)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.__name__
    if annotation == values.ArgValue:
        return "value"
    choices = [type_words(part) for part in inner if part is not NoneType]
    return " or ".join(dict.fromkeys(choices)) or "value"


def limit_words(metadata: Iterable[Any]) -> list[str]:
    """What a field's metadata demands beside its type: `≥ 1`, `not empty`."""
    limits = []
    for rule in metadata:
        for kind, sign in _SIGNS:
            if isinstance(rule, kind):
                limits.append(f"{sign} {_number(getattr(rule, kind.__name__.lower()))}")
        if isinstance(rule, MinLen):
            limits.append(
                "not empty" if rule.min_length == 1 else f"{rule.min_length} long or more"
            )
        if isinstance(rule, MaxLen):
            limits.append(f"{rule.max_length:,} long at most")
    return limits


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
