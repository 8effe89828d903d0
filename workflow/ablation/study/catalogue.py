"""The support catalogue: which arm of which factor a model permits, under which conditions, why, and says who.

An answer such as "Kimi-K2.5 cannot run with AITER" holds for a GPU architecture and a range of vLLM
versions, not for ever; an entry therefore records *when* it holds, and the first that holds decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version
from pydantic import Field, field_validator

from ablation.study.config import Hardware, Study
from ablation.study.fields import Name, Settings, Strict, whole_number
from ablation.study.load import StudyError, read_yaml, validate

Status = Literal["toggle", "required", "incompatible", "default", "unsupported"]

MEANING: dict[str, str] = {
    "toggle": "every arm can run",
    "required": "the model needs the treatment; there is no arm without it",
    "incompatible": "the model cannot run with the treatment",
    "default": "only the default path is measured",
    "unsupported": "no arm can run on this platform",
}


class When(Strict):
    """All stated conditions must hold; an absent one always does."""

    platform: list[str] | None = Field(default=None, description="Platforms: cpu, rocm, cuda.")
    architecture: list[str] | None = Field(default=None, description="GPU or CPU architectures.")
    vllm: str | None = Field(
        default=None, description="Version range of vLLM, as in `>=0.14,<0.19`."
    )
    tensor_parallel: list[int] | None = Field(default=None, description="Tensor-parallel sizes.")

    @field_validator("vllm")
    @classmethod
    def _is_a_range(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                SpecifierSet(text)
            except InvalidSpecifier as error:
                raise ValueError(f"not a version range such as '>=0.14,<0.19': {error}") from error
        return text

    def holds(self, hardware: Hardware, vllm: str, tensor_parallel: int) -> bool:
        """True where every stated condition is met."""
        return (
            (self.platform is None or hardware.platform in self.platform)
            and (self.architecture is None or hardware.architecture in self.architecture)
            and (self.tensor_parallel is None or tensor_parallel in self.tensor_parallel)
            # A local version (0.32.0+cpu) and a pre-release count as the release they stand for.
            and (self.vllm is None or SpecifierSet(self.vllm).contains(Version(vllm).base_version))
        )

    def __str__(self) -> str:
        parts = [
            f"platform {', '.join(self.platform)}" if self.platform else "",
            f"architecture {', '.join(self.architecture)}" if self.architecture else "",
            f"vLLM {self.vllm}" if self.vllm else "",
            f"TP {', '.join(map(str, self.tensor_parallel))}" if self.tensor_parallel else "",
        ]
        return "; ".join(part for part in parts if part) or "always"


class Support(Strict):
    """One statement about a model and a factor."""

    factor: Name = Field(description="Factor that the statement is about, or `any`.")
    status: Status = Field(description="; ".join(f"`{k}`: {v}" for k, v in MEANING.items()) + ".")
    arms: list[Name] | None = Field(
        default=None,
        description="The arms that run; all where absent (`toggle`), none for `unsupported`.",
    )
    when: When = Field(default=When(), description="Conditions under which the statement holds.")
    reason: str = Field(min_length=10, description="Why, in a sentence.")
    source: str = Field(
        min_length=5, description="Who says so: a file of vLLM, an issue, a paper, a probe."
    )


class Generate(Strict):
    """A miniature with random weights, made on this machine."""

    config: dict[str, Any] = Field(
        description="config.json of the model, as transformers reads it."
    )
    vocabulary: int = Field(default=4096, ge=8, description="Vocabulary size.")
    weights: bool = Field(
        default=True, description="`false` writes only the configuration and the tokenizer."
    )
    seed: int = Field(default=1, description="Of the weights.")
    init_std: float = Field(
        default=0.05,
        gt=0,
        description="Standard deviation of the weights; norms are 1. Small values make attention irrelevant.",
    )


class Entry(Settings):
    """What is known of a model."""

    title: str = Field(description="The model in words.")
    architecture: str = Field(description="Attention and size, in words.")
    stands_for: str | None = Field(
        default=None, description="The full-size model that a miniature stands for."
    )
    hub: str | None = Field(default=None, description="Name on the Hugging Face hub.")
    generate: Generate | None = Field(default=None, description="How to make the miniature.")
    vocabulary: int | None = Field(
        default=None, ge=8, description="Vocabulary size of a hub model."
    )
    support: list[Support] = Field(
        default=[], description="Statements; the first that holds decides."
    )


class Catalogue(Strict):
    """config/models.yaml."""

    models: dict[Name, Entry]


@dataclass(frozen=True)
class Verdict:
    """What the catalogue says of a model in a study: which arms run, and why."""

    status: Status
    runs: tuple[str, ...]
    reason: str
    source: str
    condition: str


def read_catalogue(path: Path) -> Catalogue:
    """Read and validate the support catalogue. Raises StudyError."""
    return validate(Catalogue, read_yaml(path), str(path))


def entry_of(catalogue: Catalogue, study: Study, model: str) -> Entry:
    """The catalogue's entry for a model of the study, or a bare one for a model of the user's own.

    Raises StudyError where the model has neither an entry nor a path.
    """
    settings = study.models[model]
    key = settings.catalogue or model
    if key in catalogue.models:
        return catalogue.models[key]
    if settings.catalogue is not None or settings.path is None:
        raise StudyError(
            f"models.{model}: {key!r} is not in {study.catalogue}; give the model a `path`, "
            f"or one of: {', '.join(sorted(catalogue.models))}"
        )
    return Entry(title=model, architecture="not in the catalogue")


def support_of(catalogue: Catalogue, study: Study, model: str) -> Verdict:
    """Which arms of the study's factor this model runs, by the first statement that holds."""
    arms = tuple(study.factor.arms)
    asked = study.models[model].arms
    entry = entry_of(catalogue, study, model)
    args = {**study.server.args, **entry.args, **study.models[model].args}
    try:
        tensor_parallel = whole_number(args, "tensor-parallel-size")
    except ValueError as error:
        raise StudyError(f"models.{model}: {error}") from None
    for statement in entry.support:
        if statement.factor not in (study.factor.name, "any"):
            continue
        if not statement.when.holds(study.hardware, study.server.vllm, tensor_parallel):
            continue
        if statement.status == "unsupported":
            runs: tuple[str, ...] = ()
        else:
            runs = arms if statement.arms is None else tuple(a for a in arms if a in statement.arms)
        return Verdict(
            statement.status,
            tuple(a for a in runs if asked is None or a in asked),
            statement.reason,
            statement.source,
            str(statement.when),
        )
    return Verdict(
        "toggle",
        tuple(a for a in arms if asked is None or a in asked),
        "no statement in the catalogue holds here, so every arm is tried",
        study.catalogue,
        "always",
    )
