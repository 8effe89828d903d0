"""A build as it is kept, its digest, and two builds in words."""

import json
from dataclasses import replace

import pytest

from ablation.build import (
    Build,
    Host,
    Model,
    ModelFile,
    NotSeen,
    Package,
    Server,
    differences,
    relation,
    unseen,
)
from ablation.build.files import pack

H100 = "NVIDIA H100 80GB HBM3"
VLLM = Package(
    "vllm",
    "vllm",
    "0.14.1",
    "d7de043d5",
    None,
    False,
    812,
    "0123456789abcdef",
    (),
    pack({"vllm/envs.py": "a" * 64}),
)
TORCH = Package("torch", "torch", "2.9.1", None, "CUDA 12.8", False, 9, "fedcba9876543210")
SERVER = Server("3.12.3", (VLLM, TORCH))
HOST = Host("cuda", "580.159.04", "CUDA 13.0", (H100,) * 4, None)
MODEL = Model(
    "/models/llama-8b",
    None,
    (ModelFile("config.json", 9, "11", False), ModelFile("m.safetensors", 8, "22", True)),
)
BUILD = Build(SERVER, HOST, {"model": MODEL})


def with_package(package: Package) -> Build:
    return replace(BUILD, server=Server("3.12.3", (package, TORCH)))


def with_host(**parts) -> Build:
    return replace(BUILD, host=replace(HOST, **parts))


def test_it_comes_back_from_json_as_it_was():
    kept = json.loads(json.dumps(BUILD.to_json()))
    assert Build.from_json(kept) == BUILD
    assert Build.from_json(kept).to_json() == BUILD.to_json()
    assert kept["digest"] == BUILD.digest() == Build.from_json(kept).digest()


def test_what_was_not_seen_comes_back_with_its_reason():
    part = Server(NotSeen("no python"), (replace(VLLM, digest=NotSeen("an endpoint")),))
    build = Build(part, HOST, {"model": NotSeen("not downloaded")})
    again = Build.from_json(json.loads(json.dumps(build.to_json())))
    assert again.to_json() == build.to_json()
    assert again.digest() == build.digest()
    assert again != build  # not even itself


def test_without_trees_it_is_small_and_the_same():
    light = BUILD.to_json(trees=False)
    assert light["server"]["packages"][0]["tree"] is None
    assert Build.from_json(light) == BUILD
    assert light["digest"] == BUILD.digest()
    assert BUILD.to_json()["server"]["packages"][0]["tree"] is not None


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (None, "no build was recorded"),
        ({}, "no build was recorded"),
        ({"schema": "ablation.build/0"}, "recorded by another schema"),
        ({"schema": "ablation.build/1"}, "the record of it is broken"),
        ([1], "the record of it is broken"),
        ("x", "the record of it is broken"),
        ({"schema": "ablation.build/1", "server": {}, "host": {}, "models": {}}, "broken"),
    ],
)
def test_records_of_another_time_are_builds_of_which_nothing_was_seen(kept, why):
    build = Build.from_json(kept)
    assert relation(build, BUILD) == "cannot be told"
    assert why in differences(build, BUILD)[0]


def test_the_digest_is_over_what_makes_a_build():
    assert len(BUILD.digest()) == 16
    others = [
        with_package(replace(VLLM, digest="0" * 16)),
        with_package(replace(VLLM, version="0.14.2")),
        with_package(replace(VLLM, distribution="vllm-rocm")),
        replace(BUILD, server=replace(SERVER, python="3.12.4")),
        replace(BUILD, server=replace(SERVER, image="sha256:" + "ab" * 32)),
        with_host(driver="590.44.01"),
        with_host(runtime="CUDA 13.1"),
        with_host(gpus=(H100,) * 8),
        replace(BUILD, models={"model": replace(MODEL, files=MODEL.files[:1])}),
        replace(BUILD, models={"model": MODEL, "draft": MODEL}),
        replace(BUILD, models={"model": NotSeen("gone")}),
    ]
    digests = {build.digest() for build in (BUILD, *others)}
    assert len(digests) == len(others) + 1
    for build in others:
        assert relation(BUILD, build) != "same"


def test_the_digest_is_not_over_what_only_people_need():
    same = [
        with_package(replace(VLLM, commit=None, files=813, changed=("vllm/envs.py",), tree=None)),
        replace(BUILD, server=replace(SERVER, packages=(TORCH, VLLM))),
        replace(BUILD, models={"model": replace(MODEL, location="/elsewhere", revision="abc")}),
    ]
    for build in same:
        assert build.digest() == BUILD.digest()
        assert relation(BUILD, build) == "same"
        assert differences(BUILD, build) == []


