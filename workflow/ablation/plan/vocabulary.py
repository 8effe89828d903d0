"""Below which token id the prompts of a model are drawn."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from ablation.model import files
from ablation.plan.command import model_location
from ablation.study.catalogue import Entry
from ablation.study.config import Study

DEFAULT = 32000  # of a model whose config.json cannot be seen from here


class Vocabulary(NamedTuple):
    """Token ids of prompts are below `size`; `read` where that was read from the model's files on this host."""

    size: int
    read: bool = False
    guessed: bool = False


def vocabulary_of(
    study: Study, entry: Entry, model: str, environment: Mapping[str, str] = os.environ
) -> Vocabulary:
    """As stated, as generated, as catalogued, as its files on this host say, or a guess (DEFAULT)."""
    generated = entry.generate.vocabulary if entry.generate else None
    if stated := study.models[model].vocabulary or generated or entry.vocabulary:
        return Vocabulary(stated)
    found = files.vocabulary_of(model_location(study, model, entry), environment)
    return Vocabulary(DEFAULT, guessed=True) if found is None else Vocabulary(found, read=True)
