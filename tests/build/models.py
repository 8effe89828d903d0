"""Models of the tests' own: folders, and snapshots as huggingface_hub keeps them."""

import hashlib
import json
import random
from pathlib import Path

from tests.build.sites import write

# The names that Llama-3.1-8B has on the hub, with sizes of the tests' own.
CONFIG = {"architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "vocab_size": 128256}
SMALL = {
    "config.json": json.dumps(CONFIG),
    "generation_config.json": '{"temperature": 0.6}',
    "tokenizer.json": json.dumps({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}}}),
    "tokenizer_config.json": '{"model_max_length": 131072}',
    "special_tokens_map.json": "{}",
}
WORDS = {
    "README.md": "# Llama",
    "LICENSE": "terms",
    "USE_POLICY.md": "rules",
    ".gitattributes": "*",
}
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def weights(seed: int, size: int = 200_000) -> bytes:
    """Bytes that differ everywhere from those of another seed."""
    return random.Random(seed).randbytes(size)


def model(folder: Path, *, seed: int = 1, size: int = 200_000) -> Path:
    """A model's folder with two files of weights."""
    for name, text in {**SMALL, **WORDS}.items():
        write(folder / name, text)
    index = {"weight_map": {f"layers.{i}": name for i, name in enumerate(SHARDS)}}
    write(folder / "model.safetensors.index.json", json.dumps(index))
    for i, name in enumerate(SHARDS):
        write(folder / name, weights(seed + i, size))
    return folder


def downloaded(
    cache: Path, name: str, source: Path, commit: str, *, ref: str | None = "main"
) -> Path:
    """A model in the hub's cache: blobs by their hash, a snapshot of links to them, a reference; its snapshot."""
    repository = cache / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        held = file.read_bytes()
        blob = write(repository / "blobs" / hashlib.sha256(held).hexdigest(), held)
        (snapshot / file.name).symlink_to(Path("../../blobs") / blob.name)
    if ref is not None:
        write(repository / "refs" / ref, commit)
    return snapshot
