"""The copy of a model with a planted error: only the chosen weights change, by as much as was asked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import ROOT

ROOM = ROOT / "workflow" / "ablation" / "model"
SERVER_PYTHON = ROOT / ".venv-vllm" / "bin" / "python"

# Makes a folder, plants an error, and says what became of each tensor; one process, since torch takes seconds.
TRIAL = """
import json, pathlib, re, sys
import torch
from safetensors.torch import load_file, save_file
sys.path.insert(0, sys.argv[1])
from perturb import perturb
folder = pathlib.Path(sys.argv[2])
folder.mkdir()
(folder / "config.json").write_text("{}")
torch.manual_seed(3)
names = ["layers.1.down_proj.weight", "layers.11.down_proj.weight", "layers.1.up_proj.weight"]
save_file({name: torch.randn(64, 64).bfloat16() for name in names}, folder / "model.safetensors")
copy = folder.with_name("copy")
changed = perturb(folder, copy, re.compile(r"layers\\.1\\.down_proj"), 5, 1)
old, new = (load_file(f / "model.safetensors") for f in (folder, copy))
parts = {n: float((new[n].float() - old[n].float()).std() / old[n].float().std()) for n in names}
print(json.dumps({"changed": changed, "parts": parts, "files": sorted(p.name for p in copy.iterdir())}))
"""


def run(*arguments: object, python: object = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.vllm
def test_only_the_chosen_weights_change_by_as_much_as_was_asked(tmp_path):
    done = run("-c", TRIAL, ROOM, tmp_path / "model", python=SERVER_PYTHON)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["changed"] == ["layers.1.down_proj.weight"]
    assert found["files"] == ["config.json", "model.safetensors"]
    assert found["parts"]["layers.1.down_proj.weight"] == pytest.approx(0.05, rel=0.1)
    others = {name: part for name, part in found["parts"].items() if name not in found["changed"]}
    assert list(others.values()) == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("from_gguf.py", "none.gguf", "out"), "none.gguf: no such file"),
        (("from_gguf.py", "model.gguf", "there"), "there: there is a model already"),
        (("perturb.py", "nowhere", "out"), "nowhere: no config.json there"),
        (("perturb.py", "there", "there"), "there: is there already"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_read(tmp_path: Path, arguments, words):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "config.json").write_text("{}")
    (tmp_path / "model.gguf").write_bytes(b"")
    script, *paths = arguments
    options = ["--weights", "x", "--percent", "5"] if script == "perturb.py" else []
    done = run(ROOM / script, *(tmp_path / path for path in paths), *options)
    assert done.returncode == 1
    assert words in done.stderr
    assert not (tmp_path / "out").exists()
