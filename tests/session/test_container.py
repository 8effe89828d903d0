"""Servers in containers: what is typed, what is kept, and that no container outlives its session."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ablation.plan.schedule import Schedule
from ablation.session import container
from ablation.session.container import ContainerError
from ablation.session.preflight import preflight
from ablation.session.store import Store
from ablation.study.catalogue import Catalogue
from ablation.study.launch import Docker
from ablation.study.load import load_study
from tests.session.containers import IMAGE, Stub, podman_launch, study_in
from tests.session.sittings import first
from tests.session.test_server import gone, wait_for
from tests.workflow.conftest import CATALOGUE, ROOT

DOCKER = {"kind": "docker", "image": IMAGE}


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """Docker's stub on PATH, and a working folder of the test's own."""
    running = Stub(tmp_path / "docker")
    monkeypatch.setenv("PATH", running.path)
    monkeypatch.chdir(tmp_path)
    yield running
    running.end()


def schedule(launch: dict, **server) -> Schedule:
    study = load_study(study_in(launch, **server), "test")
    return Schedule(study, Catalogue.model_validate(CATALOGUE))


def measure(plan: Schedule, folder: Path, **options) -> tuple[dict, Store]:
    store = Store(folder / "store")
    return first(plan, store, **options)[0], store


def test_the_server_runs_in_the_container_and_ends_with_the_session(stub, tmp_path):
    shell = dict(os.environ) | {"MY_TOKEN": "s3cret-value"}
    plan = schedule(DOCKER, pass_env=["MY_TOKEN"])
    evidence, store = measure(plan, tmp_path, shell=shell)
    (launch,) = evidence["launches"]
    assert launch["treatment"]["passed"] is True  # by the log, which came out of the container
    assert launch["launch"]["image"] == IMAGE
    assert launch["launch"]["container"] == f"ablation-{launch['launch_id']}"
    assert len(launch["launch"]["id"]) == 64
    assert launch["exit"]["how"] == "stopped by the session"
    assert launch["exit"]["container"]["gone"] is True
    assert launch["exit"]["code"] == 0
    line, _ = stub.calls("run")  # one for each arm of the block
    name = launch["launch"]["container"]
    assert line[: line.index("--label")] == ["--rm", "--name", name]
    assert line[line.index("--network") + 1] == "host"
    assert line[line.index("--host") + 1] == "127.0.0.1"
    assert "MY_TOKEN" in line  # by name alone
    assert not any("s3cret-value" in word for word in line)
    files = [path for path in store.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if b"s3cret-value" in path.read_bytes()]
    assert stub.calls("stop")[0] == ["-t", "60", name]
    assert stub.calls("pull") == [["--quiet", IMAGE]]


def test_a_container_left_behind_is_ended_before_the_next_launch(stub, tmp_path):
    ours = f"{container.planned.LABEL}={container.lock_name()}"
    stub_run = [stub.bin / "docker", "run", "--pull=never", "--name"]
    subprocess.run([stub.bin / "docker", "pull", "--quiet", IMAGE], check=True, capture_output=True)
    sleeper = ["--entrypoint", "sleep", IMAGE, "600"]
    left, other = (
        subprocess.Popen([*stub_run, name, "--label", label, *sleeper], stdout=subprocess.DEVNULL)
        for name, label in (("left", ours), ("other", "ablation.lock=another"))
    )
    wait_for(lambda: len(stub.calls("run")) == 2 and container.sweep(Docker(**DOCKER)))
    assert left.wait(10) == 137
    assert other.poll() is None
    other.kill()
    other.wait()


@pytest.mark.parametrize(
    ("launch", "python", "message"),
    [
        (
            {"image": IMAGE.replace("somewhere", "nowhere")},
            None,
            "cannot be pulled: .*manifest unknown",
        ),
        ({"executable": "no-such-docker"}, None, r"no-such-docker cannot be used: .*executable"),
        ({"devices": ["/dev/no-such"]}, None, "/dev/no-such is not on this host; .*docs/on-amd.md"),
        ({"groups": ["no-such-group"]}, None, "no group 'no-such-group'; `ls -ln"),
        ({"mounts": [{"source": "/no/such"}]}, None, "mounts: /no/such is not on this host"),
        ({"image": "sha256:" + "0" * 64}, None, "id of an image, and not on this host"),
    ],
)
def test_what_a_host_lacks_is_refused_before_any_launch(stub, launch, python, message):
    plan = schedule(DOCKER | launch)
    with pytest.raises(ContainerError, match=message):
        preflight(plan.study, plan.plan, plan.entries)
    assert stub.calls("run") == []


def test_vllm_is_looked_for_in_the_image(stub):
    plan = schedule(DOCKER, kind="vllm", python=sys.executable, args={})
    with pytest.raises(Exception, match=r"docker run .* has no vLLM"):
        preflight(plan.study, plan.plan, plan.entries)
    (line,) = stub.calls("run")
    assert line[line.index("--network") + 1] == "none"


@pytest.mark.parametrize(
    ("code", "log", "words"),
    [
        (125, "docker: Error response from daemon: could not select device driver", "toolkit"),
        (125, "error gathering device information while adding /dev/kfd", "driver loaded"),
        (127, "exec: python3: executable file not found in $PATH", "server.python"),
        (125, "docker: something new", "could not start the container: docker: something new"),
        (1, "ValueError: the server's own", None),
    ],
)
def test_why_a_container_never_started(code, log, words):
    cause = container.Running("docker", "x").cause(log, code)
    assert (cause is None) if words is None else words in cause


def test_a_container_that_cannot_start_says_why(stub, tmp_path):
    plan = schedule(DOCKER)
    session = plan.plan.sessions[0]
    at = session.launch.command.index("--entrypoint") + 1
    session.launch.command[at] = "/no/such/python"
    evidence, _ = measure(plan, tmp_path)
    failure = evidence["failure"]
    assert "exit code 127): the image has no such program" in failure["text"], failure


def test_modules_that_came_with_the_image_are_linked_into_the_cache(stub, tmp_path, monkeypatch):
    jit = tmp_path / "image" / "aiter" / "jit"
    (jit / "build" / "pa").mkdir(parents=True)
    (tmp_path / "image" / "aiter" / "__init__.py").write_text("raise SystemExit('was imported')")
    (jit / "module_a.so").write_text("a")
    (jit / "build" / "pa" / "lib.so").write_text("b")
    subprocess.run([stub.bin / "docker", "pull", "--quiet", IMAGE], check=True, capture_output=True)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/image exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    for _ in range(2):
        folder = container.prepare(Docker(**DOCKER), str(python), "rocm")
    assert (folder / "aiter" / "jit" / "module_a.so").resolve() == jit / "module_a.so"
    assert (folder / "aiter" / "build" / "pa" / "lib.so").read_text() == "b"
    assert json.loads((folder / "seeded.json").read_text()) == {"modules": ["module_a.so", "pa"]}
    assert len(stub.calls("run")) == 1


def test_a_snapshot_of_the_hub_is_mounted_with_what_it_links_to(tmp_path):
    snapshot, blobs = tmp_path / "snapshots" / "x", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "b").write_text("{}")
    (snapshot / "config.json").symlink_to("../../blobs/b")
    (snapshot / "own").write_text("")
    assert container.linked_folders(snapshot) == [blobs]
    of_model, of_all = (
        [word for folder in folders for word in container.planned.mount(str(folder))]
        for folders in ([snapshot], [snapshot, tmp_path])
    )
    rest = ["--workdir", "/", "--model", str(snapshot)]
    blob = container.planned.mount(str(blobs))
    for line, expected in (
        ([*of_model, *rest], [*of_model, *blob, *rest]),
        ([*of_all, *rest], [*of_all, *rest]),  # is mounted already, and twice is refused
        ([*of_model, *rest[:2]], [*of_model, *rest[:2]]),
    ):
        assert container.command_line(line, "n", tmp_path / "c", {}) == expected


# A session's job below a parent of its own, which stands for Snakemake.
JOB = """
import io, json, os, sys
sys.path[:0] = [{workflow!r}, {root!r}]
from pathlib import Path
from ablation.plan.schedule import Schedule
from ablation.session.progress import Progress
from ablation.session.store import Store
plan = Schedule.from_config(json.loads(Path("study.json").read_text()))
from ablation.sitting.measure import run_sitting
run_sitting(plan.study, plan.blocks["toy", 1], Store(Path("store")), lambda s: Progress([sys.stdout], ""),
            watched=[os.getppid()])
