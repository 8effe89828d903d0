"""What a server is told: settings of the study's server, the catalogue, the model and the arm, laid over each other."""

from __future__ import annotations

from collections.abc import Mapping

from ablation.study.catalogue import Entry
from ablation.study.config import Study
from ablation.study.fields import Settings
from ablation.study.values import ArgValue


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


def variables_written(study: Study, entries: Mapping[str, Entry]) -> dict[str, list[str]]:
    """Where each environment variable is written by hand -> names. `entries` are by the study's models."""
    found = {
        f"{where}.env": list(settings.env)
        for model, entry in entries.items()
        for arm in _arms_by_hand(study)
        for where, settings in layers(study, entry, model, arm)
    }
    if study.factor.leave_one_out is not None:
        found["factor.leave_one_out.variables"] = study.factor.leave_one_out.variables
    return found


def arguments_written(study: Study, entries: Mapping[str, Entry]) -> dict[str, dict[str, ArgValue]]:
    """Where each server argument is written by hand -> arguments; without those that are overlaid everywhere."""
    found: dict[str, dict[str, ArgValue]] = {}
    for model, entry in entries.items():
        for arm in _arms_by_hand(study):
            last: dict[str, tuple[str, ArgValue]] = {}
            for where, settings in layers(study, entry, model, arm):
                last |= {name: (f"{where}.args", value) for name, value in settings.args.items()}
            for name, (where, value) in last.items():
                found.setdefault(where, {})[name] = value
    return found


def _arms_by_hand(study: Study) -> list[str]:
    """The arms without those that were made from others."""
    made = set()
    if study.factor.noise_floor:
        made.add(f"{study.factor.baseline}-again")
    if study.factor.leave_one_out is not None:
        whole = study.factor.leave_one_out.arm
        made |= {arm for arm in study.factor.arms if arm.startswith(f"{whole}-without-")}
    return [arm for arm in study.factor.arms if arm not in made]
