"""What is asked of every launch of a model: the same prompts, in the same way."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from ablation.client.workload import read_prompts, seed_of
from ablation.places import here_or_home
from ablation.plan.cost import expected_output_tok_s
from ablation.study.config import Expect, Study
from ablation.study.workload import mean_tokens

REPEATS = 2  # one launch's own repeatability is then known
FIRST_TOKEN = 3  # below are padding and the like, as in the load's prompts


@dataclass(frozen=True)
class Questions:
    """What every launch of a model is asked. `seed` has no block and no arm: every session is asked the same."""

    prompts: int
    input_tokens: int
    output_tokens: int
    concurrency: int
    top_logprobs: int
    timeout_s: float
    vocabulary: int
    seed: str
    file: str | None
    expected_s: float


def questions_of(study: Study, expect: Expect, model: str, vocabulary: int) -> Questions | None:
    """The accuracy step of a session, for the plan; None where the study does not ask for it.

    Nothing of it is in a hash. Raises WorkloadError where a prompt file cannot be used.
    """
    asked = study.accuracy
    if not asked.enabled:
        return None
    prompts = asked.prompts
    if asked.file is not None:
        prompts = min(prompts, len(read_prompts(here_or_home(asked.file))))
    return Questions(
        prompts=prompts,
        input_tokens=asked.input_tokens,
        output_tokens=asked.output_tokens,
        concurrency=min(asked.concurrency, prompts),
        top_logprobs=asked.top_logprobs,
        timeout_s=asked.timeout_s,
        vocabulary=vocabulary,
        seed=f"{study.seed}/{model}/accuracy",
        file=asked.file,
        expected_s=_expected_s(study, expect, prompts),
    )


def draw_prompts(settings: Questions) -> list[str | list[int]]:
    """The prompt set: the same for the same settings, on any machine."""
    count = settings.prompts
    if settings.file is not None:
        lines = read_prompts(here_or_home(settings.file))
        return [line.prompt for line in lines[:count]]
    random = np.random.default_rng(seed_of(settings.seed))
    shape = (count, settings.input_tokens)
    ids: list[str | list[int]] = random.integers(FIRST_TOKEN, settings.vocabulary, shape).tolist()
    return ids


def prompt_set(settings: Questions) -> str:
    """16 hexadecimal digits over all that two launches must have in common to be compared."""
    asked = [draw_prompts(settings), settings.output_tokens, settings.concurrency]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def _expected_s(study: Study, expect: Expect, prompts: int) -> float:
    """Seconds that the step takes, from the load's expected throughput.

    A request of the load takes OSL x c / throughput; one of this step is shorter in input and output, so at
    most the larger of the two fractions of that.
    """
    work, asked = study.workload, study.accuracy
    tokens_in, tokens_out = mean_tokens(work.input_tokens), mean_tokens(work.output_tokens)
    share = max(asked.input_tokens / tokens_in, asked.output_tokens / tokens_out)
    rate = expected_output_tok_s(expect, min(asked.concurrency, prompts))
    return REPEATS * prompts * tokens_out / rate * share
