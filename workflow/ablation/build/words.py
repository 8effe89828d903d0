"""What two builds differ in, in words for a person; what was not seen of either is said, and is never the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ablation.build.files import unpack
from ablation.build.parts import Build, Host, Model, ModelFile, NotSeen, Package, Server

Relation = Literal["same", "different", "cannot be told"]

MOST_NAMES = 5
_MISSING = object()


@dataclass(frozen=True)
class Difference:
    """One sentence. `seen` is false where it says only that something could not be compared."""

    text: str
    seen: bool = True


def differences(one: Build, other: Build) -> list[str]:
    """What the second build has other than the first, and what could not be compared; empty where all is the same."""
    return [found.text for found in compare(one, other)]


def relation(one: Build, other: Build) -> Relation:
    """`different` where anything that was seen differs; `cannot be told` where a part of either was not seen."""
    found = compare(one, other)
    if any(difference.seen for difference in found):
        return "different"
    return "cannot be told" if found else "same"


def compare(one: Build, other: Build) -> list[Difference]:
    """All differences, those in what was not seen last."""
    found = [
        *_servers(one.server, other.server),
        *_hosts(one.host, other.host),
        *_models(one.models, other.models),
    ]
    return sorted(found, key=lambda difference: not difference.seen)


def _unseen(what: str, one: Any, other: Any) -> Iterator[Difference]:
    """That a part cannot be compared, where it cannot."""
    reasons = [part.why for part in (one, other) if isinstance(part, NotSeen)]
    if len(reasons) == 2:
        text = reasons[0] if reasons[0] == reasons[1] else f"{reasons[0]}; {reasons[1]}"
        yield Difference(f"{what}: not seen on either side ({text})", seen=False)
    elif reasons:
        side = "the first" if isinstance(one, NotSeen) else "the second"
        yield Difference(f"{what}: not seen on {side} side ({reasons[0]})", seen=False)


def _value(what: str, one: Any, other: Any) -> Iterator[Difference]:
    if isinstance(one, NotSeen) or isinstance(other, NotSeen):
        yield from _unseen(what, one, other)
    elif one != other:
        yield Difference(f"{what} {_text(one)} -> {_text(other)}")


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if not isinstance(value, tuple):
        return str(value)
    counts = {part: value.count(part) for part in value}
    return (
        ", ".join(f"{n} x {part}" if n > 1 else str(part) for part, n in counts.items()) or "none"
    )


def _servers(one: Server | NotSeen, other: Server | NotSeen) -> Iterator[Difference]:
    if isinstance(one, NotSeen) or isinstance(other, NotSeen):
        yield from _unseen("the server's packages", one, other)
        return
    yield from _value("image", _short(one.image), _short(other.image))
    yield from _value("Python", one.python, other.python)
    if isinstance(one.packages, NotSeen) or isinstance(other.packages, NotSeen):
        yield from _unseen("the server's packages", one.packages, other.packages)
        return
    before, after = _by_name(one.packages), _by_name(other.packages)
    for name in dict.fromkeys([*before, *after]):
        yield from _packages(before.get(name), after.get(name))


def _short(image: str | None) -> str | None:
    return image.removeprefix("sha256:")[:12] if image else image


def _by_name(packages: Sequence[Package]) -> dict[str, Package]:
    return {package.name: package for package in packages}


def _packages(one: Package | None, other: Package | None) -> Iterator[Difference]:
    if one is None or other is None:
        there = one or other
        assert there is not None
        where = "the first" if other is None else "the second"
        yield Difference(f"{_called(there)}: only on {where} side")
    elif one.version != other.version:
        commits = one.commit != other.commit
        yield Difference(f"{one.name} {_version(one, commits)} -> {_version(other, commits)}")
    elif isinstance(one.digest, NotSeen) or isinstance(other.digest, NotSeen):
        yield from _unseen(f"the files of {_called(one)}", one.digest, other.digest)
    elif one.digest != other.digest:
        yield Difference(f"{_called(one)}: {_other_files(one, other)}")
    elif one.distribution != other.distribution:
        names = (
            f"{one.distribution or 'no distribution'} -> {other.distribution or 'no distribution'}"
        )
        yield Difference(f"{_called(one)}: the same files from another distribution ({names})")


def _called(package: Package) -> str:
    return f"{package.name} {package.version}" if package.version else package.name


def _version(package: Package, with_commit: bool) -> str:
    commit = f" ({package.commit[:9]})" if with_commit and package.commit else ""
    return f"{package.version or 'of no version'}{commit}"


def _other_files(one: Package, other: Package) -> str:
    """`other files under the same version (3 of 3300 differ: vllm/platforms/rocm.py, ...)`, as far as it is known."""
    facts = []
    if one.commit and other.commit and one.commit != other.commit:
        facts.append(f"commit {one.commit[:9]} -> {other.commit[:9]}")
    before, after = _tree(one), _tree(other)
    if before and after:
        names = [
            name
            for name in sorted(before | after)
            if before.get(name, _MISSING) != after.get(name, _MISSING)
        ]
        facts.append(f"{len(names)} of {len(before | after)} differ: {_some(names)}")
    else:
        changed = sorted(set(one.changed) ^ set(other.changed))
        if changed:
            facts.append(f"changed since it was installed: {_some(changed)}")
    return "other files under the same version" + (f" ({'; '.join(facts)})" if facts else "")


def _tree(package: Package) -> dict[str, str]:
    try:
        return unpack(package.tree) if package.tree else {}
    except ValueError:
        return {}


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:MOST_NAMES], *(["..."] if len(names) > MOST_NAMES else [])])


def _hosts(one: Host | NotSeen, other: Host | NotSeen) -> Iterator[Difference]:
    if isinstance(one, NotSeen) or isinstance(other, NotSeen):
        yield from _unseen("the host", one, other)
        return
    yield from _value("platform", one.platform, other.platform)
    if one.platform == other.platform:
        yield from _value("driver", one.driver, other.driver)
        yield from _value("CUDA of the driver", one.runtime, other.runtime)
        yield from _value("GPU", one.gpus, other.gpus)
        yield from _value("CPU", one.cpu, other.cpu)


def _models(
    one: Mapping[str, Model | NotSeen], other: Mapping[str, Model | NotSeen]
) -> Iterator[Difference]:
    for role in dict.fromkeys([*one, *other]):
        before, after = one.get(role), other.get(role)
        if before is None or after is None:
            where = "the first" if after is None else "the second"
            yield Difference(f"{role}: only on {where} side")
        elif isinstance(before, NotSeen) or isinstance(after, NotSeen):
            yield from _unseen(f"the {role}'s files", before, after)
        elif before.identity() != after.identity():
            yield Difference(_other_model(role, before, after))


def _other_model(role: str, one: Model, other: Model) -> str:
    """`weights of llama-8b differ (model-00001-of-00004.safetensors)`."""
    before, after = ({file.name: file for file in model.files} for model in (one, other))
    names = [
        name for name in sorted(before | after) if _content(before, name) != _content(after, name)
    ]
    weights = [name for name in names if (before.get(name) or after[name]).weights]
    what = (
        "weights" if len(weights) == len(names) else "files" if not weights else "files and weights"
    )
    called = (
        one.location if one.location == other.location else f"{one.location} -> {other.location}"
    )
    revisions = ""
    if one.revision != other.revision:
        revisions = f", revision {(one.revision or 'none')[:9]} -> {(other.revision or 'none')[:9]}"
    of = called if role == "model" else f"the {role} {called}"
    return f"{what} of {of} differ ({_some(names)}{revisions})"


def _content(files: Mapping[str, ModelFile], name: str) -> tuple[int, str] | None:
    file = files.get(name)
    return None if file is None else (file.size, file.digest)
