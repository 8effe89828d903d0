"""Claims for tests: the settings in force of one launch, all of them changed where a test says nothing else."""

from typing import Any

from ablation.evidence.claim import Claim
from ablation.evidence.launch import collect
from ablation.evidence.lines import once
from ablation.evidence.reading import read
from ablation.evidence.treatment import treatment


def claim(
    *,
    env: dict[str, str] | None = None,
    args: dict[str, Any] | None = None,
    changed: list[str] | None = None,
    vllm: str = "",
    **more: Any,
) -> Claim:
    """What a launch with these settings claims. Without a version the server's own is believed.

    `changed` names what differs from the baseline: capitals are variables.
    """
    env, args = env or {}, args or {}
    names = sorted({*env, *args}) if changed is None else changed
    settings = {
        "kind": "vllm",
        "vllm": vllm,
        "location": "m",
        "env": env,
        "args": args,
        "variables": [name for name in names if name != name.lower()],
        "arguments": [name for name in names if name == name.lower()],
    }
    return Claim(**(settings | more))


def proof(log: str, what: Claim) -> dict[str, Any]:
    """The treatment as `collect` has it."""
    return treatment(once(log), read(once(log)), what)


def launch(log: str, what: Claim, number: int = 1) -> dict[str, Any]:
    """A launch as a session's evidence holds it."""
    return {"launch_id": f"launch-{number}"} | collect(log, what)


def session(arm: str, *launches: dict[str, Any]) -> dict[str, Any]:
    """A session of model `m` whose launches all gave runs."""
    runs = [{"launch_id": one["launch_id"]} for one in launches]
    return {"model": "m", "arm": arm, "block": 1, "launches": list(launches), "runs": runs}
