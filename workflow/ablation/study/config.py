"""The study: every field that a study's YAML may hold, its type, default and meaning.

This is the one typed source: `config/README.md` and `workflow/schemas/study.schema.json` are generated
from it (`make docs`), and a test fails when they drift.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ablation.study.accuracy import Accuracy
from ablation.study.architecture import check_architecture
from ablation.study.factor import Arm, Factor
from ablation.study.fields import WEEK_S, Name, Settings, Strict
from ablation.study.gates import Gates, Slo
from ablation.study.launch import check_launch
from ablation.study.server import Server
from ablation.study.telemetry import Telemetry
from ablation.study.workload import Workload

__all__ = ["Arm", "Factor", "Server", "Study", "settings_of"]

# A plan of 100,000 runs takes half a minute and 70 MB.
MOST_BLOCKS, MOST_RUNS = 1000, 100_000
# Each request in flight has a connection, and Linux gives a client some 28,000 ports (net.ipv4.ip_local_port_range),
# 64,500 at the most.
MOST_IN_FLIGHT = 60_000


class Expect(Strict):
    """What the plan's times are computed from. A guess costs nothing but a wrong estimate."""

    start_s: float = Field(default=60, gt=0, le=WEEK_S, description="Seconds from launch to ready.")
    stop_s: float = Field(
        default=5,
        ge=0,
        le=WEEK_S,
        description="Seconds from the stop signal to a free accelerator.",
    )
    output_tok_s: dict[Annotated[int, Field(ge=1)], Annotated[float, Field(ge=0.001, le=1e9)]] = (
        Field(
            default={1: 50.0},
            min_length=1,
            description="Output tokens per second expected at some levels; between them the plan interpolates.",
        )
    )


class Model(Settings):
    """A model in the study."""

    catalogue: Name | None = Field(
        default=None, description="Entry of `config/models.yaml`; the model's own name when absent."
    )
    path: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="Folder or hub name given to the server; the catalogue's when absent.",
    )
    arms: list[Name] | None = Field(
        default=None, description="Only these arms, where the catalogue permits more.", min_length=1
    )
    blocks: Annotated[int, Field(ge=1, le=MOST_BLOCKS)] | None = Field(
        default=None, description="Blocks for this model; the design's when absent."
    )
    vocabulary: int | None = Field(
        default=None,
        ge=8,
        description="Token ids of prompts are drawn below this; read from the model's config.json when absent.",
    )
    expect: Expect | None = Field(
        default=None, description="Times for the plan; the study's when absent."
    )
    limits: Literal["refuse", "warn"] = Field(
        default="refuse",
        description=(
            "What to do where the model's config.json says that it cannot run here (heads, weight blocks, memory)."
        ),
    )


class Sequential(Strict):
    """Look while blocks are added, and stop when every level of a model has its verdict."""

    first: int = Field(default=6, ge=3, le=MOST_BLOCKS, description="Blocks at the first look.")
    every: int = Field(default=2, ge=1, le=MOST_BLOCKS, description="Blocks between looks.")


