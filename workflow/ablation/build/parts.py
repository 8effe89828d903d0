"""A build: all that decides a measurement and does not stand in its study, as it was found where the server ran."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SCHEMA = "ablation.build/1"
UNSEEN = "not seen"  # in what a digest is over


@dataclass(frozen=True, eq=False)
class NotSeen:
    """What could not be looked at from here, and why. It equals nothing, not even what was not seen elsewhere."""

    why: str


@dataclass(frozen=True)
class Package:
    """A package of the server's Python, or a library that it loads.

    name          as in the table of build/packages.py
    distribution  under which it was installed; None where nothing says (a source tree on the path)
    version       as found, with its local label: 0.32.0 and 0.32.0+cpu are not the same
    commit        that it was built from, where it says so
    built_for     HIP or CUDA, as torch says it
    source        whether it runs from a source tree
    files         how many files the digest is over
    digest        16 hexadecimal digits over names and contents of its files
    changed       names of files that are not as their installer left them, at most 50
    tree          names and short hashes of its files, packed (build/files.py); None where they are not kept
    """

    name: str
    distribution: str | None
    version: str | None
    commit: str | None
    built_for: str | None
    source: bool
    files: int
    digest: str | NotSeen
    changed: tuple[str, ...] = ()
    tree: str | None = field(default=None, compare=False)

    def identity(self) -> dict[str, Any]:
        """What makes it this package and no other; the rest follows from it, or is for people."""
        return {
            "name": self.name,
            "distribution": self.distribution,
            "version": self.version,
            "digest": _plain(self.digest),
        }


@dataclass(frozen=True)
class Server:
    """What serves: a Python and its packages; of a container the image, by its digest, too."""

    python: str | NotSeen
    packages: tuple[Package, ...] | NotSeen
    image: str | None = None


@dataclass(frozen=True)
class Host:
    """What it runs on.

    platform  cuda, rocm or cpu
    driver    of the GPUs, by its version; None on a CPU
    runtime   the newest CUDA that the driver serves; None where a driver has no such thing
    gpus      one model for each GPU that the server uses, in their order; of AMD with its partition
    cpu       the model of the CPU and how many the host has, where the server computes on it
    """

    platform: str
    driver: str | NotSeen | None
    runtime: str | NotSeen | None
    gpus: tuple[str, ...] | NotSeen
    cpu: str | NotSeen | None


@dataclass(frozen=True)
class ModelFile:
    """A file of a model: name in its folder, bytes, digest of 16 hexadecimal digits; weights, or else a small file."""

    name: str
    size: int
    digest: str
    weights: bool


@dataclass(frozen=True)
class Model:
    """Files of a model that decide what is served. Where they lie is no part of it: a copy is the same model."""

    location: str
    revision: str | None
    files: tuple[ModelFile, ...]

    def identity(self) -> list[list[Any]]:
        """What makes it this model and no other."""
        return sorted([one.name, one.size, one.digest] for one in self.files)


@dataclass(frozen=True)
class Build:
    """Server, host and models (by role: model, tokenizer, draft) of a launch."""

    server: Server | NotSeen
    host: Host | NotSeen
    models: Mapping[str, Model | NotSeen]

    def digest(self) -> str:
        """16 hexadecimal digits over all that makes this build.

        Two builds of one digest agree in everything that was seen of both. What was not seen counts as "not seen",
        whatever the reason: see `words.relation` before it is taken for the same.
        """
        return _digest({**self._software(), "models": self._models()})

    def software_digest(self) -> str | None:
        """The same over server and host; None where a part of them was not seen, so that it equals nothing."""
        return _digest_of_seen(self._software())

    def models_digest(self) -> str | None:
        """The same over the models; None where one was not seen, or there is none."""
        return _digest_of_seen(self._models()) if self.models else None

    def _software(self) -> dict[str, Any]:
        return {"server": _identity_of_server(self.server), "host": _plain(self.host)}

    def _models(self) -> dict[str, Any]:
        return {
            role: UNSEEN if isinstance(one, NotSeen) else one.identity()
            for role, one in self.models.items()
        }

    def to_json(self, *, trees: bool = True) -> dict[str, Any]:
        """As JSON keeps it. Without `trees` it is small enough for every record, and files cannot be told by name."""
        document = {"schema": SCHEMA, "digest": self.digest(), **_to_json(self)}
        if not trees and "packages" in document["server"]:
            for package in _rows(document["server"]["packages"]):
                package["tree"] = None
        return document

    @staticmethod
    def from_json(document: Any) -> Build:
        """From `to_json`. Of what was stored before builds were, or by another schema, nothing was seen."""
        try:
            if document["schema"] != SCHEMA:
                return unseen(f"recorded by another schema ({document['schema']})")
            return Build(
                _server(document["server"]),
                _seen(document["host"], _host),
                {role: _seen(one, _model) for role, one in document["models"].items()},
            )
        except (KeyError, TypeError, AttributeError, ValueError):
            return unseen("no build was recorded" if not document else "the record of it is broken")


def unseen(why: str) -> Build:
    """A build of which nothing is known."""
    return Build(NotSeen(why), NotSeen(why), {"model": NotSeen(why)})


def _digest(identity: Mapping[str, Any]) -> str:
    text = json.dumps({"schema": SCHEMA, **identity}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest_of_seen(identity: Mapping[str, Any]) -> str | None:
    return None if _holds_unseen(identity) else _digest(identity)


def _holds_unseen(identity: Any) -> bool:
    if isinstance(identity, Mapping):
        return any(map(_holds_unseen, identity.values()))
    if isinstance(identity, list):
        return any(map(_holds_unseen, identity))
    return bool(identity == UNSEEN)


def _identity_of_server(server: Server | NotSeen) -> Any:
    if isinstance(server, NotSeen):
        return UNSEEN
    packages = server.packages
    return {
        "python": _plain(server.python),
        "image": server.image,
        "packages": UNSEEN
        if isinstance(packages, NotSeen)
        else sorted((one.identity() for one in packages), key=lambda one: str(one["name"])),
    }


def _plain(value: Any) -> Any:
    """For a digest: dataclasses as dictionaries, what was not seen without its reason."""
    if isinstance(value, NotSeen):
        return UNSEEN
    if isinstance(value, Host):
        return {name: _plain(part) for name, part in vars(value).items()}
    return list(value) if isinstance(value, tuple) else value


def _to_json(value: Any) -> Any:
    if isinstance(value, NotSeen):
        return {"not_seen": value.why}
    if isinstance(value, Mapping):
        return {name: _to_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(part) for part in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _to_json(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


def _seen(value: Any, make: Any) -> Any:
    """`make` of a stored value, or NotSeen where that is what was stored."""
    if isinstance(value, dict) and set(value) == {"not_seen"}:
        return NotSeen(str(value["not_seen"]))
    return make(value)


def _same(value: Any) -> Any:
    return value


def _rows(packages: Any) -> list[dict[str, Any]]:
    return packages if isinstance(packages, list) else []


def package_from(row: Mapping[str, Any]) -> Package:
    """A package from JSON. Raises KeyError, TypeError."""
    return Package(
        **{
            **row,
            "digest": _seen(row["digest"], str),
            "changed": tuple(row.get("changed") or ()),
        }
    )


def _server(value: Any) -> Server | NotSeen:
    def make(stored: Mapping[str, Any]) -> Server:
        return Server(
            _seen(stored["python"], str),
            _seen(stored["packages"], lambda rows: tuple(map(package_from, rows))),
            stored["image"],
        )

    found: Server | NotSeen = _seen(value, make)
    return found


def _host(stored: Mapping[str, Any]) -> Host:
    return Host(
        stored["platform"],
        _seen(stored["driver"], _same),
        _seen(stored["runtime"], _same),
        _seen(stored["gpus"], tuple),
        _seen(stored["cpu"], _same),
    )


def _model(stored: Mapping[str, Any]) -> Model:
    files = tuple(ModelFile(**one) for one in stored["files"])
    return Model(stored["location"], stored["revision"], files)
