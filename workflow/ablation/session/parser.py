"""Runs in the server's Python: tries a study's arguments on vLLM's own parser. Imports nothing of this workflow.

Reads JSON on standard input, {"arguments": [{"where", "name", "flags"}], "commands": [{"where", "words"}]}, and
writes JSON to the file named on the command line (importing vLLM may print): {"built": true, "options": n,
"faults": [{"where", "message", "near"}],
"sizes": {command: {parallel size: number}}}, or {"built": false, "reason"} where the parser cannot be built here.
"""

from __future__ import annotations

import contextlib
import difflib
import enum
import importlib
import json
import os
import re
import sys
import typing
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

# Where vLLM keeps the parser's class and what fills it: as of 0.32, and before.
CLASSES = ("vllm.utils.argparse_utils", "vllm.utils")
MAKERS = ("vllm.entrypoints.launchers.cli_args", "vllm.entrypoints.openai.cli_args")


SIZES = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")


class Fault(Exception):
    """What the parser said."""


def main(answer_file: str) -> None:
    """Answer the question on standard input."""
    os.nice(5)  # another study may be measuring on this host
    asked = json.load(sys.stdin)
    try:
        parser = build()
        answer = {
            "built": True,
            "options": len(options(parser)),
            "faults": try_all(parser, asked["arguments"], asked["commands"]),
            "sizes": {c["where"]: sizes(parser, c["words"]) for c in asked["commands"]},
        }
    except Exception as problem:
        answer = {"built": False, "reason": f"{type(problem).__name__}: {problem}"}
    with open(answer_file, "w", encoding="utf-8") as file:
        json.dump(answer, file)


def build() -> ArgumentParser:
    """vLLM's parser of server arguments, whose errors are raised. Raises whatever keeps it from being built."""
    parser: ArgumentParser = find(MAKERS, "make_arg_parser")(
        find(CLASSES, "FlexibleArgumentParser")(prog="vllm")
    )

    def error(message: str) -> None:
        raise Fault(message)

    parser.error = error  # type: ignore[method-assign,assignment]
    return parser


def find(modules: Sequence[str], name: str) -> Any:
    """An attribute of the first module that has it. Raises ImportError."""
    reasons = []
    for module in modules:
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as problem:
            reasons.append(str(problem))
    raise ImportError("; ".join(reasons))


def options(parser: ArgumentParser) -> dict[str, Action]:
    """Option -> the parser's action."""
    return {option: action for action in parser._actions for option in action.option_strings}


def try_all(
    parser: ArgumentParser, arguments: list[dict[str, Any]], commands: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Every argument by itself, so that a message names it; then whole commands, for what only shows together."""
    known = options(parser)
    faults = []
    for argument in arguments:
        message, near = judge(parser, known, argument["name"], argument["flags"])
        if message is not None:
            faults.append({"where": argument["where"], "message": message, "near": near})
    for command in () if faults else commands:
        message, _ = said(parser, command["words"])
        if message is not None:
            faults.append({"where": command["where"], "message": message, "near": None})
    return faults


def sizes(parser: ArgumentParser, words: list[str]) -> dict[str, int]:
    """Parallel sizes as the parser reads them of a whole command; none where it refuses the command."""
    made = vars(said(parser, words)[1] or Namespace())
    return {
        name: value
        for name, value in made.items()
        if name in SIZES and isinstance(value, int) and value > 0
    }


def judge(
    parser: ArgumentParser, known: dict[str, Action], name: str, flags: list[str]
) -> tuple[str | None, str | None]:
    """(message, nearest known name or value) of one argument; (None, None) where it is accepted."""
    option = "--" + name.replace("_", "-")
    message, made = said(parser, flags)
    if message is None and option.split(".")[0] not in known:
        # argparse takes the beginning of a name for the name; another version may know another one.
        whole = [other[2:] for other in known if other.startswith(option)]
        return "no argument's whole name", whole[0] if whole else None
    if message is None:
        found: tuple[str | None, str | None] = (None, None)
        with contextlib.suppress(
            Exception
        ):  # of another vLLM's insides: what its parser takes is taken
            found = check_value(parser, known.get(option), made)
        return found
    if message.startswith("unrecognized arguments"):
        if option in known:
            return "has no --no- form: give it a value, or null to leave it out", None
        return "unknown argument", nearest(
            option[2:], [other[2:] for other in known if other.startswith("--")]
        )
    message = re.sub(r"^argument \S+: ", "", message)
    action = known.get(option)
    if action is not None and action.choices and len(flags) > 1:
        return message, nearest(flags[1], list(map(str, action.choices)))
    return message, None


def said(parser: ArgumentParser, words: list[str]) -> tuple[str | None, Namespace | None]:
    """What the parser says against these words, or None; and what it made of them."""
    try:
        made = parser.parse_args(["--model", "m", *words])
    except SystemExit:
        return "prints something and ends the server", None
    except Exception as problem:  # a type function may raise anything
        text = re.sub(r"\s*For further information visit \S+", "", str(problem))
        return " ".join(text.split()) or type(problem).__name__, None
    left = getattr(made, "model_tag", None)
    if left is not None:
        return f"takes no such value: {left!r} is left over", None
    return None, made


def check_value(
    parser: ArgumentParser, action: Action | None, made: Namespace | None
) -> tuple[str | None, str | None]:
    """Names that the parser lets pass and the server's configuration refuses later: those of enumerations."""
    value = getattr(made, action.dest, None) if action is not None else None
    if action is None or not isinstance(value, str):
        return None, None
    group = next(g for g in parser._action_groups if action in g._group_actions)
    config = getattr(importlib.import_module("vllm.config"), group.title or "", None)
    fields = getattr(config, "__pydantic_fields__", {})
    # --attention-backend is AttentionConfig.backend
    name = next((n for n in fields if action.dest == n or action.dest.endswith(f"_{n}")), None)
    if name is None:
        return None, None
    kinds = typing.get_args(fields[name].annotation) or (fields[name].annotation,)
    names = [
        member
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, enum.Enum)
        for member in kind.__members__
    ]
    if not names or str in kinds or value.upper() in (member.upper() for member in names):
        return None, None
    near = nearest(value.upper(), names)
    return "unknown value" if near else f"unknown value; known: {', '.join(sorted(names))}", near


def nearest(word: str, known: list[str]) -> str | None:
    """The known word that this may have been meant to be."""
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.6)), None)


if __name__ == "__main__":
    main(sys.argv[1])