"""


def start_job(folder: Path, study: dict, environment: dict) -> subprocess.Popen:
    """A session that takes a minute, under way."""
    study["workload"]["requests"] = {"minimum": 4000, "per_level": 4}
    study["server"]["stop_timeout_s"] = 30
    (folder / "study.json").write_text(json.dumps(study))
    (folder / "models.yaml").write_text(json.dumps(CATALOGUE))
    job = JOB.format(workflow=str(ROOT / "workflow"), root=str(ROOT))
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    process = subprocess.Popen(
        [sys.executable, "-c", parent, job],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "server is ready" in line:
            return process
    raise AssertionError("the job ended before its server was ready")


def servers_in(folder: Path) -> list[psutil.Process]:
    """Reference servers whose working folder is this one, in whatever container."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error, OSError):
            words = process.info["cmdline"] or []
            if "ablation.reference" in words and os.readlink(f"/proc/{process.pid}/cwd") == str(
                folder
            ):
                found.append(process)
    return found


def kill_and_look(folder: Path, study: dict, environment: dict, victim: str) -> dict:
    """Kill a part of a running session with SIGKILL; return the exit record once the server is gone."""
    parent = start_job(folder, study, environment)
    job = psutil.Process(parent.pid).children()[0]
    guard = next(p for p in job.children() if any("guard.py" in word for word in p.cmdline()))
    (server,) = [p for p in servers_in(folder) if p.pid != guard.pid and "docker" not in p.name()][
        -1:
    ]
    try:
        command = guard.children()[0]
        target = {"job": job, "snakemake": parent, "command": command, "guard": guard}[victim]
        os.kill(target.pid, signal.SIGKILL)
        assert gone(server.pid, within_s=30)
        wait_for(lambda: not guard.is_running() or gone(guard.pid), within_s=30)
        (record,) = folder.glob("store/launch-*/exit.json") if victim != "guard" else (None,)
        return json.loads(record.read_text()) if record else {}
    finally:
        for process in (job, parent):
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                process.kill()
        parent.wait()
        parent.stdout.close()


