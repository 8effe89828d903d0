"""What the server's Python says of its packages: two builds of one version are told apart, and nothing else is."""

import ast
import os
import shutil
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

from ablation.build import NotSeen, Package, Server, differences, files, fingerprint, origin
from ablation.build.packages import PACKAGES
from ablation.build.parts import Build
from ablation.build.server import server_of
from tests.build.sites import AITER, TORCH, VLLM, FakePython, checkout, write

COMMIT = "9ba2e2d4a1b2c3d4e5f60718293a4b5c6d7e8f90"


@pytest.fixture
def python(tmp_path):
    """vLLM, torch and AITER as wheels."""
    python = FakePython(tmp_path / "venv")
    python.install("vllm", "0.14.1", VLLM)
    python.install("torch", "2.9.1+rocm6.4", TORCH)
    python.install("amd-aiter", "0.1.5", AITER)
    return python


def seen(program: str | FakePython, **more) -> Server:
    words = [program.program if isinstance(program, FakePython) else program]
    found = server_of(words, more.pop("environment", {"PATH": os.environ["PATH"]}), **more)
    assert isinstance(found, Server), found
    return found


def packages(program: str | FakePython, **more) -> dict[str, Package]:
    found = seen(program, **more).packages
    assert not isinstance(found, NotSeen)
    return {package.name: package for package in found}


def told(one: Server, other: Server) -> list[str]:
    return differences(*(Build(server, NotSeen(""), {}) for server in (one, other)))[:-1]


def test_versions_and_commits_are_as_the_packages_say(python):
    found = packages(python)
    assert {name: (one.distribution, one.version, one.commit) for name, one in found.items()} == {
        "vllm": ("vllm", "0.14.1", "d7de043d5"),
        "aiter": ("amd-aiter", "0.1.5", "9ba2e2d4a"),
        "torch": ("torch", "2.9.1+rocm6.4", "cf30153c4c131c8164ee7798e5022d810682e2cb"),
    }
    assert found["torch"].built_for == "HIP 6.4.43484-123eb5128"
    assert found["vllm"].files == len(VLLM)
    assert not any(one.source or one.changed for one in found.values())


def test_two_builds_of_one_version_are_two(python, tmp_path):
    other = FakePython(tmp_path / "other")
    other.install("vllm", "0.14.1", VLLM | {"vllm/platforms/rocm.py": "BLOCK = 64\n"})
    other.install("torch", "2.9.1+rocm6.4", TORCH)
    other.install("amd-aiter", "0.1.5", AITER)
    assert told(seen(python), seen(other)) == [
        "vllm 0.14.1: other files under the same version (1 of 6 differ: vllm/platforms/rocm.py)"
    ]


def test_kernels_built_anew_with_the_same_size(python, tmp_path):
    before = seen(python)
    kernels = bytearray(VLLM["vllm/_rocm_C.abi3.so"])
    starts = sorted(files._starts(len(kernels), files.PIECES, files.PIECE_BYTES))
    gap = next(a + files.PIECE_BYTES for a, b in pairwise(starts) if b - a > files.PIECE_BYTES)
    kernels[gap] ^= 1  # where no piece is read: only the installer's hash of the whole tells
    python.install("vllm", "0.14.1", VLLM | {"vllm/_rocm_C.abi3.so": bytes(kernels)})
    assert told(before, seen(python)) == [
        "vllm 0.14.1: other files under the same version (1 of 6 differ: vllm/_rocm_C.abi3.so)"
    ]


def test_an_upgrade_of_aiter(python):
    before = seen(python)
    shutil.rmtree(python.site / "amd_aiter-0.1.5.dist-info")
    python.install("amd-aiter", "0.1.6", AITER)
    assert told(before, seen(python)) == ["aiter 0.1.5 -> 0.1.6"]


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("vllm/platforms/rocm.py", "vllm"),
        ("vllm/model_executor/layers/fused_moe/configs/E=16,N=1024.json", "vllm"),
        ("aiter/configs/tuned_fmoe.csv", "aiter"),
        ("aiter_meta/csrc/kernels/quant_kernels.cu", "aiter"),
        ("aiter_meta/hsa/gfx942/fmoe/fmoe.co", "aiter"),
        ("aiter/jit/module_quant.so", "aiter"),  # came with the wheel
        ("torch/_inductor/config.py", "torch"),
        ("torch/lib/libtorch_hip.so", "torch"),
    ],
)
def test_a_file_patched_in_place(python, name, package):
    before = packages(python)
    held = (python.site / name).read_bytes()
    write(python.site / name, held[:-1] + b"#")  # of the same size
    after = packages(python)
    assert [one for one in after if after[one].digest != before[one].digest] == [package]
    assert after[package].changed == (name,)


