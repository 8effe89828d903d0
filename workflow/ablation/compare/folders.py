"""Which two results folders a comparison names, and whether what it reads there has changed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ablation.errors import UserError

SEPARATOR = "-vs-"
STATISTICS = ("arms", "comparisons")


class CompareError(UserError):
    """Two folders that cannot be compared; names the file, what is wrong, and the remedy."""


def split_pair(pair: str, results: Path) -> tuple[Path, Path]:
    """``a-vs-b`` -> the folders of both. A name may itself hold ``-vs-``: the split that exists is taken.

    Raises CompareError where no split, or more than one, names two folders with a plan.
    """
    at = [match.start() for match in re.finditer(f"(?={SEPARATOR})", pair)]
    splits = [(results / pair[:i], results / pair[i + len(SEPARATOR) :]) for i in at]
    found = [both for both in splits if all((folder / "plan.json").is_file() for folder in both)]
    if len(found) == 1:
        if found[0][0] == found[0][1]:
            raise CompareError(f"{pair}: a study cannot be compared with itself; name two folders")
        return found[0]
    if found:
        ways = "; ".join(f"{a} and {b}" for a, b in found)
        raise CompareError(f"{pair}: can be read in several ways ({ways}); rename a folder")
    if len(splits) == 1:
        lacking = [str(f / "plan.json") for f in splits[0] if not (f / "plan.json").is_file()]
        raise CompareError(
            f"{pair}: no {' and no '.join(lacking)}; both names are folders under {results}/ that hold a "
            "finished study (copy the other machine's folder there, under a name of its own)"
        )
    raise CompareError(
        f"{pair}: not two folders under {results}/ that hold a finished study, with {SEPARATOR!r} between"
    )


def files_of(folder: Path) -> list[Path]:
    """The files that a comparison reads, those that are there."""
    fixed = [folder / "statistics" / f"{name}.parquet" for name in STATISTICS]
    sessions = sorted((folder / "sessions").glob("*/*/*.json"))
    return [path for path in [folder / "plan.json", *fixed, *sessions] if path.is_file()]


def pair_digest(pair: str, results: Path) -> str:
    """Hash of all that the comparison of a pair reads: it is made again when that has changed.

    Empty for a pair that cannot be compared: the comparison itself says why.
    """
    try:
        folders = split_pair(pair, results)
    except CompareError:
        return ""
    known = hashlib.sha256()
    for folder in folders:
        for path in files_of(folder):
            known.update(f"{path}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return known.hexdigest()[:16]
