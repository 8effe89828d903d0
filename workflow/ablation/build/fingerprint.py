"""Runs in the server's Python: which packages it has, and what tells two builds of one version apart.

Standard library of Python 3.8 and later, nothing of this workflow but the two modules that it takes along; it imports
neither vLLM nor torch and touches no GPU. build/server.py starts it and reads its one line of JSON. The same functions
serve the workflow itself, for a virtual environment that is found by its path.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import importlib.util
import json
import os
import re
import stat
import sys
import time
from typing import TYPE_CHECKING, Any

from ablation.build.files import (
    LEFT_FILES,
    WHOLE_BYTES,
    Unreadable,
    as_recorded,
    content,
    pack,
    text_of,
    walk,
    whole,
)
from ablation.build.origin import checkout, entry, in_version, libraries, own_words

if TYPE_CHECKING:  # Python 3.8 cannot subscribe these where they are run
    from collections.abc import Callable, Iterator, Mapping, Sequence

    FindSpec = Callable[[str], Any]
    Listed = Mapping[str, tuple[str, str, int | None]]  # name -> (site folder, sha256, size)

SCHEMA = "ablation.fingerprint/1"
VERIFIED_BYTES = (
    1 << 24
)  # of `record` packages: larger files are held against RECORD by their size only
# An installer writes RECORD last; times of files are whole seconds on some file systems and in layers of images.
SLACK_S = 2.0
# Of `record` packages, these are not looked at: thousands, and none runs.
INERT = re.compile(r".*\.(h|hpp|hxx|cuh|inl|inc|pyi|cmake|md|rst|txt|html)")
MOST_NAMES = 50
EGG = "EGG-INFO"  # in a folder name-version.egg, which `setup.py install` leaves and a .pth file puts on the path


def main(question: Mapping[str, Any]) -> None:
    """Answer on standard output. `question` holds "packages", the table of build/packages.py, "level", `full` or
    `quick`, and "here", the folder that the server is started in, empty where that is of no account.
    """
    with contextlib.suppress(OSError):
        os.nice(5)  # another study may be measuring on this host
    # `-c` puts an empty entry first, which means the working folder; `-m` puts the folder itself.
    path = [place for place in sys.path if place]
    if question["here"] and not getattr(sys.flags, "safe_path", False):
        path.insert(0, question["here"])
    sys.path[:] = path
    rows = question["packages"]
    answer: dict[str, Any] = {"schema": SCHEMA}
    if question["level"] == "quick":
        answer["quick"] = quick(rows, path, importlib.util.find_spec)
    else:
        answer["python"] = sys.version.split()[0] + getattr(sys, "abiflags", "")
        answer["packages"] = packages(rows, path, importlib.util.find_spec)
    # On a line of its own: a script around Python may have written something without an end of line.
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


class Distribution:
    """A *.dist-info or *.egg-info folder, as far as it can be read: any part may be missing or broken."""

    def __init__(self, site: str, folder: str) -> None:
        self.site, self.folder = site, os.path.join(site, folder)
        stem = os.path.basename(site) if folder == EGG else folder
        named, _, rest = stem.rsplit(".", 1)[0].partition("-")
        self.name = re.sub(r"[-_.]+", "-", named).lower()
        self.stated = rest.split("-py")[0] or None
        self._record: dict[str, tuple[str, int | None]] | None = None

    def read(self, name: str) -> str:
        """One of its files; empty where it has none."""
        return text_of(os.path.join(self.folder, name))

    @property
    def version(self) -> str | None:
        """By its METADATA, else by the folder's name."""
        head = (self.read("METADATA") or self.read("PKG-INFO")).split("\n\n", 1)[0]
        found = re.search(r"^Version:[ \t]*(\S+)", head, re.M)
        return found.group(1) if found else self.stated

    @property
    def record(self) -> dict[str, tuple[str, int | None]]:
        """Name from the site folder on -> (sha256, size in bytes) of each file that its RECORD lists."""
        if self._record is None:
            self._record = {}
            rows = csv.reader(self.read("RECORD").replace("\0", "").splitlines())
            with contextlib.suppress(csv.Error):  # what is no table ends here
                for row in rows:
                    if len(row) >= 3 and row[1].startswith("sha256=") and _is_part(row[0]):
                        size = int(row[2]) if row[2].isdecimal() else None
                        self._record[row[0]] = (row[1][len("sha256=") :], size)
        return self._record

    @property
    def recorded_at(self) -> float:
        """When its RECORD was written, in seconds since 1970; 0 where that is not known, or is yet to come."""
        try:
            at = os.stat(os.path.join(self.folder, "RECORD")).st_mtime
        except OSError:
            return 0.0
        return at if at <= time.time() else 0.0

    @property
    def url(self) -> tuple[bool, str | None]:
        """(editable, commit) by direct_url.json (PEP 610)."""
        try:
            url = json.loads(self.read("direct_url.json"))
            editable = bool((url.get("dir_info") or {}).get("editable"))
            return editable, (url.get("vcs_info") or {}).get("commit_id")
        except (ValueError, AttributeError):
            return False, None

    def lists(self, module: str) -> bool:
        """Whether its RECORD lists a top-level module."""
        return any(name == module or name.startswith(f"{module}/") for name in self.record)

    def belongs(self, site: str, module: str) -> bool:
        """Whether a distribution of the right name is that of the module, found in `site`.

        One that lists files, and not this module, left only its name behind; one that lists none cannot be asked.
        """
        if self.url[0]:
            return True
        return not self.record if self.site != site else not self.record or self.lists(module)


