"""What the arms of a block would be launched with, as far as it can be seen from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablation.plan.plan import Session
from ablation.study.config import Study


@dataclass(frozen=True)
class Builds:
    """`digest` of the software and the driver, `weights` by arm; None where it was not seen."""

    digest: str | None = None
    weights: dict[str, str | None] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, study: Study, sessions: Sequence[Session], shell: Mapping[str, str]) -> Builds:
        """Look at the server's Python or image, the driver, the GPUs, and the model's files."""
        return cls()

    def record(self, arm: str) -> dict[str, Any]:
        """What a launch of an arm keeps of it."""
        return {"digest": self.digest, "weights_digest": self.weights.get(arm), **self.parts}