def test_a_patch_of_what_torch_was_installed_with_is_named(python):
    before = seen(python)
    write(python.site / "torch/_inductor/config.py", "max_autotune = True\n")
    assert told(before, seen(python)) == [
        "torch 2.9.1+rocm6.4: other files under the same version "
        "(changed since it was installed: torch/_inductor/config.py)"
    ]


def test_a_patch_of_a_package_whose_record_is_of_tomorrow(python):
    """A clock that was set back, or an image of another time zone."""
    record = python.site / "torch-2.9.1+rocm6.4.dist-info" / "RECORD"
    os.utime(record, (time.time() + 86400,) * 2)
    before = packages(python)["torch"]
    assert before.changed == ()
    write(python.site / "torch/_inductor/config.py", "max_autotune = None \n")  # of the same size
    assert packages(python)["torch"].digest != before.digest


def test_an_egg(tmp_path):
    """What `python3 setup.py install` of an older AITER leaves."""
    python = FakePython(tmp_path / "venv")
    egg = "amd_aiter-0.1.5-py3.12-linux-x86_64.egg"
    for name, text in AITER.items():
        write(python.site / egg / name, text)
    write(python.site / egg / "EGG-INFO/PKG-INFO", "Name: amd-aiter\nVersion: 0.1.5\n")
    write(python.site / "easy-install.pth", f"./{egg}\n")
    before = packages(python)["aiter"]
    assert (before.distribution, before.version) == ("amd-aiter", "0.1.5")
    write(python.site / egg / "aiter/mla.py", "patched")
    assert packages(python)["aiter"].digest != before.digest


def test_a_file_that_was_added_or_taken_away(python):
    before = seen(python)
    write(python.site / "vllm/model_executor/layers/fused_moe/configs/E=8,N=64.json", "{}")
    (python.site / "vllm/platforms/rocm.py").unlink()
    (sentence,) = told(before, seen(python))
    assert "2 of 7 differ: " in sentence
    assert "E=8,N=64.json" in sentence
    assert "vllm/platforms/rocm.py" in sentence


def test_a_copy_and_a_touch_are_the_same_build(python, tmp_path):
    before = seen(python)
    assert seen(python.copy(tmp_path / "elsewhere" / "of another length")) == before
    for file in python.site.rglob("*"):
        os.utime(file)
    assert seen(python) == before


def test_what_running_leaves_in_the_packages_is_no_part_of_them(python):
    before = seen(python)
    for name in (
        "aiter/jit/module_fmoe.so",
        "aiter/jit/build/module_fmoe/build/fmoe.cu",
        "aiter/jit/build/lock_module_fmoe",
        "aiter/jit/flydsl_cache/kernel.hsaco",
        "aiter/__pycache__/mla.cpython-311.pyc",
        "vllm/__pycache__/envs.cpython-311.pyc",
        "vllm/trace.log",
        "aiter/configs/tuned_fmoe.csv.lock",
        "torch/_inductor/__pycache__/config.cpython-311.pyc",
    ):
        write(python.site / name, "made while it ran")
    assert seen(python) == before


def test_a_source_tree_says_its_commit_and_what_it_holds(python, tmp_path):
    tree = {name.replace("aiter_meta/", ""): text for name, text in AITER.items()}
    source = checkout(tmp_path / "src" / "aiter", tree | {"setup.py": ""}, COMMIT)
    other = FakePython(tmp_path / "other")
    other.editable("amd-aiter", "0.1.5", source)
    before = packages(other)["aiter"]
    assert (before.commit, before.source, before.distribution) == (COMMIT, True, "amd-aiter")

    write(source / "aiter/jit/module_quant.so", "built at first use")
    write(source / "op_tests/test_quant.py", "no part of what runs")
    assert packages(other)["aiter"] == before
    write(source / "hsa/gfx942/fmoe/fmoe.co", "another code object")
    assert packages(other)["aiter"].digest != before.digest


