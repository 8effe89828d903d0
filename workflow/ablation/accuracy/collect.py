"""Ask a launch for its answers: a fixed prompt set, greedily, with log-probabilities, twice.

The answers are evidence of the launch, not part of a measurement: whatever goes wrong here is recorded as `not
observed: why`, and the launch goes on.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from ablation.accuracy.settings import REPEATS, Questions, draw_prompts, prompt_set
from ablation.accuracy.store import FILE, AccuracyError, write_answers
from ablation.plan.plan import Session
from ablation.session.environment import scrub

Row = dict[str, Any]


def observe(
    url: str,
    session: Session,
    folder: Path,
    hidden: Sequence[str] = (),
    *,
    served_model: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Collect the answers of a launch into `folder`. Returns what launch.json says of it; never raises for a
    server that does not answer well.

    `session` is the session's part of the plan, `hidden` are values that no file may hold. `served_model` is the name
    that requests ask for, where it is not the study's; `headers` go with each request and into no record.
    """
    settings = session.questions
    if settings is None:
        return {"observed": False, "text": "accuracy: not observed: switched off in the study"}
    began, started_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="milliseconds")
    try:
        rows = asyncio.run(
            _ask_all(url, served_model or session.model, settings, dict(headers or {}))
        )
        wall_s = round(time.monotonic() - began, 3)
        asked = {name: value for name, value in asdict(settings).items() if name != "expected_s"}
        metadata = {
            "launch_id": folder.name,
            "model": session.model,
            "arm": session.arm,
            "block": session.block,
            "session_hash": session.session_hash,
            "prompt_set": prompt_set(settings),
            "settings": asked,
            "started_at": started_at,
            "wall_s": wall_s,
        }
        write_answers(folder / FILE, rows, metadata)
    except (httpx.HTTPError, AccuracyError, OSError) as error:
        why = scrub(f"{type(error).__name__}: {error}".rstrip(": "), hidden)[:500]
        return {"observed": False, "text": f"accuracy: not observed: {why}"}
    return {
        "observed": True,
        "file": FILE,
        "prompt_set": metadata["prompt_set"],
        "wall_s": wall_s,
        "text": f"accuracy: {settings.prompts} prompts answered {REPEATS} times in {wall_s:.1f} s",
    }


async def _ask_all(url: str, model: str, settings: Questions, headers: dict[str, str]) -> list[Row]:
    """Every repeat of every prompt, at the stated concurrency; the first failure ends it."""
    prompts = draw_prompts(settings)
    limit = asyncio.Semaphore(settings.concurrency)
    # verify costs a file of certificates, which plain http has no use for
    client = httpx.AsyncClient(
        base_url=url,
        headers=headers,
        timeout=settings.timeout_s,
        trust_env=False,
        verify=url.startswith("https"),
    )

    async def ask(repeat: int, number: int) -> list[Row]:
        async with limit:
            choice = await _ask(client, model, prompts[number], settings)
        head = {"repeat": repeat, "prompt": number}
        return [head | row for row in parse(choice, settings.output_tokens)]

    rows: list[Row] = []
    async with client:
        for repeat in range(1, REPEATS + 1):
            tasks = [asyncio.ensure_future(ask(repeat, n)) for n in range(len(prompts))]
            try:
                rows += [row for answer in await asyncio.gather(*tasks) for row in answer]
            finally:  # the others have ended before their connections are closed
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    return rows


async def _ask(
    client: httpx.AsyncClient, model: str, prompt: str | list[int], settings: Questions
) -> Any:
    body = {
        "model": model,
        "prompt": prompt,
        "max_tokens": settings.output_tokens,
        "temperature": 0,
        "seed": 0,
        "logprobs": settings.top_logprobs,
        "ignore_eos": True,
        # Ids, since several tokens may have the same text.
        "return_tokens_as_token_ids": True,
    }
    answer = await client.post("/v1/completions", json=body)
    if answer.status_code != 200:
        raise AccuracyError(f"HTTP {answer.status_code}: {answer.text[:300]}")
    try:
        return json.loads(answer.content)["choices"][0]
    except (ValueError, LookupError, TypeError) as error:
        raise AccuracyError(f"an answer that is no completion: {answer.text[:300]}") from error


def parse(choice: Any, output_tokens: int) -> list[Row]:
    """The positions of one completion's choice. Raises AccuracyError where it is not as asked."""
    try:
        found = choice["logprobs"]
        if found is None:
            raise AccuracyError("the server gives no log-probabilities")
        tokens, logprobs = found["tokens"], found["token_logprobs"]
        tops = found.get("top_logprobs") or [None] * len(tokens)
        if not len(tokens) == len(logprobs) == len(tops) == output_tokens:
            raise AccuracyError(f"{len(tokens)} tokens came where {output_tokens} were asked for")
        return [
            _row(position, str(token), _real(logprob), top)
            for position, (token, logprob, top) in enumerate(
                zip(tokens, logprobs, tops, strict=True), start=1
            )
        ]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise AccuracyError(f"log-probabilities in an unknown form ({error!r})") from error


def _row(position: int, token: str, logprob: float, top: dict[str, Any] | None) -> Row:
    candidates = {str(name): _real(value) for name, value in (top or {}).items()}
    candidates.setdefault(token, logprob)
    falling = sorted(candidates.items(), key=lambda item: (-_rank(item[1]), item[0]))
    return {
        "position": position,
        "token": token,
        "logprob": logprob,
        "top_tokens": [name for name, _ in falling],
        "top_logprobs": [value for _, value in falling],
    }


def _real(value: Any) -> float:
    """A log-probability; what is no number (null, NaN) is kept as NaN: it is an answer, and a wrong one."""
    return math.nan if value is None else float(value)


def _rank(value: float) -> float:
    return -math.inf if math.isnan(value) else value
