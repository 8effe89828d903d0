"""From a mapping or a file to a validated `Study`, with one message that a person can act on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ablation.study.config import Study
from ablation.study.error import StudyError
from ablation.study.faults import sentences
from ablation.study.strict_yaml import read_yaml

__all__ = ["StudyError", "as_written", "load_study", "read_study", "read_yaml", "validate"]

M = TypeVar("M", bound=BaseModel)


def load_study(config: Mapping[str, Any], source: str) -> Study:
    """Validate a study given as a mapping.

    `source` is the file's name for the message. Raises StudyError, listing every fault at once.
    """
    return validate(Study, dict(config), source)


def read_study(path: Path) -> Study:
    """Read and validate a study's YAML. Raises StudyError."""
    return load_study(read_yaml(path), str(path))


def as_written(
    config: Mapping[str, Any], files: Iterable[Path], overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """Snakemake's `config` with nothing lost of what its files say. Raises StudyError.

    `files` are the configuration files in the order in which they are laid over each other, `overrides` is what
    `--config` gave. Snakemake's reader lets the second of two equal keys win and takes `010` for 8, so that the files
    are read again by ours (strict_yaml.py). Where Snakemake's reading of them is not what `config` holds (a module of
    another workflow, a template), the files do not stand for it, and `config` is taken as it is.
    """
    paths = list(files)
    try:
        loose: dict[str, Any] = {}
        for path in paths:
            _lay_over(loose, _as_snakemake_reads(path))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return dict(config)
    _lay_over(loose, overrides)
    # What the workflow has taken out for itself (an option of `--config`) is no part of the study.
    if not paths or {key: value for key, value in loose.items() if key in config} != config:
        return dict(config)
    strict: dict[str, Any] = {}
    for path in paths:
        _lay_over(strict, read_yaml(path))
    _lay_over(strict, overrides)
    return {key: value for key, value in strict.items() if key in config}


def _as_snakemake_reads(path: Path) -> dict[str, Any]:
    """As `snakemake.common.configfile` reads a file: JSON where it is some, else YAML."""
    text = path.read_text(encoding="utf-8")
    try:
        found = json.loads(text)
    except ValueError:
        found = yaml.safe_load(text)
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no mapping")
    return found


def _lay_over(lower: dict[str, Any], upper: Mapping[str, Any]) -> None:
    """Lay one configuration over another, in place, as `snakemake.utils.update_config` does."""
    for key, value in upper.items():
        if isinstance(value, Mapping):
            below = lower.get(key)
            lower[key] = dict(below) if isinstance(below, Mapping) else {}
            _lay_over(lower[key], value)
        else:
            lower[key] = value


def validate(schema: type[M], data: dict[str, Any], source: str) -> M:
    """Validate `data` against a pydantic model; every fault on a line of its own in one StudyError."""
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        raise StudyError("\n".join(sentences(schema, data, error, source))) from None