def test_an_editable_install_of_today_is_found_by_its_hook(python, tmp_path):
    source = checkout(tmp_path / "src" / "vllm", VLLM, COMMIT)
    hook = "__editable___vllm_0_14_1_finder"
    # In short, what setuptools writes for a layout that a path cannot name.
    write(
        python.site / f"{hook}.py",
        "import sys, importlib.util\n"
        f"MAPPING = {{'vllm': '{source}/vllm'}}\n"
        "class Finder:\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        if name in MAPPING:\n"
        "            return importlib.util.spec_from_file_location(name, MAPPING[name] + '/__init__.py')\n"
        "def install():\n"
        "    sys.meta_path.insert(0, Finder)\n",
    )
    write(python.site / f"{hook}.pth", f"import {hook}; {hook}.install()\n")
    shutil.rmtree(python.site / "vllm")
    python.install("vllm", "0.14.1", {}, url={"dir_info": {"editable": True}, "url": "file:///x"})
    before = packages(python)["vllm"]
    assert (before.source, before.files, before.distribution) == (True, len(VLLM), "vllm")
    write(source / "vllm/platforms/rocm.py", "BLOCK = 64\n")
    assert packages(python)["vllm"].digest != before.digest


def test_packages_inside_of_a_checkout_have_not_its_commit(tmp_path):
    checkout(tmp_path, {"README.md": ""}, COMMIT)
    python = FakePython(tmp_path / ".venv")
    write(tmp_path / "site-packages" / "vllm" / "__init__.py", "")  # pip install --target
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "site-packages")}
    assert packages(python, environment=environment)["vllm"].commit is None


@pytest.mark.parametrize(
    ("version", "commit"),
    [
        ("0.14.1rc2.dev7+g1a2b3c4d5.rocm700", "1a2b3c4d5"),
        ("3.5.1+gitbfeb0668", "bfeb0668"),
        ("2.1.1+c9f8b34", "c9f8b34"),
        ("2.9.0a0+20251120", None),  # a date
        ("0.32.0+cpu", None),
        ("2.9.1+rocm7.0.2", None),
        ("0.14.1", None),
        (None, None),
    ],
)
def test_the_commit_in_a_version(version, commit):
    assert origin.in_version(version) == commit


def test_the_package_that_the_server_would_find_counts(python, tmp_path):
    before = packages(python)["vllm"]
    write(tmp_path / "path/vllm/__init__.py", "another")
    write(tmp_path / "work/vllm/__init__.py", "a third")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "path")}
    by_path = packages(python, environment=environment)["vllm"]
    by_folder = packages(python, environment=environment, here=str(tmp_path / "work"))["vllm"]
    assert len({before.digest, by_path.digest, by_folder.digest}) == 3
    assert by_path.distribution is None


@pytest.mark.parametrize("missing", ["METADATA", "RECORD"])
def test_a_broken_dist_info(python, missing):
    (python.site / "vllm-0.14.1.dist-info" / missing).unlink()
    found = packages(python)["vllm"]
    assert (found.distribution, found.version, found.files) == ("vllm", "0.14.1", len(VLLM))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0\0\0\0",
        '"',
        '"' + "x" * 200_000,
        "vllm/__init__.py",
        "vllm/x.py,sha256=,",
        "vllm/x.py,sha256=a,²",
    ],
    ids=lambda text: repr(text)[:20],
)
def test_a_record_that_cannot_be_read(python, text):
    before = packages(python)["vllm"]
    write(python.site / "vllm-0.14.1.dist-info" / "RECORD", text)
    found = packages(python)["vllm"]
    assert found.version == "0.14.1"
    assert found.files >= len(VLLM)
    write(python.site / "vllm/platforms/rocm.py", "BLOCK = 64\n")
    assert packages(python)["vllm"].digest not in (found.digest, before.digest)


@pytest.mark.parametrize("text", ["{", "[]", '{"dir_info": null}', '{"vcs_info": 1}'])
def test_a_direct_url_that_cannot_be_read(python, text):
    before = packages(python)["vllm"]
    write(python.site / "vllm-0.14.1.dist-info" / "direct_url.json", text)
    assert packages(python)["vllm"] == before


def test_a_name_that_was_left_behind_is_not_taken_for_the_package(python):
    info = python.site / "vllm_rocm-0.13.0.dist-info"
    write(info / "METADATA", "Name: vllm-rocm\nVersion: 0.13.0\n\n")
    write(info / "RECORD", "vllm_rocm/__init__.py,sha256=abc,1\n")
    assert packages(python)["vllm"].distribution == "vllm"


