"""Which model is served: other weights of the same name and size are noticed, a copy of it is the same."""

import json
import os
import shutil

import pytest

from ablation.build import (
    Build,
    Model,
    NotSeen,
    differences,
    model_identity,
    models_of,
    quick_models,
)
from ablation.build import model as room
from tests.build.models import SHARDS, downloaded, model, weights
from tests.build.sites import write

COMMIT = "0e9e39f249a16976918f6564b8830bc894c89659"


def identity(location, environment=None, *more) -> Model:
    found = model_identity(str(location), environment or {}, *more)
    assert isinstance(found, Model), found
    return found


def told(one: Model, other: Model, role: str = "model") -> list[str]:
    pair = (Build(NotSeen(""), NotSeen(""), {role: found}) for found in (one, other))
    return [text for text in differences(*pair) if "not seen" not in text]


def test_the_files_that_decide_what_is_served(tmp_path):
    found = identity(model(tmp_path / "m"))
    assert [file.name for file in found.files if file.weights] == list(SHARDS)
    assert [file.name for file in found.files if not file.weights] == [
        "config.json",
        "generation_config.json",
        "model.safetensors.index.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


@pytest.mark.parametrize("size", [200_000, 3_000_000])
def test_other_weights_of_the_same_name_and_size(tmp_path, monkeypatch, size):
    monkeypatch.setattr(room, "WHOLE_BYTES", 1 << 20)  # the larger ones are read in pieces
    monkeypatch.setattr(room, "MOST_PIECES", 128)
    before = identity(model(tmp_path / "m", size=size))
    write(tmp_path / "m" / SHARDS[1], weights(7, size))
    after = identity(tmp_path / "m")
    assert told(before, after) == [f"weights of {tmp_path}/m differ ({SHARDS[1]})"]


def test_a_thousandth_of_the_weights_in_the_middle(tmp_path):
    folder = model(tmp_path / "m", size=10_000_000)
    before = identity(folder)
    held = bytearray((folder / SHARDS[0]).read_bytes())
    held[5_000_000:5_010_000] = weights(3, 10_000)
    write(folder / SHARDS[0], bytes(held))
    assert told(before, identity(folder)) != []


def test_a_copy_a_touch_and_words_about_it_are_the_same_model(tmp_path):
    before = identity(model(tmp_path / "m"))
    copy = shutil.copytree(tmp_path / "m", tmp_path / "a copy", copy_function=shutil.copyfile)
    for file in (tmp_path / "m").iterdir():
        os.utime(file)
    write(tmp_path / "m" / "README.md", "other words")
    write(tmp_path / "m" / ".cache/huggingface/download/config.json.metadata", "1")
    assert identity(copy).identity() == identity(tmp_path / "m").identity() == before.identity()
    assert told(before, identity(copy)) == []


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "tokenizer.json",
        "modeling_llama.py",
        "hf_quant_config.json",
        "tokenizer.model",
    ],
)
def test_a_changed_word_in_a_small_file(tmp_path, name):
    before = identity(model(tmp_path / "m"))
    write(tmp_path / "m" / name, "changed")
    assert told(before, identity(tmp_path / "m")) == [f"files of {tmp_path}/m differ ({name})"]


def test_a_snapshot_of_the_hub_is_the_same_as_the_folder_that_it_was_made_of(tmp_path):
    folder = model(tmp_path / "m")
    downloaded(tmp_path / "hub", "meta-llama/Llama-3.1-8B", folder, COMMIT)
    found = identity("meta-llama/Llama-3.1-8B", {"HF_HOME": str(tmp_path)})
    assert found.revision == COMMIT
    assert found.identity() == identity(folder).identity()


def test_another_revision_is_told_with_its_commit(tmp_path):
    environment = {"HF_HUB_CACHE": str(tmp_path)}
    downloaded(tmp_path, "a/b", model(tmp_path / "1"), "1" * 40)
    before = identity("a/b", environment)
    downloaded(tmp_path, "a/b", model(tmp_path / "2", seed=5), "2" * 40)
    after = identity("a/b", environment)
    assert told(before, after) == [
        f"weights of a/b differ ({', '.join(SHARDS)}, revision 111111111 -> 222222222)"
    ]
    assert identity("a/b", environment, "1" * 40).identity() == before.identity()


