"""What files hold, in a digest that costs little: of packages and of weights.

Standard library of Python 3.8 and later, nothing of this workflow: build/fingerprint.py takes it along into the
server's Python.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WHOLE_BYTES = 1 << 20  # a file up to this size is read whole, a larger one in pieces
PIECES, PIECE_BYTES = 16, 1 << 16
# Never part of a package: what Python, linters, version control and running programs leave in its folder.
LEFT_FOLDERS = frozenset(
    [
        "__pycache__",
        ".git",
        ".hg",
        ".svn",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".eggs",
    ]
)
LEFT_FILES = re.compile(r".*(\.py[co]|\.log|\.lock|\.tmp|\.sw[op]|\.pid|~)|\.nfs.*|\.DS_Store")


class Unreadable(Exception):
    """A file or folder that this user may not read; the message says which, and why."""


def text_of(file: str) -> str:
    """A text file; empty where it cannot be read."""
    try:
        with open(file, encoding="utf-8", errors="replace") as opened:
            return opened.read()
    except OSError:
        return ""


def walk(top: str, name: str) -> Iterator[tuple[str, str]]:
    """Yields (name, file) of a file, or of all files of a folder; names begin with `name`.

    Links are followed, a folder that was seen is not entered again. Raises Unreadable.
    """
    if os.path.isfile(top):
        yield name, top
        return
    seen, todo = set(), [(top, name)]
    while todo:
        folder, inside = todo.pop()
        try:
            known = os.stat(folder)
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as problem:
            raise Unreadable(f"{inside}: {problem.strerror}") from problem
        if (known.st_dev, known.st_ino) in seen:
            continue
        seen.add((known.st_dev, known.st_ino))
        for entry in found:
            path = f"{inside}/{entry.name}"
            if entry.is_dir():
                if entry.name not in LEFT_FOLDERS and not entry.name.endswith(".egg-info"):
                    todo.append((entry.path, path))
            elif entry.is_file() and not LEFT_FILES.fullmatch(entry.name):
                yield path, entry.path


def content(
    file: str,
    size: int,
    *,
    whole_bytes: int = WHOLE_BYTES,
    pieces: int = PIECES,
    piece_bytes: int = PIECE_BYTES,
) -> str:
    """SHA-256 (64 hexadecimal digits) of a file of `size` bytes, or of its size and `pieces` of it.

    The pieces are both ends and one from each part between them. Where in its part a piece lies follows from the size
    alone: copies agree, and a regular layout is not met at the same place of every row. Raises FileNotFoundError,
    Unreadable.
    """
    try:
        with open(file, "rb") as opened:
            if size <= max(whole_bytes, pieces * piece_bytes):
                return hashlib.sha256(opened.read()).hexdigest()
            digest = hashlib.sha256(b"%d" % size)
            for start in _starts(size, pieces, piece_bytes):
                opened.seek(start)
                digest.update(opened.read(piece_bytes))
            return digest.hexdigest()
    except FileNotFoundError:
        raise
    except OSError as problem:
        raise Unreadable(f"{file}: {problem.strerror}") from problem


def _starts(size: int, pieces: int, piece_bytes: int) -> list[int]:
    """Where the pieces begin, in bytes."""
    last = size - piece_bytes
    part = last / pieces
    inner = []
    for i in range(1, pieces - 1):
        chance = hashlib.sha256(b"%d/%d" % (size, i)).digest()
        inner.append(int(part * (i + int.from_bytes(chance[:4], "big") / 2**32)))
    return [0, *inner, last]


def whole(file: str) -> str:
    """SHA-256 of a whole file as RECORD writes it: URL-safe base 64 without padding (PEP 376, PEP 427)."""
    with open(file, "rb") as opened:
        return as_recorded(hashlib.sha256(opened.read()).digest())


def as_recorded(digest: bytes) -> str:
    """A hash as RECORD writes it."""
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def digest_of(files: Mapping[str, str]) -> str:
    """16 hexadecimal digits over names and hashes."""
    return hashlib.sha256(_lines(files)).hexdigest()[:16]


def pack(files: Mapping[str, str]) -> str:
    """Names and the first 8 digits of each hash, in few enough characters to be kept (see `unpack`)."""
    short = {name: held[:8] for name, held in files.items()}
    return base64.b85encode(zlib.compress(_lines(short), 9)).decode()


def unpack(packed: str) -> dict[str, str]:
    """Name -> the first 8 digits of its hash. Raises ValueError."""
    try:
        text = zlib.decompress(base64.b85decode(packed)).decode("utf-8", "surrogateescape")
    except zlib.error as problem:
        raise ValueError(f"not what `pack` wrote: {problem}") from problem
    lines = (line.rpartition(" ") for line in text.split("\n") if line)
    return {name: held for name, _, held in lines}


def _lines(files: Mapping[str, str]) -> bytes:
    # A name with an end of line in it would read as two; no installer writes one, and no digest hangs on it.
    lines = "".join(f"{name} {held}\n" for name, held in sorted(files.items()))
    return lines.encode("utf-8", "surrogateescape")
