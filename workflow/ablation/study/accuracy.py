"""The accuracy gate's section of a study. Nothing in it decides a measurement: it is not in any hash."""

from __future__ import annotations

from pydantic import Field

from ablation.study.fields import WEEK_S, Strict


class Accuracy(Strict):
    """Is the faster arm still right? A fixed prompt set is sent, twice, to every server before its levels."""

    enabled: bool = Field(
        default=True,
        description="Ask for the answers. Launches measured without them say `not observed`.",
    )
    prompts: int = Field(default=16, ge=4, le=10_000, description="Prompts in the set.")
    input_tokens: int = Field(
        default=64,
        ge=1,
        le=1_000_000,
        description="Length of each prompt, in token ids drawn from the seed.",
    )
    file: str | None = Field(
        default=None,
        description=(
            "A JSONL file of your own prompts (text or token ids) in place of drawn ones, of the form of "
            "`workload.prompts`; the first `prompts` of them are asked (their `output_tokens` is not used)."
        ),
    )
    output_tokens: int = Field(
        default=4,
        ge=1,
        le=10_000,
        description=(
            "Greedy tokens of each answer: the first shows prefill kernels, the others decode kernels."
        ),
    )
    concurrency: int = Field(
        default=8,
        ge=1,
        le=1000,
        description="Prompts in flight. Fixed, since the composition of a batch changes the numerics.",
    )
    top_logprobs: int = Field(
        default=10,
        ge=1,
        le=20,
        description="Candidates recorded at each position (vLLM's own default limit is 20).",
    )
    timeout_s: float = Field(
        default=120,
        gt=0,
        le=WEEK_S,
        description="An answer that takes longer counts as not observed.",
    )
    noise_ratio: float = Field(
        default=2.0,
        ge=1,
        description="Arms may differ by so many times what the baseline's own launches differ by ...",
    )
    median_floor: float | None = Field(
        default=None,
        gt=0,
        description=(
            "... or by this much, if that is more: median over the prompts of the mean difference of the "
            "log-probabilities. Absent: by the servers' `dtype` (docs/accuracy.md)."
        ),
    )
    p95_floor: float | None = Field(
        default=None,
        gt=0,
        description="The same for the 95 % quantile over the prompts. Absent: three times the median's.",
    )
