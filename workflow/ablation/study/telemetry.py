"""What a study may say of power, clocks and throttling. None of it decides a measurement: not in any hash."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ablation.study.fields import Strict


class Telemetry(Strict):
    """Power, energy, clocks, throttling and memory of the devices that the server uses."""

    enabled: Literal["auto"] | bool = Field(
        default="auto",
        description=(
            "`auto` samples where the machine lets it and says why where it does not; `true` refuses to launch "
            "without; `false` samples nothing."
        ),
    )
    period_s: float = Field(default=0.5, ge=0.05, le=60, description="Seconds between two samples.")