def test_digests_of_parts_are_none_where_anything_of_them_was_not_seen():
    """None equals nothing: two endpoints are not of one build because neither can be looked into."""
    other = replace(MODEL, files=MODEL.files[:1])
    assert BUILD.software_digest() == replace(BUILD, models={"model": other}).software_digest()
    assert BUILD.models_digest() == with_host(driver="590.44.01").models_digest()
    assert BUILD.software_digest() not in (with_host(driver="590.44.01").software_digest(), None)
    assert BUILD.models_digest() not in (
        Build(SERVER, HOST, {"model": other}).models_digest(),
        None,
    )
    for build in (
        with_host(gpus=NotSeen("x")),
        with_package(replace(VLLM, digest=NotSeen("x"))),
        replace(BUILD, server=NotSeen("x")),
        replace(BUILD, server=replace(SERVER, packages=NotSeen("x"))),
        replace(BUILD, host=NotSeen("x")),
    ):
        assert build.software_digest() is None
        assert build.models_digest() == BUILD.models_digest()
    assert replace(BUILD, models={"model": MODEL, "draft": NotSeen("x")}).models_digest() is None
    assert replace(BUILD, models={}).models_digest() is None


def test_differences_in_words():
    other = Build(
        Server(
            "3.12.4",
            (
                replace(VLLM, version="0.15.0", commit="1a2b3c4d5"),
                Package("aiter", "amd-aiter", "0.1.6", None, None, False, 1, "9"),
            ),
        ),
        Host("cuda", "590.44.01", "CUDA 13.0", (H100, H100), None),
        {
            "model": replace(
                MODEL, files=(MODEL.files[0], ModelFile("m.safetensors", 8, "33", True))
            )
        },
    )
    assert differences(BUILD, other) == [
        "Python 3.12.3 -> 3.12.4",
        "vllm 0.14.1 (d7de043d5) -> 0.15.0 (1a2b3c4d5)",
        "torch 2.9.1: only on the first side",
        "aiter 0.1.6: only on the second side",
        "driver 580.159.04 -> 590.44.01",
        f"GPU 4 x {H100} -> 2 x {H100}",
        "weights of /models/llama-8b differ (m.safetensors)",
    ]


def test_other_files_are_named_as_far_as_both_sides_kept_their_names():
    before = replace(VLLM, tree=pack({f"vllm/{i}.py": "a" * 64 for i in range(812)}))
    names = {f"vllm/{i}.py": ("b" if i < 7 else "a") * 64 for i in range(811)}
    after = replace(VLLM, digest="0" * 16, tree=pack(names), commit="1a2b3c4d5")
    assert differences(with_package(before), with_package(after)) == [
        "vllm 0.14.1: other files under the same version (commit d7de043d5 -> 1a2b3c4d5; 8 of 812 differ: "
        "vllm/0.py, vllm/1.py, vllm/2.py, vllm/3.py, vllm/4.py, ...)"
    ]
    after = replace(after, tree=None, commit=None)
    assert differences(with_package(before), with_package(after)) == [
        "vllm 0.14.1: other files under the same version"
    ]
    broken = replace(before, tree="no tree", digest="1" * 16)
    assert "other files" in differences(with_package(broken), with_package(after))[0]


def test_the_same_files_under_another_name():
    other = with_package(replace(VLLM, distribution="vllm-rocm"))
    assert differences(BUILD, other) == [
        "vllm 0.14.1: the same files from another distribution (vllm -> vllm-rocm)"
    ]


def test_what_was_not_seen_is_said_and_is_never_the_same():
    hidden = with_host(gpus=NotSeen("nvidia-smi fails"))
    assert (
        relation(BUILD, hidden)
        == relation(hidden, BUILD)
        == relation(hidden, hidden)
        == "cannot be told"
    )
    assert differences(BUILD, hidden) == ["GPU: not seen on the second side (nvidia-smi fails)"]
    assert differences(hidden, hidden) == ["GPU: not seen on either side (nvidia-smi fails)"]
    other = replace(MODEL, files=MODEL.files[:1])
    both = replace(with_host(gpus=NotSeen("nvidia-smi fails")), models={"model": other})
    assert relation(BUILD, both) == "different"
    first, last = differences(BUILD, both)
    assert first.startswith("weights of ")
    assert last.startswith("GPU: not seen")
    assert relation(unseen("a"), unseen("a")) == "cannot be told"
    assert len(differences(unseen("a"), unseen("b"))) == 3