def _is_part(name: str) -> bool:
    """Whether a line of RECORD is a file of the package: no script, no metadata, nothing that Python writes."""
    parts = name.split("/")
    if parts[0].endswith((".dist-info", ".egg-info")) or "__pycache__" in parts:
        return False
    if parts[0] in ("", ".."):
        # Scripts hold the path of their Python; libraries beside the site folder are the same wherever they lie.
        return re.fullmatch(r".*\.so(\.[\d.]+)?", parts[-1]) is not None
    return not LEFT_FILES.fullmatch(parts[-1])


def distributions(path: Sequence[str]) -> dict[str, Distribution]:
    """Those on a search path by name; of one name the first, as for the interpreter."""
    found: dict[str, Distribution] = {}
    for site in path:
        with contextlib.suppress(OSError):
            for folder in sorted(os.listdir(site)):
                if folder.endswith((".dist-info", ".egg-info")) or folder == EGG:
                    one = Distribution(site, folder)
                    found.setdefault(one.name, one)
    return found


def present(
    rows: Sequence[Mapping[str, Any]], path: Sequence[str], find_spec: FindSpec
) -> Iterator[tuple[dict[str, Any], list[Distribution], str | None]]:
    """Yields (row, its distributions, the module's folder or file) of what of the table is there.

    After the table come distributions that bring plugins of vLLM, under their own names.
    """
    installed, taken = distributions(path), set()
    for row in rows:
        match = re.compile("|".join(f"(?:{name})" for name in row["distributions"])).fullmatch
        names = [one for name, one in sorted(installed.items()) if match(name)]
        taken |= {one.name for one in names}
        if row["module"] is None:
            for one in names:
                yield {**row, "name": one.name}, [one], None
            continue
        root = module_root(row["module"], find_spec)
        if root is not None:
            site, module = os.path.split(root)
            names = [one for one in names if one.belongs(site, module)] or [
                one for one in installed.values() if one.site == site and one.lists(module)
            ]
        if root is not None or names:
            yield dict(row), names, root
    for name, one in sorted(installed.items()):
        if name not in taken and "[vllm." in one.read("entry_points.txt"):
            yield {"name": name, "depth": "record"}, [one], None


