"""The situation of a model's arm: all that a condition of the support catalogue may ask about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from ablation.study.catalogue import UNSET, Entry, When
from ablation.study.config import Study
from ablation.study.layers import args_in_force, env_in_force
from ablation.study.load import StudyError
from ablation.study.shape import Shape
from ablation.study.spelling import whole_number


@dataclass(frozen=True)
class Situation:
    """Where, with which vLLM and with which settings an arm of a model runs. None means not known."""

    platform: str
    architecture: str | None
    vllm: str
    tensor_parallel: int
    quantization: str | None
    attention: str | None
    moe: bool | None
    heads_per_gpu: int | None
    env: Mapping[str, str]
    args: Mapping[str, str]

    def meets(self, when: When) -> bool:
        """True where every stated condition is met."""
        return (
            _among(self.platform, when.platform)
            and _among(self.architecture, when.architecture)
            and _in_range(self.vllm, when.vllm)
            and _among(self.tensor_parallel, when.tensor_parallel)
            and _among(self.quantization, when.quantization)
            and _among(self.attention, when.attention)
            and (when.moe is None or self.moe == when.moe)
            and _among(self.heads_per_gpu, when.heads_per_gpu)
            and (
                when.heads_per_gpu_not is None
                or (
                    self.heads_per_gpu is not None
                    and self.heads_per_gpu not in when.heads_per_gpu_not
                )
            )
            and all(_has(self.env, *condition) for condition in (when.env or {}).items())
            and not any(_has(self.env, *condition) for condition in (when.env_not or {}).items())
            and all(_has(self.args, *condition) for condition in (when.args or {}).items())
            and not any(_has(self.args, *condition) for condition in (when.args_not or {}).items())
        )


def situation_of(
    study: Study, entry: Entry, model: str, arm: str, shape: Shape | None
) -> Situation:
    """The situation of an arm. Raises StudyError where its arguments hold what cannot be counted."""
    args = args_in_force(study, entry, model, arm)
    try:
        tensor_parallel = whole_number(args, "tensor-parallel-size")
    except ValueError as error:
        raise StudyError(f"models.{model}: {error}") from None
    stated = args.get("quantization")
    return Situation(
        platform=study.hardware.platform,
        architecture=study.hardware.architecture,
        vllm=study.server.vllm,
        tensor_parallel=tensor_parallel,
        quantization=str(stated) if stated else shape.quantization if shape else None,
        attention=shape.attention if shape else None,
        moe=shape.experts > 0 if shape else None,
        heads_per_gpu=shape.heads // tensor_parallel if shape and tensor_parallel > 0 else None,
        env=env_in_force(study, entry, model, arm),
        args={name: str(value) for name, value in args.items() if value is not None},
    )


def _among(value: str | int | None, allowed: Sequence[str] | Sequence[int] | None) -> bool:
    return allowed is None or value in allowed


def _in_range(vllm: str, wanted: str | None) -> bool:
    if wanted is None:
        return True
    try:
        # A local version (0.32.0+cpu) and a pre-release count as the release they stand for.
        return SpecifierSet(wanted).contains(Version(vllm).base_version)
    except InvalidVersion as error:
        raise StudyError(f"server.vllm: {error}") from error


def _has(settings: Mapping[str, str], name: str, values: list[str]) -> bool:
    return settings.get(name, UNSET).lower() in (value.lower() for value in values)
