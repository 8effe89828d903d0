"""Studies with one thing wrong, or odd, from a seed: what a hand, an editor or a template may make of a right one.

Each mutation of a value knows whether the study that comes out is right (the oracle is written by hand, field by kind,
and knows nothing of the schema). Mutations of the text know nothing: they must end in a study or in a refusal.
"""

from __future__ import annotations

import copy
import datetime as dt
import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "hf_" + "AbCdEfGh12" * 3
LONG = "x" * 300

BASE: dict[str, Any] = {
    "study": "base",
    "title": "A study to be spoilt",
    "description": "Is it read as it was written?",
    "seed": 3,
    "hardware": {"platform": "rocm", "gpu": "AMD Instinct MI325X", "architecture": "gfx942", "gpus": 8},
    "factor": {
        "name": "aiter",
        "title": "AITER",
        "baseline": "off",
        "noise_floor": False,
        "leave_one_out": {"arm": "on", "variables": ["VLLM_ROCM_USE_AITER_MOE"], "off": "0"},
        "arms": {
            "off": {"env": {"VLLM_ROCM_USE_AITER": "0"}, "args": {"block-size": 16}},
            "on": {"label": "AITER", "env": {"VLLM_ROCM_USE_AITER": "1"}, "evidence": "aiter"},
        },
    },
    "models": {"mine": {"path": "/models/mine", "vocabulary": 1000, "blocks": 4}},
    "design": {
        "blocks": 6,
        "levels": [1, 10],
        "equivalence_margin_percent": 2.0,
        "sequential": {"first": 4, "every": 1},
    },
    "workload": {
        "input_tokens": 128,
        "output_tokens": {"kind": "uniform", "low": 8, "high": 16},
        "requests": {"minimum": 100, "per_level": 10},
        "ramp_s": 1.0,
    },
    "server": {
        "python": "python3",
        "vllm": "0.14.1",
        "host": "127.0.0.1",
        "port": "auto",
        "pass_env": ["HF_TOKEN"],
        "ready_timeout_s": 600,
        "args": {"max-model-len": 2048, "compilation-config": {"mode": 3}},
        "warm_launch": True,
    },
    "expect": {"output_tok_s": {1: 100.0, 10: 900.0}},
    "gates": {"failed_max": 0.0, "treatment": True},
    "telemetry": {"enabled": "auto", "period_s": 0.5},
    "probe": [{"model": "mine", "arm": "on"}],
}  # fmt: skip

# What may stand in place of any value.
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 3, 6, 2.5, 1e9, math.inf, -math.inf, math.nan, 10**30, 10**6,
    "", "x", "6", "on", "true", "auto", "gfx9422", "(a+)+", "(", "0.0.0.0", "ümlaut", "<script>", "a b", "$(rm)", "A=B",
    "a\0b", "a\nb", "a\u2028b", "\ud800", LONG, "y" * 200_000, TOKEN, "http://user:pass@host:1",
    [], [1], ["x"], [[1]], {}, {"a": 1}, {1: 0}, {"x": None}, {1}, b"bytes", dt.date(2026, 3, 11),
]  # fmt: skip

Oracle = Callable[[Any], bool | None]


