"""Where what a study names lies; above all whether a model's location is a folder of this host or a name on the hub."""

import os
from pathlib import Path

import pytest

from ablation.places import (
    HOME,
    executable,
    here_or_home,
    hub_cache,
    hub_home,
    hub_snapshot,
    model_folder,
    model_path,
)
from tests.build.models import downloaded, model
from tests.build.sites import write


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty working folder, and a home of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(
    "location",
    [
        "meta-llama/Llama-3.1-405B-Instruct-FP8",
        "deepseek-ai/DeepSeek-V3.2",
        "Qwen/Qwen3-VL-235B-A22B-Instruct",
        "org/name.with.dots",
        "0x/_underscore",
        "org/" + "n" * 300,  # longer than the name of any file
        "unsloth/Qwen3-0.6B-GGUF:Q4_K_M",
        "unsloth/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q4_K_M.gguf",
        "s3://bucket/models/llama",
        "gs://bucket/models/llama",
    ],
)
def test_names_on_the_hub_and_addresses_are_no_folders(location):
    assert model_path(location) is None


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/models/llama", "/models/llama"),
        ("./org/name", "org/name"),
        ("../org/name", "../org/name"),
        ("~/models/llama", "{home}/models/llama"),
        ("~", "{home}"),
        ("resources/models/llama-mini-0a1b2c3d", "resources/models/llama-mini-0a1b2c3d"),
        ("resources/name", "resources/name"),
        ("org/a folder with spaces", "org/a folder with spaces"),
        ("three/parts/deep", "three/parts/deep"),
        ("org/name/", "org/name"),
        ("llama-8b", "llama-8b"),
        ("org/.hidden", "org/.hidden"),
        ("~nobody-of-this-name/llama", "~nobody-of-this-name/llama"),
        ("org/na\nme", "org/na\nme"),
        ("org/umläut/", "org/umläut"),
    ],
)
def test_what_is_written_as_a_path_is_one_whether_it_is_there_or_not(location, path, here):
    assert model_path(location) == Path(path.format(home=here / "home"))


def test_what_exists_is_local_even_where_it_looks_like_a_name_on_the_hub(here):
    """As in vLLM (os.path.isdir): the server would take the folder."""
    assert model_path("org/name") is None
    model(here / "org" / "name")
    assert model_path("org/name") == Path("org/name")


def test_home_and_cache_of_the_hub_by_its_own_rules(here):
    home = here / "home" / ".cache" / "huggingface"
    assert hub_home({}) == home
    assert hub_cache({}) == home / "hub"
    assert hub_home({"XDG_CACHE_HOME": "/c"}) == Path("/c/huggingface")
    assert hub_cache({"HF_HOME": "~/hf", "XDG_CACHE_HOME": "/c"}) == here / "home" / "hf" / "hub"
    assert hub_cache({"HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old"}) == Path("/old")
    assert hub_cache({"HF_HUB_CACHE": "/new", "HUGGINGFACE_HUB_CACHE": "/old"}) == Path("/new")
    assert hub_cache({"HF_HUB_CACHE": "", "HF_HOME": ""}) == home / "hub"


def test_the_snapshot_that_a_server_would_take(here):
    environment = {"HF_HUB_CACHE": str(here / "hub")}
    source = model(here / "m")
    assert hub_snapshot("org/name", environment) is None
    one = downloaded(here / "hub", "org/name", source, "1" * 40, ref=None)
    assert hub_snapshot("org/name", environment) == one  # the only one
    two = downloaded(here / "hub", "org/name", source, "2" * 40, ref=None)
    assert hub_snapshot("org/name", environment) is None  # which of them?
    write(here / "hub" / "models--org--name" / "refs" / "main", "2" * 40 + "\n")
    assert hub_snapshot("org/name", environment) == two
    assert hub_snapshot("org/name", environment, "1" * 40) == one
    write(here / "hub" / "models--org--name" / "refs" / "v1.0", "1" * 40)
    assert hub_snapshot("org/name", environment, "v1.0") == one
    assert hub_snapshot("org/name", environment, "v2.0") is None
    assert hub_snapshot("org/name:Q4_K_M", environment) == two
    write(here / "hub" / "models--org--name" / "refs" / "main", "")
    assert hub_snapshot("org/name", environment) is None
    assert hub_snapshot("no name", environment) is None


def test_where_the_files_of_a_model_lie(here):
    environment = {"HF_HUB_CACHE": str(here / "hub")}
    source = model(here / "m")
    snapshot = downloaded(here / "hub", "org/name", source, "1" * 40)
    assert model_folder("org/name", environment) == snapshot
    assert model_folder(str(source), environment) == source
    assert model_folder("./m", environment) == Path("m")
    assert model_folder("./nowhere", environment) is None
    model(here / "org" / "name")
    assert model_folder("org/name", environment) == Path("org/name")


def test_relative_paths_and_programs(here):
    write(here / "mine", "")
    assert here_or_home("mine") == Path("mine")
    assert here_or_home("config/models.yaml") == HOME / "config" / "models.yaml"
    assert executable("python3") == "python3"
    assert executable("./mine") == os.path.join(here, "mine")
