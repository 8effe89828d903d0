"""What is done with a kept server.log: hide secrets in it, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ablation.evidence.stamps import STAMP, is_stamped, split_lines
from ablation.files import whole
from ablation.session.environment import scrub


def keep_log_without_secrets(path: Path, hidden: Sequence[str]) -> None:
    """Rewrite a log, whole or not at all, where one of the `hidden` values stands in it; nothing where there is none.

    The stamps of its lines and all other bytes stay as they are. Raises OSError where the disk does not take it.
    """
    if not hidden or not path.is_file():
        return
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    clean = scrub_log(text, hidden)
    if clean == text:
        return
    with whole(path) as partial:
        partial.write_bytes(clean.encode("utf-8", "surrogateescape"))


def scrub_log(log: str, values: Sequence[str]) -> str:
    """A log without the secret values, also where one spans several lines, which have stamps between them.

    A value that happens to be a part of a stamp (a number, a year) leaves the stamp as it is.
    """
    if not is_stamped(log):
        return scrub(log, values)
    stamp = re.sub(r"\?P<\w+>", "?:", STAMP.pattern)
    for value in values:
        parts = [re.escape(part) for part in split_lines(value)]
        if not any(parts):
            continue
        secret = rf"(?:\r\n|\n|\r)(?:{stamp})?".join(parts)
        log = re.sub(rf"(?P<stamp>{stamp})|{secret}", lambda found: found["stamp"] or "***", log)
    return log
