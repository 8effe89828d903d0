"""The support catalogue: which arm of which factor a model permits, under which conditions, why, and says who.

An answer such as "Kimi-K2.5 cannot run with AITER" holds for a GPU architecture and a range of vLLM
versions, not for ever; a statement therefore records *when* it holds. Statements of a model stand with the
model; those that follow from its shape (attention, heads a GPU) stand once, as rules for every model.
`ablation.study.support` draws the verdict.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import Field, field_validator, model_validator

from ablation.study.config import Study
from ablation.study.fields import Name, Settings, Strict
from ablation.study.load import StudyError, read_yaml, validate
from ablation.study.spelling import canonical_name

Status = Literal["toggle", "required", "incompatible", "default", "unsupported", "caution"]
Attention = Literal["gqa", "mha", "mla", "sparse-mla"]

MEANING: dict[str, str] = {
    "toggle": "every arm can run",
    "required": "the model needs the treatment; there is no arm without it",
    "incompatible": "the model cannot run with the treatment",
    "default": "only the default path is measured",
    "unsupported": "no arm can run on this platform",
    "caution": "excludes nothing; the plan and the report say it of the arms for which it holds",
}
assert set(MEANING) == set(get_args(Status))

UNSET = "unset"


class When(Strict):
    """All stated conditions must hold; an absent one always does.

    `attention`, `moe`, `heads_per_gpu` and `quantization` are computed from the model's config.json; where
    that is not known, a statement that asks for them does not hold.
    """

    platform: list[str] | None = Field(default=None, description="Platforms: cpu, rocm, cuda.")
    architecture: list[str] | None = Field(default=None, description="GPU or CPU architectures.")
    vllm: str | None = Field(
        default=None, description="Version range of vLLM, as in `>=0.14,<0.19`."
    )
    tensor_parallel: list[int] | None = Field(default=None, description="Tensor-parallel sizes.")
    quantization: list[str] | None = Field(
        default=None,
        description="Weights: `none`, `fp8`, `compressed-tensors` ..., as vLLM names them.",
    )
    attention: list[Attention] | None = Field(default=None, description="Kinds of attention.")
    moe: bool | None = Field(default=None, description="Whether the model has routed experts.")
    heads_per_gpu: list[int] | None = Field(
        default=None, description="Query heads of one GPU: heads / TP."
    )
    heads_per_gpu_not: list[int] | None = Field(
        default=None, description="Query heads of one GPU are none of these."
    )
    env: dict[str, list[str]] | None = Field(
        default=None,
        description=(
            "Variables of the arm: each has one of the values. `unset` stands for one that is not stated; "
            "upper and lower case are the same."
        ),
    )
    env_not: dict[str, list[str]] | None = Field(
        default=None, description="Variables of the arm: none has one of the values."
    )
    args: dict[str, list[str]] | None = Field(
        default=None, description="Server arguments of the arm, as `env`."
    )
    args_not: dict[str, list[str]] | None = Field(
        default=None, description="Server arguments of the arm, as `env_not`."
    )

    @field_validator("args", "args_not")
    @classmethod
    def _args_in_one_spelling(
        cls, args: dict[str, list[str]] | None
    ) -> dict[str, list[str]] | None:
        return None if args is None else {canonical_name(k): v for k, v in args.items()}

    @field_validator("vllm")
    @classmethod
    def _is_a_range(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                SpecifierSet(text)
            except InvalidSpecifier as error:
                raise ValueError(f"not a version range such as '>=0.14,<0.19': {error}") from error
        return text

    @property
    def of_an_arm(self) -> bool:
        """True where the conditions look at the arm's own settings."""
        return any((self.env, self.env_not, self.args, self.args_not))

    def __str__(self) -> str:
        parts = [
            f"platform {', '.join(self.platform)}" if self.platform else "",
            f"architecture {', '.join(self.architecture)}" if self.architecture else "",
            f"vLLM {self.vllm}" if self.vllm else "",
            f"TP {', '.join(map(str, self.tensor_parallel))}" if self.tensor_parallel else "",
            f"weights {', '.join(self.quantization)}" if self.quantization else "",
            f"attention {', '.join(self.attention)}" if self.attention else "",
            "" if self.moe is None else "with experts" if self.moe else "without experts",
            f"{_or(self.heads_per_gpu)} heads a GPU" if self.heads_per_gpu else "",
            f"heads a GPU other than {_or(self.heads_per_gpu_not)}"
            if self.heads_per_gpu_not
            else "",
            *(f"{name}={_or(values)}" for name, values in (self.env or {}).items()),
            *(f"{name} not {_or(values)}" for name, values in (self.env_not or {}).items()),
            *(f"--{name} {_or(values)}" for name, values in (self.args or {}).items()),
            *(f"--{name} not {_or(values)}" for name, values in (self.args_not or {}).items()),
        ]
        return "; ".join(part for part in parts if part) or "always"


class Support(Strict):
    """One statement about a model and a factor."""

    factor: Name = Field(description="Factor that the statement is about, or `any`.")
    status: Status = Field(description="; ".join(f"`{k}`: {v}" for k, v in MEANING.items()) + ".")
    arms: list[Name] | None = Field(
        default=None,
        description=(
            "The arms that run, by name (an arm with the same settings counts as the same); absent where `when` "
            "looks at the settings of an arm: the arms for which it holds then do not run."
        ),
    )
    when: When = Field(default=When(), description="Conditions under which the statement holds.")
    reason: str = Field(min_length=10, description="Why, in a sentence.")
    source: str = Field(
        min_length=5, description="Who says so: a file of vLLM, an issue, a paper, a probe."
    )

    @model_validator(mode="after")
    def _says_which_arms(self) -> Support:
        if (
            self.status in ("required", "incompatible", "default")
            and self.arms is None
            and not self.when.of_an_arm
        ):
            raise ValueError(
                f"status {self.status!r} needs `arms` (those that run), or a condition on the settings of an arm "
                "(when.env, when.args)"
            )
        return self


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
    config: dict[str, Any] | None = Field(
        default=None,
        description=(
            "What support and memory depend on, out of the config.json of a hub model, field by field as it "
            "stands there; that of a local folder is read."
        ),
    )
    config_source: str | None = Field(default=None, description="Where `config` was read.")
    support: list[Support] = Field(
        default=[], description="Statements; the first that holds decides. Then the rules."
    )

    @model_validator(mode="after")
    def _config_has_a_source(self) -> Entry:
        if self.config is not None and not self.config_source:
            raise ValueError("config_source: say where `config` was read")
        return self


class Catalogue(Strict):
    """config/models.yaml."""

    models: dict[Name, Entry]
    rules: list[Support] = Field(
        default=[],
        description="Statements for every model, by its shape; after the model's own.",
    )


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


def _or(values: list[str] | list[int]) -> str:
    return " or ".join(map(str, values))
