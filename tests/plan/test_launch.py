"""What is typed for containers and endpoints, and what of it is hashed."""

import yaml

from ablation.plan.advice import CAVEAT
from ablation.plan.command import shown_command
from ablation.plan.plan import Session
from ablation.plan.schedule import Schedule
from ablation.plan.text import plan_text
from ablation.study.catalogue import Catalogue
from ablation.study.load import load_study
from tests.session.test_endpoint import endpoint_study
from tests.workflow.conftest import CATALOGUE, ROOT

DIGEST = "sha256:" + "ab" * 32


def mi325x(**server) -> Schedule:
    study = yaml.safe_load((ROOT / "config" / "studies" / "aiter-mi325x.yaml").read_text())
    study["server"] |= server
    return Schedule.from_config(study)


def docker(**launch) -> dict:
    return {"kind": "docker", "image": f"rocm/vllm:any@{DIGEST}", **launch}


def session_of(plan: Schedule, model: str, arm: str) -> Session:
    return plan.sessions[model, arm, "1"]


def test_a_process_is_hashed_as_ever():
    plan = mi325x()
    assert plan.all_run_hashes() == mi325x(launch={"kind": "process"}).all_run_hashes()
    # Of the study as it was before there were containers: whatever changes this takes away people's measurements.
    study = {
        "study": "frozen",
        "title": "t",
        "factor": {"name": "f", "title": "t", "baseline": "a", "arms": {"a": {}, "b": {"env": {"X": 1}}}},
        "models": {"m": {"path": "/m", "vocabulary": 1000}},
        "server": {"vllm": "0.14.1", "python": "python3"},
    }  # fmt: skip
    frozen = Schedule(load_study(study, "test"), Catalogue(models={}))
    assert frozen.sessions["m", "a", "1"].session_hash == "4ad4cf03a7768d4f"


def test_the_arguments_of_the_mi325x_study_in_docker():
    plan = mi325x(launch=docker())
    command = session_of(plan, "llama-3.1-405b", "on").launch.command
    cache = "{here}/resources/cache/" + "ab" * 8
    assert command == [
        "docker", "run", "--rm", "--name", "{name}", "--label", "ablation.lock={lock}",
        "--cidfile", "{cidfile}", "--pull=never", "--log-driver", "none", "--network", "host",
        "--device", "/dev/kfd", "--device", "/dev/dri", "--group-add", "video", "--group-add", "render",
        "--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined", "--ipc", "host",
        "--mount", f"type=bind,source={cache},target={cache}",
        "--mount", "type=bind,source={hf_home},target={hf_home}",
        "--env", f"VLLM_CACHE_ROOT={cache}/vllm", "--env", f"TRITON_CACHE_DIR={cache}/triton",
        "--env", f"AITER_ROOT_DIR={cache}/aiter", "--env", f"AITER_JIT_DIR={cache}/aiter/jit",
        "--env", "HF_HOME={hf_home}", "--env", "VLLM_NO_USAGE_STATS=1", "--env", "DO_NOT_TRACK=1",
        "--env", "VLLM_ROCM_USE_AITER=1",
        "--env", "HIP_VISIBLE_DEVICES", "--env", "ROCR_VISIBLE_DEVICES", "--env", "HF_TOKEN",
        "--workdir", "{here}", "--entrypoint", "python3", f"rocm/vllm@{DIGEST}",
        "-m", "vllm.entrypoints.openai.api_server", "--model", "meta-llama/Llama-3.1-405B-Instruct-FP8",
        "--served-model-name", "llama-3.1-405b", "--host", "127.0.0.1", "--port", "{port}",
        "--disable-uvicorn-access-log", "--no-enable-prefix-caching",
        "--tensor-parallel-size", "8", "--max-model-len", "32768",
    ]  # fmt: skip
    assert " ".join(command) in plan_text(plan.plan)


def test_a_models_folder_is_mounted_for_reading_under_its_own_path():
    study = yaml.safe_load((ROOT / "config" / "studies" / "aiter-mi325x.yaml").read_text())
    study["server"]["launch"] = docker()
    study["models"] = {"llama-3.1-405b": {"path": "/models/llama", "vocabulary": 128256}}
    command = session_of(Schedule.from_config(study), "llama-3.1-405b", "off").launch.command
    assert "type=bind,source=/models/llama,target=/models/llama,readonly" in command
    assert not any("{hf_home}" in word for word in command)


def test_image_and_devices_are_hashed_and_the_rest_is_not():
    hashes = {
        name: tuple(mi325x(launch=launch).all_run_hashes())
        for name, launch in {
            "plain": docker(),
            "another tag": docker(image=f"mirror/vllm:other@{DIGEST}"),
            "another program": docker(executable="/opt/docker"),
            "said": docker(devices=["/dev/kfd", "/dev/dri"]),
            "another image": docker(image="rocm/vllm@sha256:" + "cd" * 32),
            "another device": docker(devices=["amd.com/gpu=all"]),
        }.items()
    }
    plain = hashes["plain"]
    assert plain == hashes["another tag"] == hashes["another program"] == hashes["said"]
    assert len({plain, hashes["another image"], hashes["another device"]}) == 3
    assert plain != tuple(mi325x().all_run_hashes())


def test_endpoints_are_visits_and_the_plan_says_so():
    study = endpoint_study({"slow": "http://a:1", "fast": "http://b:1"})
    plan = Schedule(load_study(study, "test"), Catalogue.model_validate(CATALOGUE))
    session = session_of(plan, "toy", "slow")
    assert session.launch.command == []
    assert session.launch.env == {}
    assert session.launch.url == "http://a:1"
    assert CAVEAT in plan.plan.warnings
    assert "http://a:1" in shown_command([], {}, url=session.launch.url)
    moved = endpoint_study({"slow": "http://c:1", "fast": "http://b:1"})
    other = Schedule(load_study(moved, "test"), Catalogue.model_validate(CATALOGUE))
    assert (
        session_of(other, "toy", "fast").session_hash
        == session_of(plan, "toy", "fast").session_hash
    )
    assert session_of(other, "toy", "slow").session_hash != session.session_hash
