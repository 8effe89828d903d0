"""What vLLM a Python has, and what a study may ask of it."""

import contextlib
import os
import sys
from pathlib import Path

import pytest

from ablation.session.installation import (
    Installation,
    check_model,
    check_variables,
    check_version,
    find_installation,
)
from ablation.study.load import StudyError

VLLM = Installation(
    "3.12.1", "0.32.0", frozenset({"VLLM_ROCM_USE_AITER", "VLLM_CPU_KVCACHE_SPACE"})
)


def test_a_python_without_vllm_is_refused_with_the_remedy():
    with pytest.raises(StudyError, match="has no vLLM; run `make setup`"):
        find_installation(sys.executable)


def test_a_python_that_is_not_there():
    with pytest.raises(StudyError, match=r"server\.python: /no/python: No such file"):
        find_installation("/no/python")


def test_something_that_is_no_python(tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho Welcome\n")
    script.chmod(0o755)
    with pytest.raises(StudyError, match=r"python: asked for its vLLM, it wrote 'Welcome'; name"):
        find_installation(str(script))


def test_a_script_that_greets_before_its_python(python_with_vllm, tmp_path):
    script = tmp_path / "greeting"
    script.write_text(f'#!/bin/sh\necho Welcome\nexec {python_with_vllm} "$@"\n')
    script.chmod(0o755)
    assert find_installation(str(script)).vllm == "0.32.1.dev0+cpu"


@pytest.fixture
def python_with_vllm(tmp_path):
    """A Python that finds a package of vLLM's layout, and fails if that is ever imported."""
    package = tmp_path / "site" / "vllm"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "_version.py").write_text("__version__ = version = '0.32.1.dev0+cpu'\n")
    (package / "envs.py").write_text('environment_variables = {"VLLM_USE_THIS": lambda: 1}\n')
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/site exec {sys.executable} "$@"\n')
    script.chmod(0o755)
    return str(script)


def test_vllm_is_read_without_being_imported(python_with_vllm):
    found = find_installation(python_with_vllm)
    assert found.vllm == "0.32.1.dev0+cpu"
    assert found.variables == {"VLLM_USE_THIS"}


@pytest.mark.parametrize("wanted", ["0.32.0", "0.32.0+cpu"])
def test_the_studys_version_is_accepted(wanted):
    check_version("0.32.0+cpu", wanted, "here")


@pytest.mark.parametrize(("installed", "wanted"), [("0.33.0", "0.32.0"), ("0.32.0", "0.32.0+rocm")])
def test_another_version_is_refused(installed, wanted):
    with pytest.raises(
        StudyError, match=rf"the study is for vLLM {wanted.replace('+', '.')}, here has {installed}"
    ):
        check_version(installed, wanted, "here")


def test_unknown_variables_are_refused_with_the_nearest():
    with pytest.raises(StudyError) as error:
        check_variables({"factor.arms.on.env": ["VLLM_ROCM_USE_AITTER", "OMP_NUM_THREADS"]}, VLLM)
    assert "factor.arms.on.env: VLLM_ROCM_USE_AITTER" in str(error.value)
    assert "did you mean VLLM_ROCM_USE_AITER?" in str(error.value)
    check_variables({"server.env": ["VLLM_ROCM_USE_AITER", "OMP_NUM_THREADS"]}, VLLM)


def test_a_model_folder_that_is_not_there(tmp_path):
    with pytest.raises(StudyError, match=r"models\.m\.path: .*no config\.json there"):
        check_model(str(tmp_path), False, "models.m.path")
    (tmp_path / "config.json").write_text("{}")
    check_model(str(tmp_path), False, "models.m.path")
    check_model("owner/name-on-the-hub", False, "models.m.path")


def test_a_model_folder_by_the_same_rule_as_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for location in ("~/models/m", "org/name", "a folder/m"):
        with contextlib.ExitStack() as refused:
            if location != "org/name":
                refused.enter_context(pytest.raises(StudyError, match="no config"))
            check_model(location, False, "models.m.path")
        folder = Path(os.path.expanduser(location))
        folder.mkdir(parents=True)
        with pytest.raises(StudyError, match="no config"):
            check_model(location, False, "models.m.path")
        (folder / "config.json").write_text("{}")
        check_model(location, False, "models.m.path")
    check_model("unsloth/Qwen3-0.6B-GGUF:Q4_K_M", False, "models.m.path")
    check_model("s3://bucket/models/m", False, "models.m.path")
