"""The plan of a study, typed: what plan.json holds, and what every stage after it reads.

results/{study}/plan.json
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from ablation.accuracy.settings import Questions
from ablation.evidence.claim import Claim
from ablation.plan.resolved import Resolved, Spec
from ablation.plan.spec import run_spec
from ablation.study.catalogue import Status
from ablation.study.config import Arm, Study
from ablation.study.load import StudyError
from ablation.study.workload import Image, Length

SCHEMA: Final = "ablation.plan/2"


@dataclass(frozen=True)
class Load:
    """The load of one level: all that the client is told, but the server's address."""

    concurrency: int
    requests: int
    warmup_requests: int
    ramp_s: float
    request_timeout_s: float
    route: Literal["completions", "chat"]
    input_tokens: int | Length
    output_tokens: int | Length
    vocabulary: int
    prompt_seed: str
    prompts: str | None = None  # digest of the prompt file's content
    image: Image | None = None

    def spec(self) -> Spec:
        """What of it decides a measurement: all; what is absent is left out, so that old addresses stay."""
        found: Spec = {}
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if value is not None or name not in ("prompts", "image"):
                found[name] = value.model_dump() if isinstance(value, Length | Image) else value
        return found


@dataclass(frozen=True)
class Level:
    """One level of a session, and the address of its run in the store."""

    load: Load
    run_hash: str
    expected_s: float

    @property
    def concurrency(self) -> int:
        """Requests in flight."""
        return self.load.concurrency


@dataclass(frozen=True)
class Session:
    """One launch of the plan: (model, arm, block) and the load driven against it. `rank` is its place in the order.

    `claim` is what its log has to prove; it decides no measurement.
    """

    model: str
    arm: str
    block: int
    rank: int
    launch: Resolved
    claim: Claim
    session_hash: str
    levels: list[Level]
    questions: Questions | None
    expected_s: float

    @property
    def id(self) -> str:
        """`model/arm/block-n`, as in paths."""
        return f"{self.model}/{self.arm}/block-{self.block}"

    @property
    def spec(self) -> Spec:
        """What decides this launch."""
        return self.launch.spec(self.model, self.arm, self.block)

    def run_spec(self, level: Level) -> Spec:
        """What decides one of its runs."""
        return run_spec(self.spec, level.load.spec())


@dataclass(frozen=True)
class ComputedArm:
    """What config.json says of one GPU of an arm: heads, memory."""

    heads_per_gpu: int
    kv_heads_per_gpu: int
    weights_gib: float | None
    kv_cache_bytes_per_token: float | None
    gpu_memory_gib: float | None
    source: str


@dataclass(frozen=True)
class PlannedModel:
    """A model of the study: the arms that it runs, how often, and why not the others."""

    title: str
    architecture: str | None
    stands_for: str | None
    location: str
    locations: dict[str, str]
    generated: bool
    status: Status
    arms: list[str]
    blocks: int
    reason: str
    source: str
    condition: str
    computed: dict[str, ComputedArm] = field(default_factory=dict)


@dataclass(frozen=True)
class Excluded:
    """A (model, arm) that is not scheduled, and why."""

    model: str
    arm: str
    status: Status
    reason: str
    source: str
    condition: str


@dataclass(frozen=True)
class Cautioned:
    """What a reader must know of some arms of a model, though they run."""

    model: str
    arms: list[str]
    reason: str
    source: str
    condition: str


@dataclass(frozen=True)
class Plan:
    """A planned study. `sessions` are in the order in which they are launched; `gpu_hours` are of all of them."""

    study: Study
    config_hash: str
    models: dict[str, PlannedModel]
    excluded: list[Excluded]
    cautions: list[Cautioned]
    sessions: list[Session]
    warnings: list[str]
    schema: Literal["ablation.plan/2"] = SCHEMA

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.study.study

    @property
    def title(self) -> str:
        """Headline of the study."""
        return self.study.title

    @property
    def simulated(self) -> bool:
        """True where no real server is measured."""
        return self.study.simulated

    @property
    def baseline(self) -> str:
        """The arm that the others are compared with."""
        return self.study.factor.baseline

    @property
    def arms(self) -> dict[str, Arm]:
        """Arms of the factor by name."""
        return self.study.factor.arms

    @property
    def levels(self) -> list[int]:
        """Concurrencies."""
        return self.study.design.levels

    def arm_label(self, arm: str) -> str:
        """How a reader sees an arm."""
        known = self.arms.get(arm)
        return (known.label if known else None) or arm

    def model_title(self, model: str) -> str:
        """How a reader sees a model."""
        known = self.models.get(model)
        return (known.title if known else None) or model

    @property
    def expected_s(self) -> float:
        """Expected seconds of all sessions."""
        return sum(session.expected_s for session in self.sessions)

    @property
    def gpu_hours(self) -> float:
        """Expected GPU-hours of all sessions."""
        return sum(s.expected_s * s.launch.gpus for s in self.sessions) / 3600


_PLAN = TypeAdapter(Plan)


def plan_json(plan: Plan) -> str:
    """The plan as it stands in plan.json."""
    return json.dumps(_PLAN.dump_python(plan, mode="json"), indent=1) + "\n"


def read_plan(path: Path) -> Plan:
    """A plan.json read back. Raises StudyError naming the file, what is wrong with it, and the remedy."""
    remedy = "derive it again: snakemake --cores 1 report, with the study's configuration"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(f"{path}: cannot be read ({error}); {remedy}") from None
    found = document.get("schema") if isinstance(document, dict) else None
    if found != SCHEMA:
        raise StudyError(f"{path}: has schema {found!r}, {SCHEMA!r} is read here; {remedy}")
    try:
        return _PLAN.validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise StudyError(f"{path}: {where}: {first['msg']}; {remedy}") from None
