"""The config.json that a launch keeps."""

import json

import pytest

from ablation.session.model_config import argument, model_config

CONFIG = {"hidden_size": 4096, "num_hidden_layers": 32}


def command(location: str) -> list[str]:
    return [
        "python3",
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        location,
        "--port",
        "1",
    ]


def test_of_a_folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    found = model_config(command(str(tmp_path)), {})
    assert found == {"location": str(tmp_path), "config": CONFIG}


@pytest.mark.parametrize("variable", ["HF_HOME", "HF_HUB_CACHE"])
def test_of_the_hubs_cache_the_revision_of_main(tmp_path, variable):
    cache = tmp_path / "hub" if variable == "HF_HOME" else tmp_path
    repository = cache / "models--owner--name"
    for revision, layers in (("aaa", 1), ("bbb", 2), ("ccc", 3)):
        (repository / "snapshots" / revision).mkdir(parents=True)
        text = json.dumps(CONFIG | {"num_hidden_layers": layers})
        (repository / "snapshots" / revision / "config.json").write_text(text)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("bbb\n")
    found = model_config(command("owner/name"), {variable: str(tmp_path)})
    assert found is not None
    assert found["config"]["num_hidden_layers"] == 2


@pytest.mark.parametrize("text", [None, "{", "[1]"])
def test_what_cannot_be_seen_is_none(tmp_path, text):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert model_config(command(str(tmp_path)), {"HF_HOME": str(tmp_path)}) is None
    assert model_config(["docker", "run"], {}) is None


def test_arguments_of_a_command():
    words = [
        "--model",
        "a",
        "--dtype=bfloat16",
        "--tensor-parallel-size",
        "8",
        "--model",
        "b",
        "--x",
    ]
    assert argument(words, "model") == "b"
    assert argument(words, "dtype") == "bfloat16"
    assert argument(words, "tensor-parallel-size") == "8"
    assert argument(words, "x") is None


def test_of_the_revision_that_was_served(tmp_path):
    for commit, layers in (("1" * 40, 1), ("2" * 40, 2)):
        folder = tmp_path / "hub" / "models--owner--name" / "snapshots" / commit
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(CONFIG | {"num_hidden_layers": layers}))
    words = [*command("owner/name"), "--revision", "2" * 40]
    found = model_config(words, {"HF_HOME": str(tmp_path)})
    assert found is not None
    assert found["config"]["num_hidden_layers"] == 2
    # Of two, and none that is `main`, it is not known which the server took.
    assert model_config(command("owner/name"), {"HF_HOME": str(tmp_path)}) is None
