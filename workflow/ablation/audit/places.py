"""Which file a page of the audit is made of, and which pages there are."""

from __future__ import annotations

import re
from pathlib import Path

from ablation.audit.table import AuditError
from ablation.places import HOME, here_or_home

PUBLISHED = Path("config") / "published"
# The name of a table's folder under results/audit/.
TABLE = r"[A-Za-z0-9][A-Za-z0-9._-]*"


def given_table(value: object) -> str | None:
    """The path of ``--config audit=…``, None where it was not given. Raises AuditError where it names no file."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise AuditError(
            f"audit: {value!r} is not a path; name one CSV file, --config audit=table.csv"
        )
    if set("{}") & set(value):
        raise AuditError(
            f"audit: {value!r} holds a brace, which Snakemake reads as a wildcard; rename the file"
        )
    if not here_or_home(value).is_file():
        raise AuditError(
            f"audit: there is no file {value!r}; name a CSV file by its path from {Path.cwd()}"
        )
    return value


def name_of(path: str) -> str:
    """The name of the folder for a table's file: its stem, with a hyphen for what a path should not hold."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).stem).strip("-._") or "table"


def table_of(name: str, given: str | None) -> str:
    """The file behind a page: the one given with ``--config audit=…``, else config/published/NAME.csv."""
    return str(here_or_home(source_of(name, given)))


def source_of(name: str, given: str | None) -> str:
    """The same file as the page names it, free of the place where the workflow lies."""
    if given is not None and name_of(given) == name:
        return given
    return str(PUBLISHED / f"{name}.csv")


def targets_of(given: str | None) -> list[str]:
    """The page of the given file; without one, the pages of all tables in config/published."""
    if given is not None:
        names = [name_of(given)]
    else:
        folders = dict.fromkeys((PUBLISHED.resolve(), HOME / PUBLISHED))
        names = sorted({path.stem for folder in folders for path in folder.glob("*.csv")})
    return [f"results/audit/{name}/audit.html" for name in names]
