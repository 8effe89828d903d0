"""What a server is told: settings of the study's server, the catalogue, the model and the arm, laid over each other."""

from __future__ import annotations

from ablation.study.catalogue import Entry
from ablation.study.config import Study
from ablation.study.fields import ArgValue, Settings


def layers(study: Study, entry: Entry, model: str, arm: str) -> list[tuple[str, Settings]]:
    """Where each layer of settings stands -> the settings, in the order in which they are laid."""
    key = study.models[model].catalogue or model
    return [
        ("server", study.server),
        (f"{study.catalogue}: models.{key}", entry),
        (f"models.{model}", study.models[model]),
        (f"factor.arms.{arm}", study.factor.arms[arm]),
    ]


def args_in_force(study: Study, entry: Entry, model: str, arm: str) -> dict[str, ArgValue]:
    """Server arguments of a model's arm."""
    found: dict[str, ArgValue] = {}
    for _, settings in layers(study, entry, model, arm):
        found |= settings.args
    return found


def env_in_force(study: Study, entry: Entry, model: str, arm: str) -> dict[str, str]:
    """Variables of a model's arm that the study or the catalogue states."""
    found: dict[str, str] = {}
    for _, settings in layers(study, entry, model, arm):
        found |= settings.env
    return found
