"""The arguments that a server repeats: `non-default args: {...}`, the representation of a Python dict.

vLLM prints it once at the start (0.32: entrypoints/serve/utils/api_utils.py, log_non_default_args; 0.14: entrypoints/
utils.py): every argument of its parser whose value is not the parser's default, by its name with underscores. Values
are what the parser made of the command line: `256M` is 268435456, a JSON configuration is filled up with its defaults,
an enumeration is `<CompilationMode.VLLM_COMPILE: 3>`.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

START = "non-default args: "
# Of the address, which another launch has otherwise; and what vLLM itself prints as `***`.
OWN = frozenset({"host", "port", "served_model_name", "disable_uvicorn_access_log"})
HIDDEN = "***"

_STRING = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_TOKEN = re.compile(rf"{_STRING}|[\[\]{{}}()<>,]|[^'\"\[\]{{}}()<>,]+|['\"]")
_KEY = re.compile(r"\s*'(\w+)':\s*(.+)", re.S)
# What is no Python: a member of an enumeration, and any other object in angle brackets. Never inside a string.
_ANGLED = re.compile(rf"({_STRING})|<\w+\.(\w+): ((?:{_STRING})|[^<>]*)>|<[^<>]*>")
# vLLM's suffixes of numbers (0.32: engine/arg_utils.py, human_readable_int): small ones are decimal, large ones binary.
_SUFFIXED = re.compile(r"(\d+(?:\.\d+)?)([kKmMgGtT])")
_DECIMAL = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Enumerated:
    """A member of an enumeration, by its name and its value."""

    name: str
    value: object


@dataclass(frozen=True)
class Opaque:
    """A value of which only its text is known."""

    text: str


def parse(text: str) -> dict[str, object] | None:
    """Name -> value of a printed dict; None where it is none.

    Objects become dicts of their fields, members of enumerations `Enumerated`. What cannot be read is `Opaque`, each
    entry on its own; an entry that is cut off is left out.
    """
    if not text.strip().startswith("{"):
        return None
    found: dict[str, object] = {}
    for entry in _entries_of(text.strip()):
        if match := _KEY.fullmatch(entry):
            found.setdefault(match.group(1), _read(match.group(2).strip()))
    return found


def _entries_of(text: str) -> Iterator[str]:
    """The whole entries of a printed dict, split at its own commas."""
    depth, entry = 0, ""
    for token in _TOKEN.findall(text):
        depth -= token in ("]", "}", ")", ">")
        if depth == 0 and entry:
            yield entry
            return
        if depth == 1 and token == ",":
            yield entry
            entry = ""
        elif depth > 0:
            entry += token
        depth += token in ("[", "{", "(", "<")


def _read(text: str) -> object:
    try:
        return _value(ast.parse(_ANGLED.sub(_as_call, text), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Opaque(text)


def _as_call(match: re.Match[str]) -> str:
    string, name, value = match.groups()
    if string is not None:
        return string
    return f"_Enum('{name}', {value})" if name is not None else f"_Other({match.group(0)!r})"


def _value(node: ast.expr) -> object:
    """A node as a value: what `ast.literal_eval` does, and objects by their fields."""
    match node:
        case ast.Constant():
            return node.value
        case ast.List() | ast.Tuple() | ast.Set():
            return [_value(one) for one in node.elts]
        case ast.Dict():
            keys = [_value(key) if key is not None else None for key in node.keys]
            return {str(key): _value(one) for key, one in zip(keys, node.values, strict=True)}
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Call(func=ast.Name(id="_Enum"), args=[name, value]):
            return Enumerated(str(_value(name)), _value(value))
        case ast.Call(func=ast.Name(id="_Other"), args=[text]):
            return Opaque(str(_value(text)))
        case ast.Call(keywords=[_, *_]):
            return {one.arg or "": _value(one.value) for one in node.keywords}
        case _:
            return Opaque(ast.unparse(node))


Agreement = Literal["same", "other", "unknown"]


def agrees(asked: object, printed: object) -> Agreement:
    """Whether a printed value is the one that was asked for; `unknown` where the two cannot be compared.

    A mapping agrees where all of its own entries do: what vLLM fills up is not compared.
    """
    if isinstance(printed, Enumerated):
        mine = _plain(asked)
        return "same" if mine in (_plain(printed.value), _plain(printed.name)) else "unknown"
    if isinstance(printed, Opaque) or printed == HIDDEN:
        return "unknown"
    if isinstance(asked, Mapping):
        return _entries(asked, printed)
    if isinstance(printed, list):
        wanted = asked if isinstance(asked, list) else [asked]
        if len(wanted) != len(printed):
            return "other" if isinstance(asked, list) else "unknown"
        return _all(agrees(one, other) for one, other in zip(wanted, printed, strict=True))
    if isinstance(printed, dict) or isinstance(asked, list):
        return "unknown"
    return _scalars(asked, printed)


def _entries(asked: Mapping[str, object], printed: object) -> Agreement:
    if not isinstance(printed, dict):
        return "unknown"
    told = {name.replace("-", "_"): value for name, value in printed.items()}
    keys = {name.replace("-", "_"): value for name, value in asked.items()}
    return _all(
        agrees(value, told[key]) if key in told else "unknown" for key, value in keys.items()
    )


def _all(found: Iterable[Agreement]) -> Agreement:
    each = set(found)
    return "other" if "other" in each else "unknown" if "unknown" in each else "same"


def _scalars(asked: object, printed: object) -> Agreement:
    if _plain(asked) == _plain(printed):
        return "same"
    mine, theirs = _number(asked), _number(printed)
    if mine is not None and theirs is not None:
        return "same" if math.isclose(mine, theirs, rel_tol=1e-9) else "other"
    # A word that the server turned into a number (`auto` is -1), or the other way round.
    return "unknown" if (mine is None) != (theirs is None) else "other"


def _plain(value: object) -> str:
    return str(value).strip().lower()


def _number(value: object) -> float | None:
    """A number, also as vLLM reads one from text; None of anything else, truth values among it."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip()
    if match := _SUFFIXED.fullmatch(text):
        scale = _DECIMAL.get(match.group(2)) or _BINARY[match.group(2)]
        return float(match.group(1)) * scale
    try:
        return float(text)
    except ValueError:
        return None
