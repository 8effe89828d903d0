"""Arms that a study asks for in a word: leave-one-out arms, written out before validation."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from ablation.study.fields import Name, Strict, Variable, variable_text


class LeaveOneOut(Strict):
    """From one arm, an arm for each component with that component off: which of them makes the difference."""

    arm: Name = Field(description="The arm with all components on.")
    variables: list[Variable] = Field(
        min_length=1, description="Environment variables of the components, one arm each."
    )
    off: str = Field(default="0", description="Value that switches a component off.")

    @field_validator("off", mode="before")
    @classmethod
    def _off_as_text(cls, off: Any) -> str:
        return variable_text(off)


def component(variable: str, variables: list[str], env: dict[str, Any]) -> str:
    """A component in a word: `moe` of VLLM_ROCM_USE_AITER_MOE beside VLLM_ROCM_USE_AITER.

    What is cut off is a variable of the arm that the name goes on from, or else the words that all names share.
    """
    masters = [name for name in env if variable.startswith(f"{name}_")]
    if masters:
        rest = variable[len(max(masters, key=len)) + 1 :]
    else:
        words = [name.split("_") for name in variables]
        shared = 0
        while len(words) > 1 and all(
            len(name) > shared + 1 and name[shared] == words[0][shared] for name in words
        ):
            shared += 1
        rest = "_".join(variable.split("_")[shared:])
    return rest.lower().replace("_", "-")


def leave_one_out(factor: dict[str, Any]) -> dict[str, Any]:
    """A factor's arms with those that `leave_one_out` asks for, `{arm}-without-{component}`.

    What is malformed is left for validation to say. Raises ValueError where a name is taken.
    """
    asked, arms = factor.get("leave_one_out"), factor.get("arms")
    if not isinstance(asked, dict) or not isinstance(arms, dict):
        return arms if isinstance(arms, dict) else {}
    whole, variables = asked.get("arm"), asked.get("variables")
    if not isinstance(whole, str) or whole not in arms or not isinstance(variables, list):
        return arms
    settings = arms[whole] or {}
    if not isinstance(settings, dict):
        return arms
    env = settings.get("env") or {}
    if not isinstance(env, dict) or not all(isinstance(name, str) for name in variables):
        return arms
    made: dict[str, Any] = {}
    for variable in variables:
        what = component(variable, variables, env)
        arm = settings | {
            "env": {**env, variable: str(asked.get("off", "0"))},
            "label": f"{settings.get('label') or whole} without {what}",
        }
        name = f"{whole}-without-{what}"
        if name in made or (name in arms and arms[name] != arm):
            raise ValueError(
                f"leave_one_out.variables: {variable}: there is an arm {name!r} already"
            )
        made[name] = arm
    return {**arms, **made}
