"""Kinds of launch, as a study may state them."""

import json

import pytest

from ablation.plan.container import inside, unknown_gpus, visible_on_host
from ablation.study.launch import Docker, Podman
from ablation.study.load import StudyError, load_study
from tests.workflow.conftest import STUDY

DIGEST = "sha256:" + "ab" * 32


def study(launch: dict | None, *, arms: dict | None = None, **server) -> dict:
    made = json.loads(json.dumps(STUDY))
    made["server"] |= server | ({} if launch is None else {"launch": launch})
    for name, more in (arms or {}).items():
        made["factor"]["arms"][name] = more
    return made


ENDPOINTS = {"slow": {"url": "http://a:1"}, "fast": {"url": "http://b:1"}}


def endpoints(**arms: dict) -> dict:
    return study({"kind": "endpoint"}, arms=ENDPOINTS | arms, args={})


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (study({"kind": "docker", "image": "rocm/vllm:latest"}), "by its digest.*docker pull rocm/vllm:latest"),
        (study({"kind": "docker"}), r"server\.launch\.image: this field is required"),
        (study({"kind": "dokcer"}), "docker"),
        (study({"kind": "docker", "image": DIGEST, "imgae": 1}), r"server\.launch\.imgae: .* did you mean 'image'"),
        (study({"kind": "docker", "image": DIGEST, "options": ["--restart=always"]}), "--restart: set by the workflow"),
        (study({"kind": "docker", "image": DIGEST, "options": ["-e", "A=b"]}), "-e: set by the workflow"),
        (study({"kind": "docker", "image": DIGEST, "gpus": "4,5"}), r"server\.launch\.gpus: .* write device=4,5"),
        (study({"kind": "docker", "image": DIGEST, "options": ["-eA=b"]}), "-eA: set by the workflow"),
        (study({"kind": "docker", "image": DIGEST, "options": ["alpine", "sh"]}), "alpine: a word here would be"),
        (study({"kind": "docker", "image": DIGEST, "options": ["--init", "alpine"]}), "alpine: a word here would be"),
        (study({"kind": "docker", "image": DIGEST, "options": ["--cpus=4", "alpine"]}), "alpine: a word here would be"),
        (study({"kind": "docker", "image": DIGEST, "options": ["--ulimit"]}), "--ulimit: needs a value"),
        (study({"kind": "docker", "image": DIGEST, "mounts": [{"source": "/a,target=/b"}]}),
         r"mounts\[0\]\.source: .* no comma"),
        (study({"kind": "docker", "image": DIGEST, "ipc": "host", "shm_size": "1g"}), "shm_size: has no effect"),
        (study(None, arms={"slow": {"url": "http://a:1"}}), r"slow\.url: has a meaning only with"),
        (endpoints(fast={}), r"arms\.fast\.url: an endpoint study needs"),
        (study({"kind": "endpoint"}, arms=ENDPOINTS), r"server\.args: nobody here launches"),
        (endpoints(slow={"url": "http://a:1", "env": {"A": "1"}}), r"arms\.slow\.env: nobody here"),
        (endpoints(slow={"url": "http://u:k3y@a:1"}), r"arms\.slow\.url: .* a URL with a password.*api_key_env"),
        (endpoints(slow={"url": "http://k3y@a:1"}), "a key in a URL would be stored"),
        (endpoints(slow={"url": "http://a:1/v1"}), "without a path: http://a:1"),
        (endpoints(slow={"url": "a:1"}), "not an address such as"),
        (study({"kind": "endpoint"}, arms=ENDPOINTS, args={}, warm_launch=True), "warm_launch: nothing is launched"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_a_remedy(made, message):
    with pytest.raises(StudyError, match=message):
        load_study(made, "study.yaml")


def test_options_that_leave_its_life_alone():
    options = [
        "--ulimit",
        "memlock=-1",
        "--ulimit=stack=67108864",
        "--privileged",
        "--pids-limit",
        "-1",
    ]
    assert Docker(kind="docker", image=DIGEST, options=options).flags("cpu")[-6:] == options


def test_an_image_is_its_digest_whatever_the_registry():
    here, there = (
        Docker(kind="docker", image=f"{name}@{DIGEST}") for name in ("rocm/vllm:x", "host:5000/v")
    )
    assert here.digest == there.digest == DIGEST
    assert here.reference == f"rocm/vllm@{DIGEST}"
    assert there.reference == f"host:5000/v@{DIGEST}"
    assert Docker(kind="docker", image=DIGEST).reference == DIGEST


@pytest.mark.parametrize(
    ("kind", "gpus", "listed", "host"),
    [
        (Docker, None, None, None),
        (Docker, "all", "1", "1"),
        (Docker, '"device=4,5"', None, "4,5"),
        (Docker, '"device=4,5",capabilities=utility', "1", "5"),
        (Docker, "device=GPU-aa", "0", "GPU-aa"),
        (Docker, '"device=4,5"', "0,2,1", "4"),
        (Docker, '"device=4,5"', "GPU-bb", "GPU-bb"),
        (Docker, "2", None, "0,1"),
        (Docker, '"device=5,4"', "0", "4"),
        (Docker, "capabilities=utility", None, "0"),
        (Podman, "5,4", "0", "4"),
        (Docker, "count=all", "1", "1"),
        (Podman, "4, 5", "1,0", "5,4"),
        (Podman, "2", None, "2"),
        (Podman, "all", "3", "3"),
    ],
)
def test_the_gpus_of_a_container_are_watched_as_the_host_counts_them(kind, gpus, listed, host):
    """`device=4,5` was watched as GPUs 0 and 1."""
    launch = kind(kind=kind.__name__.lower(), image=DIGEST, gpus=gpus)
    environment = {} if listed is None else {"CUDA_VISIBLE_DEVICES": listed}
    assert visible_on_host(launch, environment).get("CUDA_VISIBLE_DEVICES") == host


@pytest.mark.parametrize(
    ("platform", "devices", "unknown"),
    [
        ("rocm", None, False),
        ("rocm", ["/dev/kfd", "/dev/dri"], False),
        ("rocm", ["/dev/kfd", "/dev/dri/renderD132"], True),
        ("cuda", ["nvidia.com/gpu=3"], True),
        ("cpu", ["/dev/fuse"], False),
    ],
)
def test_devices_that_nobody_can_name_are_not_watched_as_the_first(platform, devices, unknown):
    launch = Docker(kind="docker", image=DIGEST, devices=devices)
    assert bool(unknown_gpus(launch, platform)) == unknown


@pytest.mark.parametrize(
    ("platform", "settings", "env"),
    [
        ("cuda", {"options": ["--runtime=nvidia"]}, {}),
        ("cuda", {}, {"NVIDIA_VISIBLE_DEVICES": "4"}),
        ("cuda", {"gpus": "device=4", "options": ["--privileged"]}, {}),
        ("rocm", {"gpus": "device=4"}, {}),
        ("rocm", {"devices": ["amd.com/gpu=1"]}, {}),
    ],
)
def test_what_a_runtime_makes_of_it_is_not_guessed(platform, settings, env):
    launch = Docker(kind="docker", image=DIGEST, **settings)
    assert "cannot be told" in unknown_gpus(launch, platform, env)
    assert unknown_gpus(Docker(kind="docker", image=DIGEST, gpus="device=4"), "cuda", {}) == ""


def test_a_variable_of_the_host_that_is_not_handed_on_chooses_nothing_inside():
    """On ROCm the server falls back to CUDA_VISIBLE_DEVICES, and the container is not given the shell's."""
    client = {"CUDA_VISIBLE_DEVICES": "3", "HIP_VISIBLE_DEVICES": "1", "PATH": "/bin"}
    assert inside("rocm", client, {"A": "b"}, ()) == {"HIP_VISIBLE_DEVICES": "1", "A": "b"}
    assert inside("rocm", client, {}, ["CUDA_VISIBLE_DEVICES"]).keys() == {
        "HIP_VISIBLE_DEVICES",
        "CUDA_VISIBLE_DEVICES",
    }
    assert inside("cuda", client, {}, ()) == {"CUDA_VISIBLE_DEVICES": "3"}


@pytest.mark.parametrize(
    ("gpus", "option"),
    [("all", "all"), ("2", "2"), ("device=4", "device=4"), ("device=4,5", '"device=4,5"'),
     ('"device=4,5"', '"device=4,5"'), ("device=4,capabilities=utility", "device=4,capabilities=utility")],
)  # fmt: skip
def test_docker_takes_several_devices_in_quotes_only(gpus, option):
    assert Docker(kind="docker", image=DIGEST, gpus=gpus).gpu_option(gpus) == ["--gpus", option]


def test_gpus_by_platform_and_program():
    docker, podman = Docker(kind="docker", image=DIGEST), Podman(kind="podman", image=DIGEST)
    assert docker.flags("cuda") == ["--gpus", "all", "--ipc", "host"]
    assert podman.flags("cuda") == ["--device", "nvidia.com/gpu=all", "--ipc", "host"]
    assert docker.flags("cpu") == ["--ipc", "host"]
    own = Docker(
        kind="docker", image=DIGEST, devices=["amd.com/gpu=all"], groups=[], shm_size="16g"
    )
    assert own.flags("rocm")[:2] == ["--device", "amd.com/gpu=all"]
    assert "--group-add" not in own.flags("rocm")
    assert own.flags("rocm")[-2:] == ["--shm-size", "16g"]
