"""A model's location on the way to the server: what is typed, what is mounted."""

import pytest

from ablation.plan.command import model_location
from ablation.plan.container import container_command, on_host
from ablation.study.catalogue import Entry
from ablation.study.launch import Docker
from ablation.study.load import load_study

IMAGE = "rocm/vllm@sha256:" + "ab" * 32


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    return tmp_path


def mounts(location: str) -> list[str]:
    command = container_command(
        Docker(kind="docker", image=IMAGE),
        "rocm",
        ["python3", "-m", "vllm"],
        env={},
        pass_env=[],
        location=location,
    )
    found = [word for word in command if word.startswith("type=bind") and "/cache/" not in word]
    assert ("HF_HOME={hf_home}" in command) == ("hf_home" in str(found))
    return found


def test_a_name_on_the_hub_gets_the_hubs_folder():
    assert mounts("org/name.with-dots_8B") == ["type=bind,source={hf_home},target={hf_home}"]
    assert on_host("org/name.with-dots_8B") is None


def test_a_folder_that_looks_like_a_name_on_the_hub_is_mounted(here):
    (here / "org" / "name").mkdir(parents=True)
    assert mounts("org/name") == [
        "type=bind,source={here}/org/name,target={here}/org/name,readonly"
    ]


@pytest.mark.parametrize(
    ("location", "folder"),
    [
        ("/models/llama 8b", "/models/llama 8b"),
        ("./models/m", "{here}/models/m"),
        ("../m", "{here}/../m"),
        ("resources/models/llama-mini-0a1b2c3d", "{here}/resources/models/llama-mini-0a1b2c3d"),
        ("llama-8b", "{here}/llama-8b"),
        ("~/models/m", "/home/me/models/m"),
    ],
)
def test_a_folder_is_mounted_under_its_own_path(location, folder):
    assert mounts(location) == [f"type=bind,source={folder},target={folder},readonly"]


def test_a_home_is_written_out_since_no_shell_will():
    study = load_study(
        {
            "study": "homes",
            "title": "t",
            "factor": {
                "name": "f",
                "title": "t",
                "baseline": "a",
                "arms": {"a": {}, "b": {"paths": {"m": "~/other"}}},
            },
            "models": {"m": {"path": "~/models/m", "vocabulary": 1000}},
            "server": {"vllm": "0.14.1", "python": "python3"},
        },
        "test",
    )
    entry = Entry(title="m", architecture="x")
    assert model_location(study, "m", entry) == "/home/me/models/m"
    assert model_location(study, "m", entry, "b") == "/home/me/other"
