"""A class of failure: what an exception or a line must say, and where it must have been raised."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ablation.evidence.tracebacks import Raised


@dataclass(frozen=True)
class FailureClass:
    """One class: the first that fits the exception, or the line, that ended a server names the cause.

    pattern     is searched in each line of the message; a group in it is the detail that a message shows
    where       must be found in the message or in the frames (path, function, source), if it is given
    not_where   must not be found there
    stages      the stages at which the words mean this class; all where empty
    """

    id: str
    words: str
    remedy: str
    pattern: re.Pattern[str]
    where: re.Pattern[str] | None = None
    not_where: re.Pattern[str] | None = None
    stages: tuple[str, ...] = ()

    def heads(self, raised: Raised, stage: str) -> str | None:
        """The exception's type and first line, if it belongs to this class by them; None "
        "if it does not."""
        fits = self.pattern.search(raised.headline) and self._placed(raised, stage)
        return raised.headline if fits else None

    def continues(self, raised: Raised, stage: str) -> str | None:
        """A further line of the exception's message by which it belongs to this class; "
        "None if there is none."""
        if not self.pattern.pattern or not self._placed(raised, stage):
            return None
        return next((s.strip() for s in raised.lines[1:] if self.pattern.search(s)), None)

    def says(self, line: str, stage: str, near: str = "") -> bool:
        """True where a line outside of any traceback belongs to this class; `near`: the "
        "frames that follow it."""
        return bool(
            self.pattern.pattern
            and self.pattern.search(line)
            and self._place(f"{line}\n{near}", stage)
        )

    def _placed(self, raised: Raised, stage: str) -> bool:
        return self._place(f"{raised.type}: {raised.message}\n{raised.places}", stage)

    def _place(self, text: str, stage: str) -> bool:
        return (
            (not self.stages or stage in self.stages)
            and (self.where is None or bool(self.where.search(text)))
            and (self.not_where is None or not self.not_where.search(text))
        )


def failure_class(
    id: str,
    pattern: str,
    words: str,
    remedy: str,
    *,
    where: str | None = None,
    not_where: str | None = None,
    stages: tuple[str, ...] = (),
) -> FailureClass:
    """A class from expressions in text; case does not count."""
    return FailureClass(
        id,
        words,
        remedy,
        re.compile(pattern, re.I),
        re.compile(where, re.I) if where else None,
        re.compile(not_where, re.I) if not_where else None,
        stages,
    )
