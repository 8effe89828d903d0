"""Where packages are asked for: by path, through scripts, in images, of servers that have none; the cheap level."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ablation.build import (
    Build,
    NotSeen,
    differences,
    endpoint_server,
    quick_server,
    reference_server,
    server_of,
)
from ablation.build.server import _BOOT, search_path
from ablation.session.container import python_in
from ablation.study.launch import Docker
from tests.build.sites import AITER, TORCH, VLLM, FakePython, write
from tests.session.containers import IMAGE, Stub

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT / ".venv-vllm" / "bin" / "python"
SHELL = {"PATH": os.environ["PATH"]}


@pytest.fixture
def python(tmp_path):
    python = FakePython(tmp_path / "venv")
    python.install("vllm", "0.14.1", VLLM)
    python.install("torch", "2.9.1+rocm6.4", TORCH)
    python.install("amd-aiter", "0.1.5", AITER)
    return python


@pytest.fixture
def never_started(monkeypatch):
    def run(*_: object, **__: object) -> None:
        raise AssertionError("a Python was started")

    monkeypatch.setattr(subprocess, "run", run)


def test_a_script_that_greets_and_says_goodbye(python, tmp_path):
    script = python.through_script(
        tmp_path / "python", before="printf Welcome", after="echo Goodbye; echo '{}'; echo [1]"
    )
    assert server_of([script], SHELL) == server_of([python.program], SHELL)


def test_a_script_that_swallows_its_input(python, tmp_path):
    script = python.through_script(tmp_path / "python", before="cat > /dev/null")
    assert server_of([script], SHELL) == server_of([python.program], SHELL)


def test_a_python_without_vllm(tmp_path):
    found = server_of([FakePython(tmp_path / "venv").program], SHELL)
    assert not isinstance(found, NotSeen)
    assert found.packages == ()
    assert found.python == sys.version.split()[0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file"),
        ("#!/bin/sh\necho Welcome\n", "it ended with 0: Welcome"),
        ("#!/bin/sh\necho '{\"schema\": 1}'\nexit 3\n", "it ended with 3"),
        ("#!/bin/sh\nexit 1\n", "it ended with 1: it said nothing"),
    ],
)
def test_what_is_no_python_is_not_seen(tmp_path, text, why):
    script = tmp_path / "python"
    if text is not None:
        write(script, text).chmod(0o755)
    found = server_of([str(script)], SHELL)
    assert isinstance(found, NotSeen)
    assert why in found.why
    assert quick_server([str(script)], SHELL) is None


def test_an_answer_of_another_make_is_not_seen(tmp_path):
    answer = {"schema": "ablation.fingerprint/1", "python": "3.12", "packages": [{"name": "vllm"}]}
    script = write(tmp_path / "python", f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    script.chmod(0o755)
    found = server_of([str(script)], SHELL)
    assert isinstance(found, NotSeen)
    assert "cannot be read" in found.why


def test_in_an_image(python, tmp_path, monkeypatch):
    stub = Stub(tmp_path / "docker")
    try:
        monkeypatch.setenv("PATH", stub.path)
        launch = Docker(kind="docker", image=IMAGE)
        subprocess.run(["docker", "pull", launch.reference], check=True, capture_output=True)
        words = python_in(launch, python.program)
        found = server_of(words, {"PATH": stub.path}, image=launch.digest)
        assert not isinstance(found, NotSeen)
        assert found.image == launch.digest
        plain = server_of([python.program], SHELL)
        assert not isinstance(plain, NotSeen)
        assert found.packages == plain.packages
        (call,) = stub.calls("run")
        assert call[: call.index("-c")][-1] == launch.reference
    finally:
        stub.end()


def test_the_question_fits_into_one_word_of_a_command(monkeypatch):
    words: list[str] = []

    def run(command: list[str], **_: object) -> None:
        words.extend(command)
        raise OSError("not run")

    monkeypatch.setattr(subprocess, "run", run)
    server_of(["python"], {})
    # MAX_ARG_STRLEN of Linux: 32 pages.
    assert words[1:3] == ["-c", _BOOT]
    assert max(map(len, words)) < 131072 * 3 // 4


def test_the_simulated_servers_build_is_its_own_code():
    server = reference_server()
    assert not isinstance(server.packages, NotSeen)
    (package,) = server.packages
    room = ROOT / "workflow" / "ablation" / "reference"
    assert (package.name, package.files) == ("ablation.reference", len(list(room.glob("*.py"))))
    assert reference_server() == server


def test_an_endpoint_shows_its_version_and_no_more():
    said = endpoint_server("0.14.1")
    assert not isinstance(said.packages, NotSeen)
    assert (said.packages[0].name, said.packages[0].version) == ("vllm", "0.14.1")
    assert isinstance(said.packages[0].digest, NotSeen)
    assert isinstance(endpoint_server("").packages, NotSeen)


# The cheap level


def test_quick_starts_no_python_of_a_virtual_environment(python, never_started):
    assert quick_server([python.program], SHELL) is not None


@pytest.mark.parametrize(
    "name",
    [
        "vllm/platforms/rocm.py",
        "vllm/_rocm_C.abi3.so",
        "aiter_meta/csrc/kernels/quant_kernels.cu",
        "aiter/jit/module_quant.so",
        "torch/_inductor/config.py",
        "vllm-0.14.1.dist-info/RECORD",
    ],
)
def test_quick_changes_with_every_file_that_counts(python, name, never_started):
    before = quick_server([python.program], SHELL)
    assert quick_server([python.program], SHELL) == before
    file = python.site / name
    known, held = file.stat(), file.read_bytes()
    write(file, bytes([held[0] ^ 1]) + held[1:])
    os.utime(file, ns=(known.st_atime_ns, known.st_mtime_ns))  # as `cp -p` of another build
    assert quick_server([python.program], SHELL) != before


def test_quick_does_not_change_with_what_running_leaves(python):
    before = quick_server([python.program], SHELL)
    for name in ("aiter/jit/module_fmoe.so", "aiter/jit/build/x/x.cu", "vllm/__pycache__/a.pyc"):
        write(python.site / name, "made while it ran")
    assert quick_server([python.program], SHELL) == before


def test_quick_is_the_same_whether_the_python_is_started_or_not(python, tmp_path):
    script = python.through_script(tmp_path / "python")
    assert search_path(script, SHELL) is None
    assert quick_server([script], SHELL) == quick_server([python.program], SHELL)


def test_a_source_tree_named_by_a_path_file_is_looked_at_without_a_start(python, tmp_path):
    for name, text in VLLM.items():
        write(tmp_path / "src" / name, text)
    shutil.rmtree(python.site / "vllm")
    python.editable("vllm", "0.14.1", tmp_path / "src")
    before = quick_server([python.program], SHELL)
    assert str(tmp_path / "src") in (search_path(python.program, SHELL) or [])
    write(tmp_path / "src/vllm/platforms/rocm.py", "BLOCK = 64\n")
    assert quick_server([python.program], SHELL) != before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lib/x/site-packages/hook.pth", "import hook; hook.install()\n"),
        ("pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = true\n"),
        ("pyvenv.cfg", None),
    ],
)
def test_other_pythons_have_to_be_started(python, name, text):
    file = python.folder / name.replace("lib/x/site-packages", str(python.site))
    file.unlink(missing_ok=True)
    if text is not None:
        write(file, text)
    assert search_path(python.program, SHELL) is None


def test_the_servers_own_search_path(python, tmp_path):
    environment = SHELL | {"PYTHONPATH": f"{tmp_path}/a:{tmp_path}/b"}
    found = search_path(python.program, environment, str(tmp_path))
    assert found == [str(tmp_path), f"{tmp_path}/a", f"{tmp_path}/b", str(python.site)]


@pytest.mark.vllm
def test_the_real_vllm(tmp_path):
    found = server_of([str(REAL)], SHELL, here=str(tmp_path))
    assert not isinstance(found, NotSeen)
    assert not isinstance(found.packages, NotSeen)
    packages = {package.name: package for package in found.packages}
    # torch is a wheel of its own index, where the header of its oneDNN says which it was built with.
    assert {"vllm", "torch", "transformers", "tokenizers", "numpy", "oneDNN in torch"} <= set(
        packages
    )
    vllm, torch = packages["vllm"], packages["torch"]
    assert vllm.version == "0.32.0"
    assert vllm.files > 3000
    assert len(torch.commit or "") == 40
    assert not any(package.changed or package.source for package in found.packages)
    assert server_of([str(REAL)], SHELL, here=str(tmp_path)) == found
    assert search_path(str(REAL), SHELL) is not None


@pytest.mark.vllm
def test_a_real_vllm_with_one_line_patched(tmp_path):
    site = next((ROOT / ".venv-vllm" / "lib").glob("python3*/site-packages"))
    python = FakePython(tmp_path / "venv")
    leave = shutil.ignore_patterns("*.so", "__pycache__")
    (info,) = site.glob("vllm*.dist-info")
    for folder in (site / "vllm", info):
        shutil.copytree(folder, python.site / folder.name, ignore=leave)
    before = server_of([python.program], SHELL)
    rocm = python.site / "vllm/platforms/rocm.py"
    rocm.write_text(rocm.read_text() + "\nPATCHED = True\n")
    after = server_of([python.program], SHELL)
    found = differences(*(Build(server, NotSeen("not asked"), {}) for server in (before, after)))
    assert found[0].startswith("vllm 0.32.0: other files under the same version (1 of ")
    assert found[0].endswith(" differ: vllm/platforms/rocm.py)")
