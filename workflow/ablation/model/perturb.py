"""Plants an error: a copy of a model folder with noise on some weights, to see whether the accuracy gate finds it.

    python perturb.py FOLDER COPY --weights 'layers\\.15\\.mlp\\.down_proj' --percent 5 [--seed 1]

Runs in the server's Python (it needs torch and safetensors). Gaussian noise, `percent` of each chosen tensor's
own root mean square. Everything else in the folder is copied as it is.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("copy", type=Path)
    parser.add_argument("--weights", type=re.compile, required=True, help="regular expression")
    parser.add_argument("--percent", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if not (args.folder / "config.json").is_file():
        sys.exit(f"{args.folder}: no config.json there; name the folder of a model")
    if args.copy.exists():
        sys.exit(f"{args.copy}: is there already; name another folder, or remove it")
    names = perturb(args.folder, args.copy, args.weights, args.percent, args.seed)
    print(f"{args.copy}: {args.percent:g} % noise on {', '.join(names)}")


def perturb(folder: Path, copy: Path, weights: re.Pattern, percent: float, seed: int) -> list:
    """Write the copy, whole or not at all. Returns the names of the tensors that were changed."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    partial = copy.with_name(f".{copy.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(folder, partial)
    generator = torch.Generator().manual_seed(seed)
    changed = []
    for path in sorted(partial.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        for name in sorted(tensors):
            if weights.search(name):
                exact = tensors[name].float()
                noise = torch.randn(exact.shape, generator=generator)
                size = percent / 100 * exact.pow(2).mean().sqrt()
                tensors[name] = (exact + size * noise).to(tensors[name].dtype)
                changed.append(name)
        save_file(tensors, path, metadata=metadata)
    if not changed:
        shutil.rmtree(partial)
        sys.exit(f"{folder}: no tensor's name matches {weights.pattern!r}; nothing was written")
    partial.rename(copy)
    return changed


if __name__ == "__main__":
    main()
