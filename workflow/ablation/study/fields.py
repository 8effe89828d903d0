"""What the parts of a study are made of: strict fields, names, environment variables and server arguments."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from ablation.study.checks import Kinds, checked, kinds_of
from ablation.study.secrets import refuse_secret_args, secret_name
from ablation.study.spelling import canonical
from ablation.study.values import ArgValue

WEEK_S = 7 * 24 * 3600.0  # the longest that anything is waited for

NAME = r"^[a-z0-9][a-z0-9._-]*$"
# A name is a folder or a part of a file name, which ext4 and xfs let be 255 bytes long; arms are made from two.
Name = Annotated[str, Field(pattern=NAME, max_length=80)]

VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
Variable = Annotated[str, Field(pattern=VARIABLE, max_length=200)]
MOUNT_PATH = r"^/[^,]*$"
MountPath = Annotated[str, Field(pattern=MOUNT_PATH)]
# What a pattern asks for, in words, for messages.
PATTERNS = {
    NAME: "a name of lower-case letters, digits, dots, dashes and underscores that starts with a letter or a digit",
    VARIABLE: "the name of an environment variable (letters, digits and underscores)",
    MOUNT_PATH: "an absolute path: it starts with /, and has no comma (--mount separates its parts by commas)",
}


@cache
def _kinds(model: type[BaseModel], field: str) -> Kinds:
    return kinds_of(model.model_fields[field].annotation)


class Strict(BaseModel):
    """A field that is not known is an error: a typo must never be a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _as_any_value_must_be(cls, value: Any, info: ValidationInfo) -> Any:
        return checked(value, _kinds(cls, str(info.field_name)), str(info.field_name))


class Settings(Strict):
    """Environment variables and server arguments, laid over those of the server and the model."""

    env: dict[str, str] = Field(
        default={}, description="Environment variables of the server, `NAME: value`."
    )
    args: dict[str, ArgValue] = Field(
        default={},
        description=(
            "Server arguments without the leading dashes: `max-model-len: 2048`; underscores and short names (`tp`) "
            "mean the same as for vLLM. `true` gives the bare flag, "
            "`false` its `--no-` form, `null` takes away what the server or the model set, "
            "a mapping is passed as JSON."
        ),
    )

    @field_validator("env", mode="before")
    @classmethod
    def _env_as_text(cls, env: object) -> object:
        return {n: _env_text(n, v) for n, v in env.items()} if isinstance(env, dict) else env

    @field_validator("args")
    @classmethod
    def _args_in_one_spelling(cls, args: dict[str, ArgValue]) -> dict[str, ArgValue]:
        found = canonical(args)
        refuse_secret_args(args)
        return found


def _env_text(name: object, value: object) -> str:
    """A variable's text as the server must see it. Raises ValueError, without the value where it may be a secret."""
    if not isinstance(name, str) or not re.fullmatch(VARIABLE, name) or len(name) > 200:
        raise ValueError(
            f"the key {str(name).partition('=')[0][:60]!r}: must be {PATTERNS[VARIABLE]}, and what is behind an = "
            "stands after the colon"
        )
    if secret_name(name):
        raise ValueError(
            f"{name}: its value would be stored with the results; export it in your shell and "
            f"list its name under server.pass_env"
        )
    try:
        return variable_text(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def variable_text(value: object) -> str:
    """The text that a variable's value in YAML stands for. Raises ValueError where it is not plain which one."""
    # YAML reads `VLLM_ROCM_USE_AITER: 0` as a number and `on` as a boolean; only the number is unambiguous.
    if isinstance(value, bool):
        raise ValueError(
            f"{str(value).lower()} is a YAML boolean; write the text that the server must see, in quotes"
        )
    if value is None:
        raise ValueError("nothing stands here; write '' for an empty value, or take the line out")
    if not isinstance(value, (str, int, float)):
        raise ValueError(
            f"must be text or a number, not a {type(value).__name__}; write the text that the server must see, in "
            "quotes"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be finite, or text in quotes")
    return str(value)
