"""The factor of a study: what is varied, its arms, and the arms that are made from others."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from ablation.study.arms import LeaveOneOut, leave_one_out
from ablation.study.expressions import check_expression
from ablation.study.fields import Name, Settings, Strict


class Arm(Settings):
    """One setting of the factor."""

    label: str | None = Field(default=None, description="How figures and tables name the arm.")
    evidence: str | None = Field(
        default=None,
        description=(
            "Regular expression that a line of the server's log must match to prove that the treatment took "
            "effect. What the arm's own settings promise is checked without it: a forced backend must be in use, "
            "`VLLM_ROCM_USE_AITER` must bring AITER's kernels or keep them out, no variable may be unknown."
        ),
    )
    counter_evidence: str | None = Field(
        default=None,
        description="Regular expression that no line of the server's log may match (a fallback, an override).",
    )
    paths: dict[Name, str] = Field(
        default={},
        description=(
            "Model -> another folder or hub name for this arm: an FP8 checkpoint against BF16, for example."
        ),
    )
    url: str | None = Field(
        default=None,
        description="With `server.launch.kind: endpoint`: where the arm's server is, `http://host:8000`.",
    )

    @field_validator("evidence", "counter_evidence")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            check_expression(pattern)
        return pattern

    def changes(self, other: Arm) -> list[str]:
        """Names of the settings in which two arms differ; what only names or proves them is none.

        Arguments are compared as the server sees them: 8 and '8' are the same.
        """
        return [
            name
            for name in ("env", "args", "paths", "url")
            if self._seen(name) != other._seen(name)
        ]

    def _seen(self, name: str) -> object:
        value = getattr(self, name)
        return {k: str(v) for k, v in value.items()} if name == "args" else value


def again_of(baseline: str) -> str:
    """Name of the arm that `noise_floor` adds."""
    return f"{baseline}-again"


class Factor(Strict):
    """What is varied."""

    name: Name = Field(
        description="Name of the factor; `config/models.yaml` states support by this name."
    )
    title: str = Field(description="The factor in words.")
    baseline: Name = Field(description="The arm that the others are compared with.")
    arms: dict[Name, Arm] = Field(
        description="The arms by name; two for an A/B study.", min_length=1
    )
    noise_floor: bool = Field(
        default=False,
        description=(
            "Launch the baseline a second time in every block, as an arm `{baseline}-again`: the A/A comparison "
            "that says what launches differ by when nothing was changed."
        ),
    )
    leave_one_out: LeaveOneOut | None = Field(
        default=None,
        description=(
            "Add an arm `{arm}-without-{component}` for each of some variables, with that one off: which component "
            "of a treatment makes the difference."
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _add_leave_one_out_arms(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("leave_one_out"):
            return data
        return data | {"arms": leave_one_out(data)}

    @model_validator(mode="before")
    @classmethod
    def _add_the_second_baseline(cls, data: Any) -> Any:
        # What is malformed is left for validation to say. `--config` gives truth as text.
        if not isinstance(data, dict) or str(data.get("noise_floor")).lower() != "true":
            return data
        arms, baseline = data.get("arms"), data.get("baseline")
        if not isinstance(arms, dict) or not isinstance(baseline, str) or baseline not in arms:
            return data
        again = arms[baseline] or {}
        if not isinstance(again, dict) or again_of(baseline) in arms:
            return data
        again = again | {"label": f"{again.get('label') or baseline} again (A/A)"}
        return data | {"arms": {**arms, again_of(baseline): again}}

    @model_validator(mode="after")
    def _an_arm_of_the_users_own_is_the_baseline_again(self) -> Factor:
        again = self.arms.get(again_of(self.baseline))
        if self.noise_floor and again is not None and self.baseline in self.arms:
            changes = again.changes(self.arms[self.baseline])
            if changes:
                raise ValueError(
                    f"arms.{again_of(self.baseline)}: noise_floor makes an arm of this name, the baseline a second "
                    f"time, and here it has another {', '.join(changes)}; give your arm another name, or set "
                    "noise_floor to false"
                )
        return self

    @model_validator(mode="after")
    def _baseline_is_an_arm(self) -> Factor:
        if self.baseline not in self.arms:
            raise ValueError(
                f"baseline: {self.baseline!r} is not one of the arms {sorted(self.arms)}"
            )
        if self.leave_one_out is not None and self.leave_one_out.arm not in self.arms:
            raise ValueError(
                f"leave_one_out.arm: {self.leave_one_out.arm!r} is not one of the arms {sorted(self.arms)}"
            )
        return self