def test_what_is_not_downloaded_yet_is_not_seen(tmp_path):
    environment = {"HF_HUB_CACHE": str(tmp_path)}
    assert_not_seen("a/b", environment, "is not in the hub's cache")
    folder = model(tmp_path / "m")
    (folder / SHARDS[1]).unlink()
    snapshot = downloaded(tmp_path, "a/b", folder, COMMIT)
    assert_not_seen("a/b", environment, "1 of 2 files of weights are not downloaded yet")
    (snapshot / SHARDS[0]).unlink()
    assert_not_seen("a/b", environment, "its weights are not downloaded yet")
    assert identity("a/b", environment, None, "dummy").files  # that server makes them up
    (snapshot / "config.json").unlink()
    write(snapshot / "config.json", "{}")
    assert_not_seen(str(tmp_path / "nowhere"), {}, "is not on this host")
    assert_not_seen("a/b", {"VLLM_USE_MODELSCOPE": "True"}, "ModelScope")


def assert_not_seen(location: str, environment: dict[str, str], why: str) -> None:
    found = model_identity(location, environment)
    assert isinstance(found, NotSeen)
    assert why in found.why
    again = model_identity(location, environment)
    assert found != again


def test_an_index_of_many_megabytes_is_read(tmp_path):
    folder = model(tmp_path / "m")
    layers = {f"model.layers.{i}.mlp.experts.weight_scale_inv": SHARDS[0] for i in range(40_000)}
    index = {"weight_map": layers | {"lm_head.weight": "model-00003-of-00003.safetensors"}}
    write(folder / "model.safetensors.index.json", json.dumps(index))
    downloaded(tmp_path, "a/b", folder, COMMIT)
    assert_not_seen("a/b", {"HF_HUB_CACHE": str(tmp_path)}, "1 of 2 files")


def test_weights_of_another_kind_that_are_not_served_do_not_count(tmp_path):
    folder = model(tmp_path / "m")
    before = identity(folder)
    write(folder / "pytorch_model.bin", weights(9))
    assert identity(folder).identity() == before.identity()
    assert identity(folder, {}, None, "pt").identity() != before.identity()
    for name in SHARDS:
        (folder / name).unlink()
    assert [file.name for file in identity(folder).files if file.weights] == ["pytorch_model.bin"]


def test_made_up_weights_do_not_count(tmp_path):
    before = identity(model(tmp_path / "m"), {}, None, "dummy")
    write(tmp_path / "m" / SHARDS[0], weights(9))
    assert identity(tmp_path / "m", {}, None, "dummy").identity() == before.identity()


def test_a_single_file_and_its_parts(tmp_path):
    one = write(tmp_path / "smollm-Q4_K_M.gguf", weights(1))
    write(tmp_path / "other.gguf", weights(2))
    assert [file.name for file in identity(one).files] == ["smollm-Q4_K_M.gguf"]
    parts = [write(tmp_path / f"big-0000{i}-of-00002.gguf", weights(i)) for i in (1, 2)]
    assert [file.name for file in identity(parts[0]).files] == [part.name for part in parts]


def test_a_link_is_what_it_leads_to(tmp_path):
    before = identity(model(tmp_path / "m"))
    (tmp_path / "link").symlink_to(tmp_path / "m")
    assert identity(tmp_path / "link").identity() == before.identity()
    (tmp_path / "m" / SHARDS[0]).unlink()
    (tmp_path / "m" / SHARDS[0]).symlink_to(tmp_path / "gone")
    assert told(before, identity(tmp_path / "link")) != []


def test_tokenizer_and_draft_of_a_server(tmp_path):
    main, other = model(tmp_path / "m"), model(tmp_path / "t", seed=4)
    settings = {
        "tokenizer": str(other),
        "speculative-config": {"model": str(other), "num_speculative_tokens": 3},
    }
    found = models_of(str(main), settings, {})
    assert set(found) == {"model", "tokenizer", "draft"}
    tokenizer, draft = found["tokenizer"], found["draft"]
    assert isinstance(tokenizer, Model)
    assert isinstance(draft, Model)
    assert not any(file.weights for file in tokenizer.files)
    as_text = settings | {"speculative-config": json.dumps(settings["speculative-config"])}
    again = models_of(str(main), as_text, {})["draft"]
    assert isinstance(again, Model)
    assert told(draft, again, "draft") == []
    assert set(
        models_of(str(main), {"speculative-config": {"method": "ngram", "model": "ngram"}}, {})
    ) == {"model"}


def test_quick_tells_whether_to_look(tmp_path):
    folder = model(tmp_path / "m")
    before = quick_models(str(folder), {}, {})
    assert before == quick_models(str(folder), {}, {})
    known = (folder / SHARDS[0]).stat()
    write(folder / SHARDS[0], weights(9))
    os.utime(folder / SHARDS[0], ns=(known.st_atime_ns, known.st_mtime_ns))
    assert quick_models(str(folder), {}, {}) not in (before, None)
    assert quick_models("a/b", {}, {"HF_HOME": str(tmp_path)}) is None
    assert quick_models(str(folder), {"tokenizer": "a/b"}, {"HF_HOME": str(tmp_path)}) is None