def whole(low: int, high: int) -> Oracle:
    """A whole number in a range; one in quotes or with .0 behind it is the same."""

    def right(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            return False
        try:
            number = float(value)
        except ValueError:
            return False
        return number.is_integer() and low <= number <= high

    return right


def number(low: float, high: float) -> Oracle:
    def right(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            return False
        try:
            return low <= float(value) <= high
        except ValueError:
            return False

    return right


def _is_plain(value: Any) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= 100_000
        and not set(value) & set("\0\n\u2028\ud800")
        and value not in (TOKEN, "http://user:pass@host:1")
    )


def text(value: Any) -> bool:
    return _is_plain(value)


def some_text(value: Any) -> bool:
    return _is_plain(value) and value != ""


def name(value: Any) -> bool:
    return value in ("x", "6", "on", "true", "auto", "gfx9422", "0.0.0.0")


def truth(value: Any) -> bool:
    return isinstance(value, bool) or value == "true"


def variable_value(value: Any) -> bool:
    """Text or a number; true, a list or nothing would reach the server as another text."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return math.isfinite(value)
    return _is_plain(value)


def argument(value: Any) -> bool | None:
    if isinstance(value, dict):
        return value != {1: 0} and value != {"x": None} and None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return math.isfinite(value) and abs(value) < 2**63
    if isinstance(value, list):
        return value != [[1]]
    return value is None or isinstance(value, bool) or _is_plain(value)


def one_of(*words: Any) -> Oracle:
    return lambda value: value in words


def nothing_or(oracle: Oracle) -> Oracle:
    return lambda value: True if value is None else oracle(value)


def section(value: Any) -> bool:
    """A mapping of fields: nothing, or an empty one, is right where no field must be stated."""
    return value is None or value == {}


# Path -> the oracle. A path's last part is a key or a place in a list.
FIELDS: dict[tuple[Any, ...], Oracle] = {
    ("study",): name,
    ("title",): text,
    ("description",): lambda value: _is_plain(value) or value in ("a\nb", "a\u2028b"),
    ("seed",): whole(0, 2**63 - 1),
    ("hardware", "platform"): one_of("rocm"),
    ("hardware", "architecture"): one_of(None, "gfx942"),
    ("hardware", "gpus"): whole(0, 1024),
    ("factor", "baseline"): one_of("on"),
    ("factor", "title"): text,
    ("factor", "noise_floor"): truth,
    ("factor", "leave_one_out"): one_of(None),
    ("factor", "leave_one_out", "off"): lambda value: variable_value(value),
    ("factor", "leave_one_out", "variables", 0): lambda value: value in ("x", "on", "true", "auto"),
    ("factor", "arms"): one_of(),
    ("factor", "arms", "off"): section,
    ("factor", "arms", "off", "env"): lambda v: True if section(v) else v == {"a": 1},
    ("factor", "arms", "off", "env", "VLLM_ROCM_USE_AITER"): variable_value,
    ("factor", "arms", "off", "args", "block-size"): argument,
    ("factor", "arms", "on", "label"): nothing_or(text),
    ("factor", "arms", "on", "evidence"): lambda v: v is None or (
        _is_plain(v) and len(v) <= 1000 and v not in ("(", "(a+)+")
    ),
    ("models",): one_of(),
    ("models", "mine", "path"): one_of(*[v for v in VALUES if some_text(v)]),
    ("models", "mine", "blocks"): nothing_or(whole(1, 1000)),
    ("design",): section,
    ("design", "blocks"): whole(4, 1000),  # design.sequential looks at 4 blocks first
    ("design", "levels"): lambda v: v == [1],
    ("design", "levels", 0): whole(1, 9),
    ("design", "equivalence_margin_percent"): lambda v: number(0, 99.9)(v) and float(v) > 0,
    ("design", "sequential"): lambda v: v in (None, {}),
    ("design", "sequential", "first"): whole(3, 6),
    ("workload", "input_tokens"): whole(1, 10_000_000),
    ("workload", "output_tokens", "high"): whole(8, 10_000_000),
    ("workload", "requests", "per_level"): number(3, 10_000),
    ("workload", "ramp_s"): number(0, 3600),
    ("server", "vllm"): one_of("6", "0.0.0.0"),
    ("server", "host"): one_of("x", "6", "on", "true", "auto", "gfx9422", "0.0.0.0"),
    ("server", "port"): lambda v: v == "auto" or whole(1, 65535)(v),
    ("server", "pass_env"): lambda v: v in (None, [], ["x"]),
    ("server", "pass_env", 0): one_of("x", "on", "true", "auto", "gfx9422"),
    ("server", "ready_timeout_s"): lambda v: number(0, 604800)(v) and float(v) > 0,
    ("server", "args", "max-model-len"): argument,
    ("server", "args", "compilation-config", "mode"): lambda v: None if isinstance(v, dict) else (
        True if v == [[1]] else argument(v)
    ),
    ("server", "warm_launch"): truth,
    ("expect", "output_tok_s"): lambda v: False,
    ("expect", "output_tok_s", 1): lambda v: number(0.001, 1e9)(v),
    ("gates", "failed_max"): number(0, 1),
    ("gates", "treatment"): truth,
    ("telemetry", "enabled"): lambda v: truth(v) or v == "auto",
    ("telemetry", "period_s"): number(0.05, 60),
    ("probe",): lambda v: v in (None, []),
    ("probe", 0, "arm"): one_of("on"),
}  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """A study that differs from a right one in one value. `right` is None where the oracle cannot say."""

    path: tuple[Any, ...]
    value: Any
    study: dict[str, Any]
    right: bool | None

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))} = {self.value!r:.60}"


def mutated(seed: int, count: int) -> Iterator[Mutation]:
    """So many different studies, each with one value in the place of another."""
    pairs = [(path, value) for path in FIELDS for value in VALUES]
    for path, value in random.Random(seed).sample(pairs, count):
        study = copy.deepcopy(BASE)
        at: Any = study
        for part in path[:-1]:
            at = at[part]
        at[path[-1]] = copy.deepcopy(value)
        right = FIELDS[path](value)
        yield Mutation(path, value, study, right)


def mutated_texts(seed: int, count: int, texts: list[str]) -> Iterator[str]:
    """So many YAML texts, each with one or two accidents."""
    draw = random.Random(seed)
    for _ in range(count):
        spoilt = draw.choice(texts)
        for _ in range(draw.choice((1, 1, 2))):
            spoilt = draw.choice(ACCIDENTS)(spoilt, draw)
        yield spoilt


Accident = Callable[[str, random.Random], str]


def _line(change: Accident) -> Accident:
    """An accident that happens to one line that says something."""

    def accident(text: str, draw: random.Random) -> str:
        lines = text.split("\n")
        said = [
            i for i, line in enumerate(lines) if line.strip() and not line.strip().startswith("#")
        ]
        if said:
            at = draw.choice(said)
            lines[at] = change(lines[at], draw)
        return "\n".join(lines)

    return accident


ODD = [
    "010",
    "1_000",
    "1:30",
    "0x10",
    ".inf",
    ".NaN",
    "1e3",
    "+5",
    "3.10",
    "on",
    "~",
    "2026-03-11",
    "=",
    "<<",
]
ODD += [
    "!!binary aGVsbG8=",
    "!!python/object:os.system x",
    "!!set {a}",
    "&a [*a]",
    "*nothing",
    "|",
    ">-",
    "@x",
]
ODD += [
    "[" * 60 + "]" * 60,
    "{" * 200,
    "[" * 2000,
    "- - - -",
    "? x",
    "!x y",
    f"'{TOKEN}'",
    "9" * 5000,
]
BOMB = "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]\n"
    for below, name in itertools.pairwise("abcdefgh")
)

ACCIDENTS: list[Accident] = [
    _line(lambda line, _: f"{line}\n{line}"),  # a line twice
    _line(lambda line, _: ""),  # lost
    _line(lambda line, _: f"\t{line.lstrip()}"),
    _line(lambda line, _: f"  {line}"),
    _line(lambda line, _: line.lstrip()),
    _line(lambda line, _: line.replace(":", "", 1)),
    _line(lambda line, _: line.replace('"', "")),
    _line(lambda line, _: line.split(":")[0] + ":"),  # nothing behind the colon
    _line(lambda line, draw: line[: draw.randrange(len(line) + 1)]),
    _line(lambda line, draw: line + draw.choice(["]", "}", '"', "'", " # ü", ": x", "\x00", "\x85", "%"])),
    _line(lambda line, draw: f"{line.split(':')[0]}: {draw.choice(ODD)}"),
    lambda text, draw: text[: draw.randrange(len(text))],  # a disk that was full
    lambda text, draw: text + draw.choice(["study: again\n", "---\na: 1\n", "...\n", "x", "\ufeff", "server: 1\n"]),
    lambda text, draw: "\ufeff" + text,
    lambda text, draw: text.replace("\n", draw.choice(["\r\n", "\r", "\n\n", "\u2028"])),
    lambda text, draw: BOMB + text,
]  # fmt: skip
