"""A YAML file as its author wrote it: what YAML would change or lose without a word is refused, naming the line.

YAML 1.1, which Snakemake and PyYAML read, takes `010` for 8, `1_000` for 1000 and `1:30` for 90, lets the second of two
equal keys win, and keeps of `3.10` only 3.1. Here

- a key that stands twice is refused, with both lines;
- a whole number is written in plain decimal digits; anything else needs quotes;
- under `env` what is written is the text that the server sees (`010`, `3.10` and all);
- a decimal number directly under `args` stays text where its digits would not survive (`3.10`);
- a date is text; tags (`!!binary`, `!!python/...`) are refused;
- anchors, aliases and merge keys work; what grows without bounds through them is refused.

A file that is JSON is read as JSON, as Snakemake does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml

from ablation.study.error import StudyError
from ablation.study.secrets import secret_name

MOST_NODES = (
    100_000  # of a document with its aliases written out; config/models.yaml has some 2,000
)
DEEPEST = 50

_PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_PLAIN_FLOAT = re.compile(
    r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", re.I
)
_TAG = "tag:yaml.org,2002:"
_KNOWN = {"str", "int", "float", "bool", "null", "timestamp", "seq", "map", "merge", "value"}
_TRUE = {"true", "yes", "on"}


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML (or JSON) file that must hold a mapping. Raises StudyError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise StudyError(
            f"{path}: no such file; give one with --configfile, or see config/studies/"
        ) from None
    except UnicodeDecodeError as error:
        raise StudyError(
            f"{path}: cannot be read as YAML: it is no UTF-8 ({error.reason} at byte {error.start})"
        ) from None
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror or error}") from error
    data = parse(text, str(path))
    if not isinstance(data, dict):
        raise StudyError(f"{path}: must hold a mapping of fields; config/README.md lists them")
    return data


def parse(text: str, source: str) -> Any:
    """What a YAML or JSON text says; `source` is its file's name for messages. Raises StudyError."""
    try:
        if text.lstrip().startswith("{"):
            try:
                return json.loads(text, object_pairs_hook=lambda p: _once(p, source))
            except ValueError:
                pass  # a flow mapping of YAML, or what YAML will say more of
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return None if root is None else _Reader(source).value(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        why = ": ".join(part for part in (error.context, error.problem) if part)
        raise StudyError(
            f"{source}{line}: cannot be read as YAML: {why}; a tab never indents, and a text with a colon, a brace or "
            "a % in front needs quotes"
        ) from None
    except yaml.YAMLError as error:
        raise StudyError(
            f"{source}: cannot be read as YAML: {str(error).splitlines()[0]}"
        ) from None
    except RecursionError:
        raise StudyError(f"{source}: cannot be read as YAML: nested too deeply") from None


def _once(pairs: list[tuple[str, Any]], source: str) -> dict[str, Any]:
    """A JSON object whose keys are different. Raises StudyError."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise StudyError(
                f"{source}: the key {_shown(key)} stands twice in one object; take one out"
            )
        found[key] = value
    return found


class _Reader:
    """From YAML's nodes to values, counted, with the path at hand for messages."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._nodes = 0

    def value(self, node: yaml.Node, path: tuple[str, ...] = ()) -> Any:
        """The value of a node that stands at this path."""
        self._nodes += 1
        # An alias inside of what it stands for never ends: it shows as depth.
        if self._nodes > MOST_NODES or len(path) > DEEPEST:
            raise StudyError(
                f"{self.source}: too large with its aliases (*name) written out, or nested too deeply "
                f"(at most {MOST_NODES:,} values, {DEEPEST} deep)"
            )
        if not node.tag.startswith(_TAG) or node.tag.removeprefix(_TAG) not in _KNOWN:
            raise self._error(
                node, path, f"the tag {node.tag.replace(_TAG, '!!')} is not read here"
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, f"[{i}]")) for i, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: tuple[str, ...]) -> dict[Any, Any]:
        merged: dict[Any, Any] = {}
        own: dict[Any, Any] = {}
        lines: dict[Any, int] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                merged = self._merged(value_node, path) | merged
                continue
            key = self.value(key_node, path)
            if not isinstance(key, Hashable):
                raise self._error(key_node, path, "a key is a list or a mapping; write a name")
            if key in lines:
                raise self._error(
                    key_node,
                    path,
                    f"the key {_shown(key_node.value)} stands twice, in lines {lines[key]} and {_line(key_node)}; "
                    "the second would win without a word: take one out",
                )
            lines[key] = _line(key_node)
            own[key] = self.value(value_node, (*path, _shown(key_node.value)))
        return merged | own

    def _merged(self, node: yaml.Node, path: tuple[str, ...]) -> dict[Any, Any]:
        """What a merge key (`<<: *name`) brings; of several mappings the first wins, as YAML has it."""
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[Any, Any] = {}
        for part in parts:
            if not isinstance(part, yaml.MappingNode):
                raise self._error(part, path, "<< merges mappings (<<: *name)")
            found = self.value(part, (*path, "<<")) | found
        return found

    def _scalar(self, node: yaml.ScalarNode, path: tuple[str, ...]) -> Any:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in _TRUE
        if kind not in ("int", "float"):
            return text
        if _under(path, "env"):
            return text
        plain = (_PLAIN_INTEGER if kind == "int" else _PLAIN_FLOAT).fullmatch(text)
        if plain is None or len(text) > 40:
            shown = "it" if any(map(secret_name, path)) else _shown(text)
            raise self._error(
                node,
                path,
                f"{shown} is a number in a form that programs read differently (YAML 1.1 knows octal, base 60 and "
                "underscores); write plain decimal digits, or put it in quotes to have it as text",
            )
        if kind == "int":
            return int(text)
        number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return text if len(path) > 1 and path[-2] == "args" and str(number) != text else number

    def _error(self, node: yaml.Node, path: tuple[str, ...], why: str) -> StudyError:
        where = ".".join(path).replace(".[", "[")
        return StudyError(
            f"{self.source}, line {_line(node)}: {f'{where}: ' if where else ''}{why}"
        )


def _under(path: Sequence[str], name: str) -> bool:
    return name in path[:-1]


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _shown(key: object) -> str:
    """A key or a value for a message: as it is where it is a plain word, quoted and cut otherwise."""
    text = str(key)
    if re.fullmatch(r"[\w.<>/*-]{1,80}", text):
        return text
    return repr(text[:60] + ("..." if len(text) > 60 else ""))
