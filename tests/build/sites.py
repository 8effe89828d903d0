"""Pythons with packages of the tests' own: virtual environments without pip, wheels as an installer leaves them.

python = FakePython(tmp_path / "venv")
python.install("vllm", "0.14.1", VLLM)
server_of([python.program], {})
"""

import base64
import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

# An installer's work lies so far back that whatever a test changes is later.
INSTALLED_S = time.time() - 5000

# As setuptools-scm writes it for vLLM 0.32; the package ends the process that imports it.
VLLM = {
    "vllm/__init__.py": "raise SystemExit('vllm was imported')\n",
    "vllm/_version.py": "__version__ = version = '0.14.1'\n\n__commit_id__ = commit_id = 'gd7de043d5'\n",
    "vllm/envs.py": 'environment_variables = {"VLLM_ROCM_USE_AITER": lambda: 0}\n',
    "vllm/platforms/rocm.py": "BLOCK = 16\n",
    "vllm/model_executor/layers/fused_moe/configs/E=16,N=1024.json": "{}\n",
    "vllm/_rocm_C.abi3.so": b"\x7fELF" + b"kernel" * 400_000,
}
# As tools/generate_torch_version.py writes it.
TORCH = {
    "torch/__init__.py": "raise SystemExit('torch was imported')\n",
    "torch/version.py": (
        "from typing import Optional\n\n__version__ = '2.9.1+rocm6.4'\ndebug = False\n"
        "cuda: Optional[str] = None\ngit_version = 'cf30153c4c131c8164ee7798e5022d810682e2cb'\n"
        "hip: Optional[str] = '6.4.43484-123eb5128'\n"
    ),
    "torch/_inductor/config.py": "max_autotune = False\n",
    "torch/include/ATen.h": "#pragma once\n",
    "torch/lib/libtorch_hip.so": b"\x7fELF" + b"torch" * 1000,
}
# As AITER's setup.py packs a wheel; the template of its version stands in its pyproject.toml.
AITER = {
    "aiter/__init__.py": "raise SystemExit('aiter was imported')\n",
    "aiter/_version.py": "__version__ = '0.1.5.post4.dev12+g9ba2e2d4a'\n",
    "aiter/install_mode": "install",
    "aiter/jit/core.py": "def build_module(): ...\n",
    "aiter/jit/module_quant.so": b"\x7fELF prebuilt",
    "aiter/configs/tuned_fmoe.csv": "cu_num,token,us\n304,1,12.5\n",
    "aiter_meta/__init__.py": "",
    "aiter_meta/csrc/kernels/quant_kernels.cu": "__global__ void quant() {}\n",
    "aiter_meta/hsa/gfx942/fmoe/fmoe.co": b"\x7fELF code object",
}


class FakePython:
    """A virtual environment of the interpreter that runs the tests, with what a test installs and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.site = folder / "lib" / version / "site-packages"
        self.site.mkdir(parents=True)
        base = Path(sys._base_executable)  # type: ignore[attr-defined]
        (folder / "bin").mkdir()
        (folder / "bin" / "python").symlink_to(base)
        (folder / "pyvenv.cfg").write_text(
            f"home = {base.parent}\ninclude-system-site-packages = false\n"
        )

    @property
    def program(self) -> str:
        return str(self.folder / "bin" / "python")

    def install(
        self,
        distribution: str,
        version: str,
        files: dict[str, str | bytes],
        *,
        url: dict | None = None,
        entry_points: str = "",
    ) -> Path:
        """What `pip install` of a wheel leaves; returns its dist-info. A file that is there already is replaced."""
        for name, text in files.items():
            write(self.site / name, text, INSTALLED_S)
        info = self.site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        # pip writes these: INSTALLER, REQUESTED, direct_url.json for what is no name on an index.
        metadata: dict[str, str | bytes] = {
            "METADATA": f"Metadata-Version: 2.4\nName: {distribution}\nVersion: {version}\n\nWords.\n",
            "INSTALLER": "pip\n",
            "entry_points.txt": entry_points,
        }
        if url is not None:
            metadata["direct_url.json"] = json.dumps(url)
        for name, text in metadata.items():
            write(info / name, text, INSTALLED_S)
        names = [*files, *(f"{info.name}/{name}" for name in metadata)]
        record = "".join(line(self.site, name) for name in names)
        first = next(iter(files), "x.py").rpartition(".")[0]
        # Lines that differ between installs of the same wheel: scripts, caches, RECORD itself.
        record += f"../../../bin/{distribution},sha256=THQEpz1Px{len(str(self.folder))},240\n"
        record += f"{first}.cpython-311.pyc,,\n{info.name}/RECORD,,\n"
        write(info / "RECORD", record, INSTALLED_S)
        return info

    def editable(self, distribution: str, version: str, source: Path) -> Path:
        """What `pip install -e` leaves, as setuptools does it for a flat layout: a .pth file that names the source."""
        write(self.site / f"__editable__.{distribution}-{version}.pth", f"{source}\n", INSTALLED_S)
        return self.install(
            distribution,
            version,
            {f"__editable__.{distribution}-{version}.pth": f"{source}\n"},
            url={"url": f"file://{source}", "dir_info": {"editable": True}},
        )

    def copy(self, folder: Path) -> "FakePython":
        """The same packages in another folder, with new times, as `cp -r` gives them."""
        other = FakePython(folder)
        shutil.rmtree(other.site)
        shutil.copytree(self.site, other.site, copy_function=shutil.copyfile)
        return other

    def through_script(self, path: Path, *, before: str = "", after: str = "") -> str:
        """A script around this Python that writes something first or last; its path."""
        write(path, f'#!/bin/sh\n{before}\n{self.program} "$@"\n{after}\n')
        path.chmod(0o755)
        return str(path)


def write(path: Path, text: str | bytes, at_s: float | None = None) -> Path:
    """Write a file and its folders, with a time if one is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    if at_s is not None:
        os.utime(path, (at_s, at_s))
    return path


def line(site: Path, name: str) -> str:
    """A line of RECORD (PEP 376)."""
    held = (site / name).read_bytes()
    sha = base64.urlsafe_b64encode(hashlib.sha256(held).digest()).decode().rstrip("=")
    quoted = f'"{name}"' if "," in name else name
    return f"{quoted},sha256={sha},{len(held)}\n"


def checkout(source: Path, files: dict[str, str | bytes], commit: str) -> Path:
    """A source tree at a commit, as `git clone` leaves it: the branch is a packed reference."""
    for name, text in files.items():
        write(source / name, text)
    write(source / ".git" / "HEAD", "ref: refs/heads/main\n")
    write(
        source / ".git" / "packed-refs",
        f"# pack-refs with: peeled fully-peeled sorted \n{commit} refs/heads/main\n",
    )
    return source
