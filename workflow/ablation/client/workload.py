"""What is asked of the server: prompts, lengths, and the bytes of each request.

A prompt is a list of token ids of exact length, so that no tokenizer stands between what was asked
for and what was measured. Prompts are a function of (seed, stream, request) alone: the same for
every arm of a block, different for every request, and never shared between warm-up and data. The
seed is to be made from what arms have in common (`seed_of(study_seed, model, block, level)`), not
from the arm.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ablation.errors import UserError

Route = Literal["completions", "chat"]
Stream = Literal["warmup", "data"]
PATHS: dict[Route, str] = {"completions": "/v1/completions", "chat": "/v1/chat/completions"}


class WorkloadError(UserError):
    """A workload that cannot be driven; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Length:
    """A number of tokens for each request.

    fixed      always `mean`
    uniform    whole numbers from `low` to `high`, both included
    lognormal  median `mean`, shape `sigma` (of the natural logarithm), rounded and held to low..high
    """

    kind: Literal["fixed", "uniform", "lognormal"] = "fixed"
    mean: float = 0
    low: int = 1
    high: int = 1 << 20
    sigma: float = 0.5

    def __post_init__(self) -> None:
        if self.kind == "fixed" and self.mean < 1:
            raise WorkloadError(f"a fixed length must be at least 1 token, got {self.mean:g}")
        if self.kind != "fixed" and not 1 <= self.low <= self.high:
            raise WorkloadError(f"a length needs 1 <= low <= high, got {self.low}..{self.high}")
        if self.kind == "lognormal" and not (self.mean > 0 and self.sigma >= 0):
            raise WorkloadError("a lognormal length needs mean > 0 (its median) and sigma >= 0")

    def draw(self, random: np.random.Generator) -> int:
        """One length in tokens."""
        if self.kind == "fixed":
            return int(self.mean)
        if self.kind == "uniform":
            return int(random.integers(self.low, self.high, endpoint=True))
        value = round(float(random.lognormal(float(np.log(self.mean)), self.sigma)))
        return min(max(value, self.low), self.high)


def fixed(tokens: int) -> Length:
    """Always so many tokens."""
    return Length("fixed", mean=tokens)


