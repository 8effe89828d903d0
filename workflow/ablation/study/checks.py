"""What every value of a study must be, whatever its field: printable text, finite numbers, truth as truth.

Pydantic alone takes `true` for 1, 1 for true and a NaN for a number. What is wrong in one field only is said there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from ablation.study.secrets import secret_form

# Linux takes at most 131,072 bytes in one argument or variable (MAX_ARG_STRLEN in include/uapi/linux/binfmts.h).
LONGEST_TEXT = 100_000
LARGEST = 2**63  # what JSON readers and parquet hold as a whole number
DEEPEST = 50

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LINE_END = re.compile(r"[\n\r\x85\u2028\u2029]")
SEVERAL_LINES = {"description"}  # fields whose text may have them
Kinds = frozenset[object]


def kinds_of(annotation: Any) -> Kinds:
    """The plain types inside an annotation, `BaseModel` for any model, and the words of its literals."""
    if get_origin(annotation) is Literal:
        return frozenset(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return frozenset({BaseModel})
    origin = get_origin(annotation)
    inner = frozenset[object]().union(*(kinds_of(part) for part in get_args(annotation)))
    if hasattr(annotation, "__metadata__"):  # Annotated: its metadata are no types
        return kinds_of(annotation.__origin__)
    if origin in (dict, list):
        return (inner - {type(None)}) | {origin}
    return inner or frozenset({annotation})


def checked(value: Any, kinds: Kinds, field: str) -> Any:
    """The value of a field as validation may take it. Raises ValueError where no field could.

    `kinds` are the field's (see kinds_of). Nothing under a section, a list or a mapping (`"off":` with the rest of the
    line empty) is an empty one. The words true and false are truth where only that is meant: `--config` gives text.
    """
    if value is None and type(None) not in kinds:
        section = BaseModel in kinds and not kinds & {int, str}
        return {} if dict in kinds or section else [] if list in kinds else None
    if bool in kinds and not kinds & {str, int, float, object, Any}:
        value = _truth(value, kinds)
    if dict in kinds and BaseModel in kinds and isinstance(value, dict):
        value = {key: {} if part is None else part for key, part in value.items()}
    _walk(value, kinds, one_line=field not in SEVERAL_LINES)
    return value


def check_text(text: str, *, one_line: bool = True) -> None:
    """Refuse what a file, a command line or a page cannot hold, and what must not be stored. Raises ValueError."""
    if why := _wrong_with(text, one_line=one_line):
        raise ValueError(why)


def _wrong_with(text: str, *, one_line: bool) -> str | None:
    if len(text) > LONGEST_TEXT:
        return (
            f"a text of {len(text):,} characters; {LONGEST_TEXT:,} are the most, since Linux hands no longer one to a "
            "server"
        )
    if _SURROGATE.search(text):
        return "half of a surrogate pair, which is no character; write the character itself"
    if control := _CONTROL.search(text):
        return f"holds the control character {control[0]!r}; take it out"
    if one_line and _LINE_END.search(text):
        return "a text of several lines; it must stand on one (>- in YAML folds lines into one)"
    if secret_form(text):
        return (
            "holds a token, a key or a URL with a password, and would be stored with the results; export it in your "
            "shell as a variable and list the variable's name under server.pass_env (the key of an endpoint: "
            "server.launch.api_key_env)"
        )
    return None


def _truth(value: Any, kinds: Kinds) -> Any:
    words = [kind for kind in kinds if isinstance(kind, str)]
    if isinstance(value, bool) or value is None or value in words:
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError(" or ".join(["must be true or false", *(f"`{word}`" for word in words)]))


def _walk(value: Any, kinds: Kinds, *, one_line: bool, path: str = "", depth: int = 0) -> None:
    """Every value inside: those of a model inside are its own validators'. Raises ValueError with the path."""
    if why := _wrong(value, kinds, one_line=one_line, depth=depth):
        raise ValueError(f"{path}: {why}" if path else why)
    if isinstance(value, Mapping):
        for key, part in value.items():
            if why := _wrong(key, kinds, one_line=True, depth=depth):
                raise ValueError(f"{f'{path}: ' if path else ''}the key {str(key)[:60]!r}: {why}")
            if BaseModel not in kinds:
                inner = f"{path}.{key}" if path else str(key)
                _walk(part, kinds, one_line=one_line, path=inner, depth=depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str) and BaseModel not in kinds:
        for number, part in enumerate(value):
            _walk(part, kinds, one_line=one_line, path=f"{path}[{number}]", depth=depth + 1)


def _wrong(value: Any, kinds: Kinds, *, one_line: bool, depth: int) -> str | None:
    if isinstance(value, str):
        return _wrong_with(value, one_line=one_line)
    if depth > DEEPEST:
        return f"nested more than {DEEPEST} deep"
    if isinstance(value, bool):
        numbers_only = kinds & {int, float} and not kinds & {bool, object, Any}
        return "true and false are no numbers" if numbers_only else None
    if isinstance(value, float) and not math.isfinite(value):
        return "must be finite: neither infinite nor NaN"
    if isinstance(value, int) and not -LARGEST <= value < LARGEST:
        return "a number of more than 64 bits"
    if isinstance(value, (int, float, type(None), BaseModel, dict, list, tuple)):
        return None
    return f"YAML reads this as a {type(value).__name__}; write it in quotes, as text"
