"""What the parts of a study are made of: strict fields, names, environment variables and server arguments."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ablation.study.spelling import canonical
from ablation.study.values import ArgValue

NAME = r"^[a-z0-9][a-z0-9._-]*$"
Name = Annotated[str, Field(pattern=NAME)]

# Values of such variables must never stand in a file that is stored; `server.pass_env` names them instead.
SECRET = re.compile(
    r"(TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)", re.I
)


class Strict(BaseModel):
    """A field that is not known is an error: a typo must never be a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


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
        if not isinstance(env, dict):
            return env
        # YAML reads `VLLM_ROCM_USE_AITER: 0` as a number and `on` as a boolean; only the number is unambiguous.
        for name, value in env.items():
            if isinstance(value, bool):
                raise ValueError(
                    f"{name}: {value!r} is a YAML boolean; write the text that the server must see, in quotes"
                )
            if SECRET.search(str(name)):
                raise ValueError(
                    f"{name}: its value would be stored with the results; export it in your shell and "
                    f"list its name under server.pass_env"
                )
        return {str(k): str(v) for k, v in env.items()}

    @field_validator("args")
    @classmethod
    def _args_in_one_spelling(cls, args: dict[str, ArgValue]) -> dict[str, ArgValue]:
        return canonical(args)