class Design(Strict):
    """How often, in which order, and what counts as equal."""

    blocks: int = Field(
        default=6, ge=1, le=MOST_BLOCKS, description="Replicates: each launches every arm once."
    )
    levels: list[Annotated[int, Field(ge=1, le=MOST_IN_FLIGHT)]] = Field(
        default=[1, 10, 100],
        min_length=1,
        max_length=1000,
        description="Concurrencies: so many requests are in flight.",
    )
    equivalence_margin_percent: float = Field(
        default=2.0,
        gt=0,
        lt=100,
        description="Differences within this margin are called equivalent.",
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Of all intervals.")
    sitting_gap_s: float | None = Field(
        default=None,
        ge=0,
        description=(
            "Most seconds between two launches of a block that still count as measured together; as long as the "
            "block's longest launch when absent, and 10 minutes at least."
        ),
    )
    reuse: bool = Field(
        default=False,
        description=(
            "Pair launches that were not measured together, rather than measuring their block again. The numbers are "
            "then given and the verdict is withheld."
        ),
    )
    give_up_after: int = Field(
        default=2,
        ge=1,
        description=(
            "An arm that has failed so often in the same way is not launched again before the next command, which "
            "tries again what failed."
        ),
    )
    sequential: Sequential | None = Field(
        default=None,
        description=(
            "`{}` or its fields: stop adding blocks to a model once its verdicts are settled, with an error rate "
            "that holds under repeated looks; `blocks` is then the most."
        ),
    )

    @model_validator(mode="after")
    def _looks_come_before_the_end(self) -> Design:
        if self.sequential is not None and self.sequential.first > self.blocks:
            raise ValueError(
                f"sequential.first: {self.sequential.first} is more than the {self.blocks} blocks there are"
            )
        return self

    @field_validator("levels")
    @classmethod
    def _levels_ascend(cls, levels: list[int]) -> list[int]:
        if sorted(set(levels)) != levels:
            raise ValueError(f"{levels} must ascend without repeats: {sorted(set(levels))}")
        return levels


class Hardware(Strict):
    """What the study runs on, as the support catalogue names it."""

    platform: Literal["cpu", "rocm", "cuda"] = Field(default="cpu", description="Platform of vLLM.")
    gpu: str | None = Field(default=None, description="GPU by name, for the report.")
    architecture: str | None = Field(
        default=None, description="`gfx942`, `gfx950`, `sm_90`, `x86_64` ..."
    )
    gpus: int = Field(default=0, ge=0, le=1024, description="GPUs of the host.")

    @model_validator(mode="after")
    def _architecture_is_the_platforms(self) -> Hardware:
        if self.architecture is not None:
            try:
                check_architecture(self.architecture, self.platform)
            except ValueError as error:
                raise ValueError(f"architecture: {error}") from None
        return self


class Probe(Strict):
    """A model and an arm to try with `snakemake probe`."""

    model: Name = Field(description="Model of the study.")
    arm: Name = Field(description="Arm of the factor.")


class Study(Strict):
    """One study, results in `results/{study}/`."""

    study: Name = Field(description="Name of the study and of its folder under `results/`.")
    title: str = Field(description="Headline of the report.")
    description: str = Field(default="", description="What the study asks, in a sentence or two.")
    seed: int = Field(default=1, ge=0, description="Of the order of launches and of all prompts.")
    hardware: Hardware = Hardware()
    factor: Factor
    models: dict[Name, Model] = Field(min_length=1, description="Models by name.")
    design: Design = Design()
    workload: Workload = Workload()
    server: Server
    expect: Expect = Expect()
    gates: Gates = Gates()
    slo: Slo = Slo()
    accuracy: Accuracy = Accuracy()
    telemetry: Telemetry = Telemetry()
    catalogue: str = Field(default="config/models.yaml", description="Support catalogue.")
    probe: list[Probe] = Field(
        default=[],
        description=(
            "Pairs of `model` and `arm` that `snakemake probe` tries, beside all that the catalogue calls impossible."
        ),
    )
    published: str | None = Field(
        default=None, description="CSV of a published table whose audit stands in the report."
    )

    @model_validator(mode="after")
    def _arms_of_models_exist(self) -> Study:
        for name, model in self.models.items():
            for arm in model.arms or ():
                if arm not in self.factor.arms:
                    raise ValueError(
                        f"models.{name}.arms: {arm!r} is not one of {sorted(self.factor.arms)}"
                    )
        for arm, settings in self.factor.arms.items():
            for name in settings.paths:
                if name not in self.models:
                    raise ValueError(
                        f"factor.arms.{arm}.paths: {name!r} is not one of the models {sorted(self.models)}"
                    )
        return self

    @model_validator(mode="after")
    def _is_no_larger_than_a_plan(self) -> Study:
        blocks = sum(model.blocks or self.design.blocks for model in self.models.values())
        runs = blocks * len(self.factor.arms) * len(self.design.levels)
        if runs > MOST_RUNS:
            raise ValueError(
                f"design: {runs:,} runs (blocks of all models x arms x levels) are more than the {MOST_RUNS:,} that a "
                "plan may hold; ask for fewer, or make several studies of it"
            )
        return self

    @model_validator(mode="after")
    def _variables_come_from_one_place(self) -> Study:
        for where, part in settings_of(self).items():
            for name in self.server.pass_env:
                if name in part.env:
                    raise ValueError(
                        f"{where}.env.{name}: stands under server.pass_env too, and the shell's value would win over "
                        "this one; take one out"
                    )
        return self

    @model_validator(mode="after")
    def _probes_exist(self) -> Study:
        for number, probe in enumerate(self.probe):
            if probe.model not in self.models:
                raise ValueError(
                    f"probe[{number}].model: {probe.model!r} is not one of {sorted(self.models)}"
                )
            if probe.arm not in self.factor.arms:
                raise ValueError(
                    f"probe[{number}].arm: {probe.arm!r} is not one of {sorted(self.factor.arms)}"
                )
        return self

    @model_validator(mode="after")
    def _launch_fits(self) -> Study:
        check_launch(
            self.server.launch,
            {name: arm.url for name, arm in self.factor.arms.items()},
            settings_of(self),
            warm_launch=self.server.warm_launch,
        )
        return self

    @property
    def simulated(self) -> bool:
        """True where no real server was measured."""
        return self.server.kind == "reference"


def settings_of(study: Study) -> dict[str, Settings]:
    """Where the parts of a study stand that hold variables and server arguments -> the parts."""
    settings: dict[str, Settings] = {"server": study.server}
    settings |= {f"models.{name}": model for name, model in study.models.items()}
    return settings | {f"factor.arms.{name}": arm for name, arm in study.factor.arms.items()}