@pytest.mark.parametrize("victim", ["job", "command", "guard"])
def test_no_container_outlives_what_is_killed(stub, tmp_path, victim):
    environment = os.environ | {"PATH": stub.path}
    record = kill_and_look(tmp_path, study_in(DOCKER), environment, victim)
    if victim != "guard":
        assert record["container"]["gone"] is True
        assert (
            record["how"]
            == {
                "job": "stopped: the session's job was gone",
                "command": "ended by itself",
            }[victim]
        )
    listed = subprocess.run(
        [stub.bin / "docker", "ps", "-aq", "--filter", "name=ablation"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert listed.stdout.strip() == ""


# Real Podman -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    """`server.launch` for a real Podman, with an image that goes again."""
    launch = podman_launch(tmp_path_factory.mktemp("image"))
    yield launch
    subprocess.run(["podman", "rmi", "--force", launch["image"]], capture_output=True, check=False)


def test_a_real_podman_starts_the_same_server(podman, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = schedule(podman)
    assert preflight(plan.study, plan.plan, plan.entries)["container"]["program"] == "podman"
    evidence, _ = measure(plan, tmp_path)
    (found,) = evidence["launches"]
    assert [run["concurrency"] for run in evidence["runs"]] == [1, 4]
    assert found["treatment"]["passed"] is True
    assert found["exit"]["container"]["gone"] is True
    assert found["exit"]["code"] == 0
    assert found["exit"]["killed_pids"] == []


def test_no_podman_container_outlives_a_killed_job(podman, tmp_path):
    record = kill_and_look(tmp_path, study_in(podman), dict(os.environ), "job")
    assert record["container"]["gone"] is True
    listed = subprocess.run(
        ["podman", "ps", "-aq", "--filter", f"name={record['container']['name']}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert listed.stdout.strip() == ""