def module_root(module: str, find_spec: FindSpec) -> str | None:
    """The folder of a top-level package, or the file of a module; None where the server would not find it."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or [])
    if spec.origin and os.path.isfile(spec.origin):
        return os.path.dirname(spec.origin) if folders else str(spec.origin)
    return str(folders[0]) if folders else None


def packages(
    rows: Sequence[Mapping[str, Any]], path: Sequence[str], find_spec: FindSpec
) -> list[dict[str, Any]]:
    """What is said of each package that is there, and of the libraries beside them."""
    found: list[dict[str, Any]] = []
    torch = None
    for row, names, root in present(rows, path, find_spec):
        torch = root if row["name"] == "torch" else torch
        try:
            found.append(package(row, names, root))
        except Unreadable as problem:
            version = ", ".join(filter(None, (one.version for one in names))) or None
            found.append(entry(row["name"], version, {}, digest=None, unreadable=str(problem)))
    return found + libraries(torch)


def package(
    row: Mapping[str, Any], names: Sequence[Distribution], root: str | None
) -> dict[str, Any]:
    """One package: distribution, version, commit and the digest of its files. Raises Unreadable."""
    listed = listed_by(names)
    module = os.path.basename(root) if root is not None else None
    # Of an editable install RECORD lists only what leads Python to the sources.
    recorded = any(module is None or one.lists(module) for one in names) and bool(listed)
    if row["depth"] == "record" and (recorded or root is None):
        files, changed = by_record(listed, max((one.recorded_at for one in names), default=0.0))
    else:
        files, changed = by_content(row, root, listed if recorded or root is None else {})
    commit, built_for, said = own_words(root)
    versions = [one.version for one in names if one.version] or [said or ""]
    commit = commit or next((one.url[1] for one in names if one.url[1]), None)
    return entry(
        row["name"],
        ", ".join(version for version in versions if version) or None,
        files,
        distribution=", ".join(one.name for one in names) or None,
        # Of a source tree the checkout knows: its version file is as old as the last build.
        commit=(None if recorded else checkout(root))
        or commit
        or in_version(versions[0])
        or in_version(said),
        built_for=built_for,
        source=root is not None and not recorded,
        changed=sorted(changed)[:MOST_NAMES],
        tree=pack(files) if row["depth"] == "content" else None,
    )


def listed_by(names: Sequence[Distribution]) -> dict[str, tuple[str, str, int | None]]:
    """What the RECORDs of all distributions of one package list."""
    return {name: (one.site, *known) for one in names for name, known in one.record.items()}


def by_record(listed: Listed, since: float) -> tuple[dict[str, str], list[str]]:
    """(hashes, names that were changed) of files for which their RECORD stands.

    A file of another size, or one written after RECORD was (`since`, seconds since 1970), is read, and counts by what
    it holds now.
    """
    files, changed = {}, []
    for name, (site, sha, size) in listed.items():
        file, files[name] = os.path.join(site, name), sha
        if INERT.fullmatch(name):
            continue
        try:
            now = os.stat(file)
            other = size is not None and now.st_size != size
            later = now.st_mtime > since + SLACK_S and now.st_size <= VERIFIED_BYTES
            if other or (later and whole(file) != sha):
                files[name] = content(file, now.st_size)
                changed.append(name)
        except FileNotFoundError:
            files[name] = "missing"
            changed.append(name)
        except OSError as problem:
            raise Unreadable(f"{name}: {problem.strerror}") from problem
    return files, changed


def by_content(
    row: Mapping[str, Any], root: str | None, listed: Listed
) -> tuple[dict[str, str], list[str]]:
    """(hashes, names that were changed since they were installed) of files by what they hold.

    They are those of the module's folder, of folders that lie beside it, and what RECORD lists elsewhere.
    """
    places = {name: os.path.join(known[0], name) for name, known in listed.items()}
    for name, file in own_files(row, root, listed):
        places[name] = file
    files, changed = {}, []
    for name, file in places.items():
        _, sha, recorded_size = listed.get(name, ("", "", None))
        try:
            size = os.stat(file).st_size
            held = content(file, size)
        except FileNotFoundError:
            if sha:
                files[name] = "missing"
                changed.append(name)
            continue
        if sha and size <= WHOLE_BYTES:
            if as_recorded(bytes.fromhex(held)) != sha:
                changed.append(name)
        elif sha:
            # Pieces may agree where builds do not: the installer's hash of the whole counts too.
            held = hashlib.sha256(f"{held} {sha}".encode()).hexdigest()
            if recorded_size not in (None, size):
                changed.append(name)
        files[name] = held
    return files, changed


def own_files(
    row: Mapping[str, Any], root: str | None, listed: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yields (name, file) of a module and of what lies beside it, without what is written while a server runs."""
    if root is None:
        return
    site, module = os.path.split(root)
    generated = re.compile(row.get("generated") or "(?!)").fullmatch
    beside = list(row.get("beside") or [])
    if os.path.isfile(os.path.join(site, "setup.py")):
        beside += row.get("source") or []
    for top in [module, *(name for name in beside if os.path.isdir(os.path.join(site, name)))]:
        for name, file in walk(os.path.join(site, top), top):
            if name in listed or not generated(name):
                yield name, file


def quick(
    rows: Sequence[Mapping[str, Any]], path: Sequence[str], find_spec: FindSpec
) -> str | None:
    """16 hexadecimal digits that change whenever `packages` may: by names, sizes and times, no package is read.

    The same digits mean the same packages; other digits mean that it has to be looked, since a copy or a touch changes
    them too. None where a folder cannot be listed.
    """
    lines = []
    try:
        for row, names, root in present(rows, path, find_spec):
            listed = listed_by(names)
            metadata = [
                os.path.join(one.folder, name)
                for one in names
                for name in ("METADATA", "PKG-INFO", "RECORD", "direct_url.json")
            ]
            read = row["depth"] == "content" or not listed
            files = {
                os.path.join(known[0], name)
                for name, known in listed.items()
                if read or not INERT.fullmatch(name)
            }
            if read:
                files.update(file for _, file in own_files(row, root, listed))
            lines.append(f"{row['name']} {root}\n")
            lines += [_state(file) for file in (*metadata, *sorted(files))]
    except Unreadable:
        return None
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _state(file: str) -> str:
    """What tells that a file is still the same one, unread. Its ctime cannot be set back, as its mtime can."""
    try:
        known = os.stat(file)
    except OSError:
        return f"{file} -\n"
    if not stat.S_ISREG(known.st_mode):
        return f"{file} no file\n"
    return f"{file} {known.st_size} {known.st_mtime_ns} {known.st_ctime_ns} {known.st_ino}\n"