@dataclass(frozen=True, slots=True)
class Image:
    """A synthetic image for vision models, sent as a PNG data URL (pixels; noise, so it is not
    compressible and unique per request)."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Workload:
    """What one run asks for.

    model            the name the server serves
    isl, osl         input and output lengths in tokens
    vocab_size       prompt ids are drawn from first_token..vocab_size-1
    route            completions (token-id prompts) or chat (text and images)
    exact_output     ask for exactly osl tokens (ignore_eos, min_tokens); a server that is not vLLM may
                     not know those fields: set False, and lengths are then not verified
    event_usage      ask for the running token count in every event (vLLM's continuous_usage_stats)
    prompts          a JSONL file in place of synthetic prompts; takes its lines in order, round and round
    image            one synthetic image in each chat message
    extra            further fields of the request body
    """

    model: str
    isl: Length = field(default_factory=lambda: fixed(1024))
    osl: Length = field(default_factory=lambda: fixed(128))
    vocab_size: int = 32_000
    first_token: int = 3
    route: Route = "completions"
    exact_output: bool = True
    event_usage: bool = False
    prompts: str | None = None
    image: Image | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.route not in PATHS:
            raise WorkloadError(f"route {self.route!r} is not one of {', '.join(PATHS)}")
        if self.vocab_size - self.first_token < 100:
            raise WorkloadError(
                f"vocab_size {self.vocab_size} leaves fewer than 100 token ids from {self.first_token}"
            )
        if self.image and self.route != "chat":
            raise WorkloadError("images need route: chat")

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary; `Workload.from_json` turns it back."""
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Workload:
        """The inverse of `to_json`."""
        image = data.get("image")
        return Workload(
            **{
                **data,
                "isl": Length(**data["isl"]),
                "osl": Length(**data["osl"]),
                "image": Image(**image) if image else None,
            }
        )


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request: its body, and the token counts that the server must report (None: left open)."""

    body: bytes
    prompt_tokens: int | None
    output_tokens: int | None


def seed_of(*parts: str | int) -> int:
    """A 64-bit seed from what a run has in common with its counterparts in the other arms."""
    text = json.dumps(parts, separators=(",", ":")).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def requests(workload: Workload, seed: int, stream: Stream, indices: range) -> Iterator[Prompt]:
    """The requests of one stream, by index; the same call gives the same bytes, in any process."""
    lines = read_prompts(Path(workload.prompts)) if workload.prompts else None
    for index in indices:
        random = np.random.default_rng([seed, 0 if stream == "warmup" else 1, index])
        if lines is not None:
            line = lines[index % len(lines)]
            yield _request(workload, line.prompt, line.tokens, line.output_tokens, random)
            continue
        isl, osl = workload.isl.draw(random), workload.osl.draw(random)
        ids = random.integers(workload.first_token, workload.vocab_size, isl).tolist()
        if workload.route == "completions":
            yield _request(workload, ids, isl, osl, random)
        else:  # chat takes text: about a word a token; the server's usage says how many it was
            yield _request(workload, " ".join(_word(i) for i in ids), None, osl, random)


@dataclass(frozen=True, slots=True)
class PromptLine:
    """One line of a prompt file; tokens is None where the prompt is text."""

    prompt: str | list[int]
    output_tokens: int

    @property
    def tokens(self) -> int | None:
        """The exact prompt length, where it is known."""
        return None if isinstance(self.prompt, str) else len(self.prompt)


@lru_cache(maxsize=4)
def read_prompts(path: Path) -> list[PromptLine]:
    """Read a JSONL prompt file: {"prompt": text or [token ids], "output_tokens": number} a line.

    Raises WorkloadError naming file, line and remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkloadError(f"prompt file {path}: {error}; give a readable UTF-8 file") from error
    lines = [
        _prompt_line(line, f"{path}:{number}")
        for number, line in enumerate(
            text.split("\n"), start=1
        )  # not splitlines: U+2028 may stand in a string
        if line.strip()
    ]
    if not lines:
        raise WorkloadError(f"prompt file {path} holds no prompt; add one JSON object a line")
    return lines


def _prompt_line(line: str, where: str) -> PromptLine:
    form = '{"prompt": "text" or [token ids], "output_tokens": 128}'
    try:
        data = json.loads(line)
    except ValueError as error:
        raise WorkloadError(f"{where}: not JSON ({error}); write {form}") from error
    if not isinstance(data, dict) or set(data) != {"prompt", "output_tokens"}:
        raise WorkloadError(f"{where}: needs exactly prompt and output_tokens; write {form}")
    prompt, tokens = data["prompt"], data["output_tokens"]
    ids = isinstance(prompt, list) and all(type(i) is int and i >= 0 for i in prompt)
    if not (isinstance(prompt, str) or ids) or not prompt:
        raise WorkloadError(
            f"{where}: prompt must be text or token ids, and not empty; write {form}"
        )
    if type(tokens) is not int or tokens < 1:
        raise WorkloadError(f"{where}: output_tokens must be a whole number from 1; write {form}")
    return PromptLine(prompt, tokens)


def _request(
    workload: Workload,
    prompt: str | list[int],
    prompt_tokens: int | None,
    output_tokens: int,
    random: np.random.Generator,
) -> Prompt:
    body: dict[str, Any] = {"model": workload.model}
    if workload.route == "completions":
        body["prompt"] = prompt
        body["max_tokens"] = output_tokens
    else:
        if not isinstance(prompt, str):
            raise WorkloadError("route: chat takes text prompts; token ids need route: completions")
        body["messages"] = [{"role": "user", "content": _content(workload, prompt, random)}]
        body["max_completion_tokens"] = output_tokens
    options: dict[str, Any] = {"include_usage": True}
    if workload.event_usage:
        options["continuous_usage_stats"] = True
    body |= {"temperature": 0, "stream": True, "stream_options": options}
    if workload.exact_output:
        body |= {"ignore_eos": True, "min_tokens": output_tokens}
    body |= workload.extra
    encoded = json.dumps(body, separators=(",", ":")).encode()
    return Prompt(encoded, prompt_tokens, output_tokens if workload.exact_output else None)


def _content(workload: Workload, text: str, random: np.random.Generator) -> Any:
    if workload.image is None:
        return text
    url = "data:image/png;base64," + base64.b64encode(png(workload.image, random)).decode()
    return [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}]


def png(image: Image, random: np.random.Generator) -> bytes:
    """An RGB PNG of 8x8-pixel squares of noise (PNG specification, W3C; filter 0 on every line)."""
    squares = random.integers(
        0, 256, (-(-image.height // 8), -(-image.width // 8), 3), dtype=np.uint8
    )
    pixels = squares.repeat(8, axis=0).repeat(8, axis=1)[: image.height, : image.width]
    rows = np.zeros((image.height, 1 + 3 * image.width), dtype=np.uint8)
    rows[:, 1:] = pixels.reshape(image.height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 1))
        + chunk(b"IEND", b"")
    )


def _word(number: int) -> str:
    letters = "bcdfghjklmnprstvz"
    return letters[number % 17] + "aeiou"[number // 17 % 5] + letters[number // 85 % 17]
