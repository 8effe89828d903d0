"""From a level of the plan to what the client is told."""

from __future__ import annotations

from collections.abc import Mapping

from ablation.client.load import LoadSpec
from ablation.client.workload import Image, Length, Workload, fixed, seed_of
from ablation.places import here_or_home
from ablation.plan.plan import Load
from ablation.study import workload as study


def load_spec(
    url: str,
    model: str,
    load: Load,
    prompts: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> LoadSpec:
    """What the client is told of a level of the plan. `prompts` is the study's prompt file, if any.

    `headers` go with each request and into no record.
    """
    return LoadSpec(
        url=url,
        workload=Workload(
            model=model,
            isl=_length(load.input_tokens),
            osl=_length(load.output_tokens),
            vocab_size=load.vocabulary,
            route=load.route,
            prompts=str(here_or_home(prompts)) if prompts else None,
            image=Image(load.image.width, load.image.height) if load.image else None,
        ),
        concurrency=load.concurrency,
        requests=load.requests,
        seed=seed_of(load.prompt_seed),
        warmup_requests=load.warmup_requests,
        ramp_s=load.ramp_s,
        timeout_s=load.request_timeout_s,
        headers=dict(headers or {}),
    )


def _length(tokens: int | study.Length) -> Length:
    if isinstance(tokens, int):
        return fixed(tokens)
    return Length(
        tokens.kind,
        mean=tokens.median or 0,  # the client calls a lognormal's median so
        low=tokens.low,
        high=tokens.high,
        sigma=tokens.sigma,
    )