def test_two_distributions_that_share_a_module_are_both_said(tmp_path):
    python = FakePython(tmp_path / "venv")
    python.install("triton", "3.5.1", {"triton/__init__.py": "__version__ = '3.5.1'\n"})
    python.install(
        "pytorch-triton-rocm", "3.4.0", {"triton/__init__.py": "__version__ = '3.4.0'\n"}
    )
    found = packages(python)["triton"]
    assert (found.distribution, found.version) == ("pytorch-triton-rocm, triton", "3.4.0, 3.5.1")


def test_a_distribution_of_another_name_is_found_by_what_it_lists(python):
    shutil.rmtree(python.site / "vllm-0.14.1.dist-info")
    python.install("our-vllm", "0.14.1+ours", VLLM)
    assert packages(python)["vllm"].distribution == "our-vllm"


def test_only_the_label_differs_and_is_said(python, tmp_path):
    other = python.copy(tmp_path / "other")
    shutil.rmtree(other.site / "vllm-0.14.1.dist-info")
    other.install("vllm", "0.14.1+rocm", VLLM)
    assert told(seen(python), seen(other)) == ["vllm 0.14.1 -> 0.14.1+rocm"]


def test_a_plugin_of_vllm_is_part_of_it(python):
    before = seen(python)
    python.install(
        "company-plugin",
        "1.0",
        {"company/__init__.py": ""},
        entry_points="[vllm.general_plugins]\ncompany = company:register\n",
    )
    assert told(before, seen(python)) == ["company-plugin 1.0: only on the second side"]


def test_libraries_of_rocm_where_the_server_would_find_them(python, tmp_path):
    rocm = tmp_path / "rocm"
    write(rocm / ".info/version", "7.1.1\n")
    write(rocm / "lib/libhipblaslt.so.1.1.70101", "gemm")
    (rocm / "lib/libhipblaslt.so").symlink_to("libhipblaslt.so.1.1.70101")
    environment = {"PATH": os.environ["PATH"], "ROCM_PATH": str(rocm)}
    before = seen(python, environment=environment)
    write(rocm / "lib/libhipblaslt.so.1.1.70101", "patched")
    assert told(before, seen(python, environment=environment)) == [
        "ROCm 7.1.1: other files under the same version (1 of 1 differ: libhipblaslt.so.1.1.70101)"
    ]


def test_a_file_that_may_not_be_read_is_not_seen(python, monkeypatch):
    def refuse(file: str, size: int, **_: int) -> str:
        raise files.Unreadable(f"{file}: Permission denied")

    monkeypatch.setattr(fingerprint, "content", refuse)
    (row,) = (row for row in PACKAGES if row.name == "vllm")
    spec = type("Spec", (), {"origin": str(python.site / "vllm/__init__.py")})
    spec.submodule_search_locations = [str(python.site / "vllm")]
    (found,) = fingerprint.packages([vars(row)], [str(python.site)], lambda name: spec)
    assert found["digest"] is None
    assert "Permission denied" in found["unreadable"]
    assert found["version"] == "0.14.1"


def test_it_runs_on_pythons_of_the_servers(tmp_path):
    for module in (files, origin, fingerprint):
        text = Path(module.__file__).read_text()
        tree = ast.parse(text, feature_version=(3, 8))
        imported = {
            name.split(".")[0]
            for node in ast.walk(tree)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert "ablation" in imported or module is files
        assert imported.isdisjoint({"vllm", "torch", "packaging", "psutil", "pydantic"})


def older_pythons() -> list[str]:
    found = []
    for minor in (8, 9, 10, 12, 13, 14):
        for place in (
            f"python3.{minor}",
            *Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3"),
        ):
            program = shutil.which(str(place))
            runs = program and subprocess.run([program, "-c", ""], capture_output=True, check=False)
            if runs and runs.returncode == 0:
                found.append(str(program))
                break
    return found


@pytest.mark.parametrize("program", older_pythons() or [None])
def test_another_python_says_the_same(python, program, tmp_path):
    if program is None:
        pytest.skip("this host has one Python")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(python.site)}
    assert packages(program, environment=environment)["vllm"] == packages(python)["vllm"]
