"""What a server argument of a study may hold."""

from __future__ import annotations

ArgValue = str | int | float | bool | list[str | int | float] | dict[str, object] | None
