"""Which model a server serves: the files of its folder or of its snapshot in the hub's cache, by what they hold."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ablation.build.files import Unreadable, content
from ablation.build.parts import Model, ModelFile, NotSeen
from ablation.model.files import read_config
from ablation.places import model_folder, model_path

# With these formats the server takes the first kind of WEIGHTS that is there (DefaultModelLoader._prepare_weights).
PREFER_FIRST = (None, "auto", "hf", "safetensors", "fastsafetensors", "mistral")
DUMMY = "dummy"
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".npz", ".tensors", ".ckpt")
# Nothing that is served: words about the model, pictures, weights for other programs, traces of a download.
IGNORED = re.compile(
    r"\..*|.*\.(md|rst|pdf|html?|png|jpe?g|gif|svg|webp|mp4|h5|msgpack|onnx|ot|tflite|lock|log|metadata|incomplete)"
    r"|(licen[cs]e|notice|use_policy|readme|copyright|citation|third_party).*|training_args\.bin|requirements.*\.txt",
    re.I,
)
# Files up to this size are read whole: of any tokenizer, where a changed word must be noticed, and of small models.
WHOLE_BYTES = 1 << 26
PIECE_BYTES = 1 << 14
# Of one large file alone, and at least of each of many. 1,024 pieces miss a change to 1 % of a file once in 30,000
# times, and cost some 0.1 s on a local disk, 1 s over a network.
MOST_PIECES, LEAST_PIECES = 1024, 16
MOST_INDEX_BYTES = 100_000_000  # of a *.index.json: 20 MB with 200,000 tensors
_SPLIT_GGUF = re.compile(r"(.+)-\d{5}-of-(\d{5})\.gguf")


def model_identity(
    location: str,
    environment: Mapping[str, str],
    revision: str | None = None,
    load_format: str | None = None,
) -> Model | NotSeen:
    """The files of a model that decide what is served: a folder, a GGUF file or a name on the hub.

    `environment` is the server's: it says where the hub's cache is. Small files are read whole; of large ones the size
    and up to 16 MiB, so that other weights are noticed, and a copied or touched folder is the same. With the
    `load_format` "dummy" the server makes weights up, and the files do not count. NotSeen, with the reason, where the
    model cannot be seen from here, or not all of it yet: a server that is ready has downloaded it.
    """
    hub = model_path(location) is None
    if hub and environment.get("VLLM_USE_MODELSCOPE", "").lower() in ("1", "true"):
        return NotSeen(f"{location} comes from ModelScope, whose cache is not looked into")
    place = model_folder(location, environment, revision)
    if place is None:
        why = "is not in the hub's cache of this host" if hub else "is not on this host"
        return NotSeen(f"{location} {why}")
    try:
        names = _names(place, load_format)
        if hub and load_format != DUMMY and (missing := _missing(place, names)):
            return NotSeen(f"{location}: {missing}")
        files = _files(place if place.is_dir() else place.parent, names)
    except (OSError, Unreadable) as problem:
        return NotSeen(f"{location}: {problem}")
    return Model(location, place.name if hub else None, files)


def models_of(
    location: str, arguments: Mapping[str, Any], environment: Mapping[str, str]
) -> dict[str, Model | NotSeen]:
    """The models of a server, by role: model, and where its arguments name them, tokenizer and draft.

    `arguments` are those in force, by vLLM's names as on a command line (`load-format`), values as a study has them.
    """
    return {
        role: model_identity(place, environment, revision, load_format)
        for role, place, revision, load_format in _places(location, arguments)
    }


def quick_models(
    location: str, arguments: Mapping[str, Any], environment: Mapping[str, str]
) -> str | None:
    """16 digits that are other ones whenever `models_of` may be, from names, sizes and times of files.

    None where one of the models cannot be seen from here.
    """
    lines = []
    for role, named, revision, load_format in _places(location, arguments):
        place = model_folder(named, environment, revision)
        if place is None:
            return None
        folder = place if place.is_dir() else place.parent
        try:
            for name in _names(place, load_format):
                known = (folder / name).stat()
                times = (known.st_mtime_ns, known.st_ctime_ns, known.st_ino)
                lines.append(f"{role} {folder / name} {known.st_size} {times}\n")
        except OSError:
            return None
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _places(
    location: str, arguments: Mapping[str, Any]
) -> Iterator[tuple[str, str, str | None, str | None]]:
    """Yields (role, location, revision, load format)."""

    def text(name: str) -> str | None:
        value = arguments.get(name)
        return None if value is None else str(value)

    yield "model", location, text("revision"), text("load-format")
    if tokenizer := text("tokenizer"):
        yield "tokenizer", tokenizer, text("tokenizer-revision"), DUMMY
    settings = arguments.get("speculative-config")
    if isinstance(settings, str):
        try:
            settings = json.loads(settings)
        except ValueError:
            settings = None
    draft = settings.get("model") if isinstance(settings, Mapping) else text("spec-model")
    # In older vLLMs `ngram` and other methods stand in a model's place.
    if isinstance(draft, str) and "/" in draft:
        yield "draft", draft, None, text("load-format")


def _names(place: Path, load_format: str | None) -> list[str]:
    """Files that count, by their names in the model's folder; of its subfolders only what describes a part."""
    if load_format == DUMMY and place.is_file():
        return []
    if place.is_file():
        split = _SPLIT_GGUF.fullmatch(place.name)
        if split is None:
            return [place.name]
        parts = place.parent.glob(f"*-of-{split[2]}.gguf")
        return sorted(part.name for part in parts if part.name.startswith(f"{split[1]}-"))
    found = [entry.name for entry in os.scandir(place) if entry.is_file()]
    found += [f"{file.parent.name}/{file.name}" for file in place.glob("*/config.json")]
    found = sorted(name for name in found if not IGNORED.fullmatch(name))
    if load_format == DUMMY:
        return [name for name in found if not _is_weights(name)]
    if load_format in PREFER_FIRST:
        kind = next((kind for kind in WEIGHTS if any(name.endswith(kind) for name in found)), "")
        return [name for name in found if not _is_weights(name) or name.endswith(kind)]
    return found


def _is_weights(name: str) -> bool:
    return name.endswith(WEIGHTS)


def _missing(snapshot: Path, names: Sequence[str]) -> str | None:
    """What of a snapshot's weights has not been downloaded yet, in words; None where all are there."""
    there = {name for name in names if _is_weights(name)}
    for index in (name for name in names if name.endswith(".index.json")):
        document = read_config(snapshot / index, MOST_INDEX_BYTES) or {}
        wanted = set((document.get("weight_map") or {}).values())
        # The index of another kind of weights than those that are served may lie there alone.
        if wanted & there and not wanted <= there:
            return f"{len(wanted - there)} of {len(wanted)} files of weights are not downloaded yet"
    return None if there else "its weights are not downloaded yet"


def _files(folder: Path, names: Sequence[str]) -> tuple[ModelFile, ...]:
    many = sum(_is_weights(name) for name in names)
    pieces = max(LEAST_PIECES, math.ceil(MOST_PIECES / max(many, 1)))
    found = []
    for name in names:
        size = (folder / name).stat().st_size
        held = content(
            str(folder / name),
            size,
            whole_bytes=WHOLE_BYTES,
            pieces=pieces,
            piece_bytes=PIECE_BYTES,
        )
        found.append(ModelFile(name, size, held[:16], _is_weights(name)))
    return tuple(found)
