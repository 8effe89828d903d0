"""From pydantic's faults to sentences: the file, the field as the YAML has it, what must stand there, the value.

Nothing of pydantic's own words is passed on: types are said as config/README.md says them, the steps that a union adds
to a path are left out, and the faults of a union's choices are one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any, TypeGuard, Union, get_args, get_origin

from annotated_types import MaxLen, MinLen
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ablation.study.fields import PATTERNS
from ablation.study.secrets import secret_form, secret_name
from ablation.study.words import limit_words, type_words

MOST = 20  # faults that are told at once
_DOCUMENT = "config/README.md describes"
_SAID = {"value_error", "assertion_error"}


@dataclass
class _Spot:
    """Where a fault is: the steps of the YAML, and what the schema wants there.

    `made` is true where a step is in the schema's data and not in the user's: an arm that was made from another.
    """

    parts: tuple[Any, ...] = ()
    choices: tuple[Any, ...] = ()
    rules: tuple[tuple[Any, ...], ...] = ()  # of each choice: what is demanded beside its type
    here: Any = None
    parent: tuple[Any, ...] = ()
    of_key: bool = False
    made: bool = False
    faults: list[ErrorDetails] = field(default_factory=list)

    @property
    def where(self) -> str:
        return path_text(self.parts)

    @property
    def secret(self) -> bool:
        return any(isinstance(part, str) and secret_name(part) for part in self.parts)


def sentences(
    schema: type[BaseModel], data: Mapping[str, Any], error: ValidationError, source: str
) -> list[str]:
    """A sentence for each fault of `data`, those of one place together; at most 20, and how many more there are."""
    spots: dict[tuple[Any, ...], _Spot] = {}
    for fault in error.errors(include_url=False):
        spot = _spot(schema, data, fault["loc"])
        # The type too: 1 and True are the same key of a dictionary, and not the same step.
        address = (*((type(part), part) for part in spot.parts), spot.of_key)
        spots.setdefault(address, spot).faults.append(fault)
    found = [spot for spot in spots.values() if not _is_other_choice(spot, spots.values())]
    if not all(spot.made for spot in found):
        found = [spot for spot in found if not spot.made]
    told = list(dict.fromkeys(line for spot in found for line in _sentences(spot, source)))
    if len(told) > MOST:
        told[MOST:] = [f"{source}: and {len(told) - MOST} more faults"]
    return told


def path_text(parts: Iterable[Any]) -> str:
    """A path as people write it: `probe[0].model`, `factor.arms.'a b'`."""
    text = ""
    for part in parts:
        if isinstance(part, _Index):
            text += f"[{part}]"
        else:
            plain = isinstance(part, str) and re.fullmatch(r"[\w.<>*-]{1,80}", part)
            text += f"{'.' if text else ''}{part if plain else _shown(part)}"
    return text


class _Index(int):
    """A place in a list, which no key of a mapping is."""


# Along the path -----------------------------------------------------------------------------------
def _spot(schema: type[BaseModel], data: Any, loc: tuple[Any, ...]) -> _Spot:
    spot = _Spot(choices=(schema,), here=data)
    for place, part in enumerate(loc):
        if part == "[key]":
            spot.of_key = True
        elif len(spot.choices) > 1:  # pydantic names the choice of a union that it tried
            if place < len(loc) - 1:
                spot.choices = tuple(c for c in spot.choices if _is_choice(c, str(part)))
        else:
            _step(spot, part)
    return spot


def _step(spot: _Spot, part: Any) -> None:
    choice = spot.choices[0] if spot.choices else None
    spot.parent, origin = spot.choices, get_origin(choice)
    annotation, metadata = None, ()
    if _is_model(choice) and str(part) in choice.model_fields:
        info = choice.model_fields[str(part)]
        annotation, metadata = info.annotation, tuple(info.metadata)
    elif origin in (dict, list):
        annotation = get_args(choice)[-1]
        part = _Index(part) if origin is list else part
    spot.parts += (part,)
    spot.choices, rules = _choices(annotation)
    spot.rules = tuple((*metadata, *inner) for inner in rules)
    here = spot.here
    if isinstance(here, Mapping):
        spot.made = spot.made or (origin is dict and part not in here)
        spot.here = here.get(part)
    else:
        spot.here = here[part] if isinstance(here, list) and isinstance(part, int) else None


def _choices(annotation: Any) -> tuple[tuple[Any, ...], tuple[tuple[Any, ...], ...]]:
    """The types that an annotation lets stand, None left out, and of each what is demanded beside it."""
    if annotation is None or annotation is NoneType:
        return (), ()
    if hasattr(annotation, "__metadata__"):
        choices, rules = _choices(annotation.__origin__)
        own = tuple(
            rule
            for part in annotation.__metadata__
            for rule in (part.metadata if isinstance(part, FieldInfo) else (part,))
        )
        return choices, tuple((*own, *inner) for inner in rules)
    if get_origin(annotation) in (Union, UnionType):
        parts = [_choices(part) for part in get_args(annotation)]
        return sum((part for part, _ in parts), ()), sum((rules for _, rules in parts), ())
    return (annotation,), ((),)


def _is_model(choice: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(choice, type) and issubclass(choice, BaseModel)


def _is_choice(choice: Any, label: str) -> bool:
    """Whether a choice of a union is the one that pydantic calls so: `Length`, `docker`, `list[...]`, `int`.

    A model with validators is called `function-after[_its_validator(), Length]`.
    """
    label = re.sub(r"^function-\w+\[.*, (.+)\]$", r"\1", label)
    if _is_model(choice):
        kind = choice.model_fields.get("kind")
        return label == choice.__name__ or (kind is not None and label in get_args(kind.annotation))
    origin = get_origin(choice)
    if origin in (list, dict):
        return label.startswith(origin.__name__)
    return not label.startswith(("list", "dict")) and label[:1].islower()


def _is_other_choice(spot: _Spot, others: Iterable[_Spot]) -> bool:
    """Whether a fault only says that one choice of a union does not fit, and another place says what is wrong."""
    return not any(fault["type"] in _SAID for fault in spot.faults) and any(
        len(other.parts) > len(spot.parts) and other.parts[: len(spot.parts)] == spot.parts
        for other in others
    )


# In words -----------------------------------------------------------------------------------------
def _sentences(spot: _Spot, source: str) -> list[str]:
    said = [fault for fault in spot.faults if fault["type"] in _SAID]
    if said:
        return [_of_validator(spot, fault, source) for fault in said]
    kinds = {fault["type"] for fault in spot.faults}
    where = f"{source}: {spot.where}: " if spot.parts else f"{source}: "
    if "extra_forbidden" in kinds:
        return [where + _unknown(spot)]
    if "missing" in kinds:
        return [f"{where}this field is required ({_DOCUMENT} it)"]
    if spot.of_key or "invalid_key" in kinds:
        return [f"{source}: {_wrong_key(spot)}"]
    if kinds & {"union_tag_invalid", "union_tag_not_found"}:
        return [f"{source}: {_wrong_kind(spot)}"]
    return [where + _wrong_type(spot)]


def _of_validator(spot: _Spot, fault: ErrorDetails, source: str) -> str:
    """What a validator of ours said; a path in front of it is joined to the place where it was raised."""
    message = str(fault.get("ctx", {}).get("error", fault["msg"]))
    first = re.match(r"[^\s.:\[]*", message)
    names: set[str] = set()
    for choice in spot.choices:
        names |= set(choice.model_fields) if _is_model(choice) else set()
    if isinstance(spot.here, Mapping):
        names |= set(map(str, spot.here))
    if message.startswith("["):
        return f"{source}: {spot.where}{message}"
    if first and first[0] in names and re.match(r"\S+: ", message):
        return f"{source}: {spot.where}{'.' if spot.parts else ''}{message}"
    where = f"{spot.where}: " if spot.parts else ""
    return f"{source}: {where}{message}{_value(spot, fault['input'])}"


def _unknown(spot: _Spot) -> str:
    known = sorted({n for c in spot.parent if _is_model(c) for n in c.model_fields})
    near = difflib.get_close_matches(str(spot.parts[-1]), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
    return f"unknown field; {hint} ({_DOCUMENT} all fields)"


def _wrong_key(spot: _Spot) -> str:
    key, parent = spot.parts[-1], path_text(spot.parts[:-1])
    where = f"{parent}: " if parent else ""
    if isinstance(key, bool):
        words = "on, yes" if key else "off, no"
        return (
            f"{where}YAML reads {words} and {str(key).lower()} as {str(key).lower()}; "
            "write the word in quotes"
        )
    if not isinstance(key, str):
        if any(fault["type"].startswith(("string", "invalid_key")) for fault in spot.faults):
            return f"{where}{_shown(key)} is no text to YAML; write the name in quotes"
        return f"{where}the key {_shown(key)} must be an integer, ≥ 1"
    return f"{where}the key {_shown(key)}: {_wrong_text(spot.faults[0], key)}"


def _wrong_text(fault: ErrorDetails, text: str) -> str:
    """What is wrong with a text that has a pattern or a length."""
    if fault["type"] == "string_pattern_mismatch":
        pattern = str(fault.get("ctx", {}).get("pattern", ""))
        better = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
        close = pattern.startswith("^[a-z0-9]") and better and len(better) <= 80
        hint = f"; {better!r} would do" if close and not secret_form(text) else ""
        return f"must be {PATTERNS.get(pattern, f'of the form {pattern}')}{hint}"
    if fault["type"] == "string_too_long":
        return f"must be at most {fault.get('ctx', {}).get('max_length')} characters long, and has {len(text)}"
    if fault["type"] == "string_too_short":
        return "must not be empty" if not text else "is too short"
    return "must be a whole number"


def _wrong_kind(spot: _Spot) -> str:
    where = f"{spot.where}.kind" if spot.parts else "kind"
    kinds = [
        str(word)
        for choice in spot.choices
        if _is_model(choice)
        for word in get_args(choice.model_fields["kind"].annotation)
    ]
    known = f"one of {', '.join(kinds)}"
    if not isinstance(spot.here, Mapping):
        return f"{spot.where}: must be a mapping such as {{kind: {kinds[0]}}}, {known}{_value(spot, spot.here)}"
    given = spot.here.get("kind")
    if given is None:
        return f"{where}: this field is required, {known}"
    near = difflib.get_close_matches(str(given), kinds, n=1)
    return f"{where}: must be {known}{f'; did you mean {near[0]!r}?' if near else ''}{_value(spot, given)}"


def _wrong_type(spot: _Spot) -> str:
    fault = spot.faults[0]
    value, kind = fault["input"], fault["type"]
    if len(spot.faults) == 1 and kind in (
        "string_pattern_mismatch",
        "string_too_long",
        "string_too_short",
    ):
        return _wrong_text(fault, str(value)) + _value(spot, value)
    words = _expected(spot)
    if kind == "literal_error" and isinstance(value, str):
        near = difflib.get_close_matches(value, _literals(spot.choices), n=1)
        words += f"; did you mean {near[0]!r}?" if near else ""
    if value is None:
        return f"must be {words}, and nothing stands there; take the line out for the default, if there is one"
    if str in spot.choices:
        if isinstance(value, bool):
            return (
                f"YAML reads on, off, yes and no as {str(value).lower()}; write the word in quotes"
            )
        if isinstance(value, (int, float)):
            return f"must be text, and YAML reads a number; write it in quotes{_value(spot, value)}"
        if not isinstance(value, (str, list, Mapping)):
            return f"must be text, and YAML reads a {type(value).__name__}; write it in quotes"
    if any(get_origin(choice) is list for choice in spot.choices) and not isinstance(
        value, (list, Mapping)
    ):
        words += f", in brackets{'' if spot.secret else f': [{_shown(value)}]'}"
    return f"must be {words}{_value(spot, value)}"


def _expected(spot: _Spot) -> str:
    """What must stand there: `an integer, ≥ 1, or a mapping with fields of its own (kind, low ...)`."""
    parts = []
    for choice, rules in zip(spot.choices, spot.rules, strict=True):
        # Of a text that has to be one at all, its length is not told.
        told = [r for r in rules if choice is not str or not isinstance(r, (MinLen, MaxLen))]
        parts.append(", ".join([_a(choice), *limit_words(told)]))
    return (", or " if any("," in part for part in parts) else " or ").join(dict.fromkeys(parts))


def _a(choice: Any) -> str:
    if _is_model(choice):
        names = list(choice.model_fields)
        shown = f"{', '.join(names[:6])}{' ...' if len(names) > 6 else ''}"
        return f"a mapping with fields of its own ({shown})"
    inner = get_args(choice)[-1] if get_origin(choice) in (list, dict) else None
    if _is_model(inner):
        kind = "list of mappings" if get_origin(choice) is list else "mapping of names"
        return (
            f"a {kind}, each with fields of its own ({', '.join(list(inner.model_fields)[:3])} ...)"
        )
    words = type_words(choice)
    article = {"integer": "an ", "number": "a ", "list": "a ", "mapping": "a "}
    return article.get(words.split()[0], "") + words


def _literals(choices: Iterable[Any]) -> list[str]:
    return [str(word) for choice in choices for word in get_args(choice) if isinstance(word, str)]


def _value(spot: _Spot, value: Any) -> str:
    """The value behind a sentence; nothing of a secret, and nothing of what is long."""
    if spot.secret or isinstance(value, (list, Mapping)) or value is None:
        return ""
    if isinstance(value, str) and secret_form(value):
        return ""
    return f" (value: {_shown(value)})" if isinstance(value, (str, int, float)) else ""


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value[:60] + "..." if isinstance(value, str) and len(value) > 60 else value)
    return text if len(text) <= 200 else f"{text[:200]}..."
