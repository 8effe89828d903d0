"""What the files of a model say that is needed before it is served: its config.json, its vocabulary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ablation.places import model_folder

MOST_BYTES = 1_000_000  # of a config.json
MOST_TOKENIZER_BYTES = 100_000_000  # the largest tokenizer.json in use, of Gemma, has 33 MB
# Where models that read more than text keep the settings of their language model: transformers' get_text_config, and
# vLLM's own exceptions from it (vllm/transformers_utils/model_arch_config_convertor.py and configs/).
TEXT_CONFIGS = (
    ("text_config",),
    ("llm_config",),
    ("language_config",),
    ("decoder",),
    ("generator",),
    ("thinker_config", "text_config"),
)


def read_config(file: Path, most_bytes: int = MOST_BYTES) -> dict[str, Any] | None:
    """A config.json, or another JSON file of a model; None where it is missing, unreadable, no object or too large."""
    try:
        if file.stat().st_size > most_bytes:
            return None
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def vocabulary_of(
    location: str, environment: Mapping[str, str], revision: str | None = None
) -> int | None:
    """How many token ids of a model can be asked for: every id below is one of its tokenizer and of its embedding.

    Read from the folder, or from the snapshot in the hub's cache of this host (`environment` says where that is). The
    two sizes differ in many models: an embedding is padded (Qwen2.5: 152,064 rows for 151,665 tokens), or tokens were
    added without one. vLLM accepts an id that either of them has (renderers/base.py, validate_token_ids); one that the
    embedding lacks reads past its end. None where config.json cannot be seen from here or does not say.
    """
    folder = model_folder(location, environment, revision)
    config = read_config(folder / "config.json") if folder is not None else None
    if folder is None or config is None:
        return None
    rows = [size for part in _language_parts(config) if (size := _size(part.get("vocab_size")))]
    if not rows:
        return None
    tokens = tokenizer_size(folder / "tokenizer.json")
    return min(rows) if tokens is None else min(*rows, tokens)


def tokenizer_size(file: Path) -> int | None:
    """The highest token id of a tokenizer.json, plus one; None where there is none, or it cannot be read."""
    try:
        known = file.stat()
    except OSError:
        return None
    return _tokenizer_size(str(file), known.st_size, known.st_mtime_ns)


@lru_cache(maxsize=64)
def _tokenizer_size(file: str, size: int, mtime_ns: int) -> int | None:
    """Cached by what tells that the file is still the same: parsing one of 30 MB takes half a second."""
    tokenizer = read_config(Path(file), MOST_TOKENIZER_BYTES)
    if tokenizer is None:
        return None
    model = tokenizer.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    added = tokenizer.get("added_tokens")
    ids = [token.get("id") for token in added or [] if isinstance(token, dict)]
    if isinstance(vocabulary, dict):  # BPE, WordPiece, WordLevel
        ids += vocabulary.values()
    elif isinstance(vocabulary, list):  # Unigram: the place in the list is the id
        ids.append(len(vocabulary) - 1)
    else:
        return None
    numbers = [number for number in ids if isinstance(number, int)]
    return max(numbers) + 1 if numbers else None


def _language_parts(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The settings of the language model: of its own part where there is one, and of the whole."""
    found: list[Mapping[str, Any]] = [config]
    for names in TEXT_CONFIGS:
        part: Any = config
        for name in names:
            part = part.get(name) if isinstance(part, Mapping) else None
        if isinstance(part, Mapping):
            found.append(part)
    return found


def _size(value: Any) -> int | None:
    """A vocabulary's size, or None for what is none: true, text, zero."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
