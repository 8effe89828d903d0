"""How a study launches its servers."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from packaging.version import InvalidVersion, Version
from pydantic import Field, field_validator

from ablation.study.fields import WEEK_S, Settings, Variable
from ablation.study.launch import Launch, Process

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


class Server(Settings):
    """How a server is launched."""

    kind: Literal["vllm", "reference"] = Field(
        default="vllm",
        description="`reference` is the simulated server of the tests: its report says SIMULATED.",
    )
    launch: Launch = Field(
        default=Process(),
        description="Where it comes from: a process of this host, a container, an endpoint. See below.",
    )
    python: str = Field(
        default="python3",
        min_length=1,
        description="Python that has vLLM. A relative path with a slash starts at the workflow's folder.",
    )
    vllm: str = Field(description="Version of vLLM; a launch of another version is refused.")
    pass_env: list[Variable] = Field(
        default=[],
        description="Names of variables handed from your shell to the server (tokens!); values are never stored.",
    )
    host: str = Field(
        default="127.0.0.1", description="Address to bind to. Loopback, unless you know why not."
    )
    port: Annotated[int, Field(ge=1, le=65535)] | Literal["auto"] = Field(
        default="auto", description="`auto` takes a free port for each launch."
    )
    ready_timeout_s: float = Field(
        default=1800, gt=0, le=WEEK_S, description="A server not ready by then has failed."
    )
    stop_timeout_s: float = Field(default=60, gt=0, le=WEEK_S, description="From TERM to KILL.")
    warm_launch: bool = Field(
        default=False,
        description=(
            "Before the first launch of a model and arm on a host, launch it once and send every level's warm-up "
            "requests, so that kernels are built and cached before anything is measured. It is kept as "
            "`store/warm-*` and is no data."
        ),
    )

    @field_validator("vllm")
    @classmethod
    def _is_a_version(cls, vllm: str) -> str:
        try:
            Version(vllm)
        except InvalidVersion:
            raise ValueError(
                "must be a version such as 0.32.0, as `python -c 'import vllm; print(vllm.__version__)'` prints it"
            ) from None
        return vllm

    @field_validator("host")
    @classmethod
    def _is_an_address(cls, host: str) -> str:
        if not _HOST.fullmatch(host):
            raise ValueError(
                "must be the name or the IPv4 address of an interface of this host, without a scheme or a port: "
                "127.0.0.1"
            )
        return host
