"""Below which token id the prompts of a model are drawn."""

from __future__ import annotations

from ablation.study.catalogue import Entry
from ablation.study.config import Study

DEFAULT = 32000  # of a model whose config.json cannot be seen from here


def vocabulary_of(study: Study, entry: Entry, model: str) -> int:
    """Token ids of prompts are below this: as stated, as generated, as catalogued, or a guess (DEFAULT)."""
    generated = entry.generate.vocabulary if entry.generate else None
    return study.models[model].vocabulary or generated or entry.vocabulary or DEFAULT
