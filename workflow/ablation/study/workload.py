"""The load: how many requests, of which lengths, asked how."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ablation.study.fields import WEEK_S, Strict

# Larger numbers are slips of the pen, and would fill the client's memory with prompts before anything is sent.
MOST_TOKENS, MOST_REQUESTS = 10_000_000, 10_000_000


class Requests(Strict):
    """Requests per level: max(minimum, per_level x concurrency)."""

    minimum: int = Field(
        default=100, ge=1, le=MOST_REQUESTS, description="At least so many at each level."
    )
    per_level: float = Field(
        default=10,
        ge=3,
        le=10_000,
        description="Requests per request in flight. Under 3 a level is more ramp than plateau.",
    )


class Length(Strict):
    """Lengths that differ from request to request."""

    kind: Literal["uniform", "lognormal"] = Field(description="Distribution of the lengths.")
    low: int = Field(default=1, ge=1, le=MOST_TOKENS, description="Shortest, in tokens.")
    high: int = Field(ge=1, le=MOST_TOKENS, description="Longest, in tokens.")
    median: Annotated[float, Field(gt=0, le=MOST_TOKENS)] | None = Field(
        default=None, description="Of a lognormal distribution."
    )
    sigma: float = Field(default=0.5, ge=0, le=5, description="Shape of a lognormal distribution.")

    @model_validator(mode="after")
    def _is_a_distribution(self) -> Length:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is more than high {self.high}")
        if self.kind == "lognormal" and self.median is None:
            raise ValueError("a lognormal length needs its median")
        if self.kind == "uniform" and self.median is not None:
            raise ValueError("median: has a meaning only with kind: lognormal")
        return self

    @property
    def mean(self) -> float:
        """Expected tokens, for the plan's times (the bounds of a lognormal are not accounted for)."""
        if self.median is None:
            return (self.low + self.high) / 2
        return self.median * math.exp(self.sigma**2 / 2)


def mean_tokens(length: int | Length) -> float:
    """Expected tokens of a fixed or distributed length."""
    return length if isinstance(length, int) else length.mean


class Image(Strict):
    """A synthetic image in each request, for vision models; needs `route: chat`."""

    width: int = Field(ge=1, le=16384, description="Pixels.")
    height: int = Field(ge=1, le=16384, description="Pixels.")


class Workload(Strict):
    """What each request asks for."""

    input_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] | Length = Field(
        default=2048, description="Prompt length (ISL), exact; or a distribution."
    )
    output_tokens: Annotated[int, Field(ge=2, le=MOST_TOKENS)] | Length = Field(
        default=512, description="Output length (OSL), forced with ignore_eos; or a distribution."
    )
    prompts: str | None = Field(
        default=None,
        description=(
            "A JSONL file of your own prompts in place of synthetic ones: "
            '`{"prompt": "text or token ids", "output_tokens": 128}` a line, taken round and round.'
        ),
    )
    image: Image | None = Field(
        default=None, description="A synthetic image in each request (needs `route: chat`)."
    )
    requests: Requests = Requests()
    warmup_per_level: float = Field(
        default=2,
        ge=1,
        le=1000,
        description="Warm-up requests per request in flight, before each level, outside the data.",
    )
    ramp_s: float = Field(
        default=2.0,
        ge=0,
        le=3600,
        description="The first arrivals of a level are spread over this time.",
    )
    request_timeout_s: float = Field(
        default=600, gt=0, le=WEEK_S, description="A request that takes longer has failed."
    )
    route: Literal["completions", "chat"] = Field(
        default="completions", description="OpenAI route."
    )

    def requests_at(self, concurrency: int) -> int:
        """Requests of a run at this level: max(minimum, per_level x concurrency)."""
        return max(self.requests.minimum, math.ceil(self.requests.per_level * concurrency))

    @model_validator(mode="after")
    def _images_are_for_chat(self) -> Workload:
        if self.image is not None and self.route != "chat":
            raise ValueError(f"image: needs route: chat (route is {self.route!r})")
        return self
