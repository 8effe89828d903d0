"""Runs in the server's Python (torch, transformers) with `gguf` beside it: a GGUF file as a model folder.

    python from_gguf.py FILE.gguf FOLDER [--dtype bfloat16]

Weights are unpacked from the file's quantisation and written as plain safetensors, with tokenizer and config.json, the
last of them: a folder that has it is whole. It is for small models, one file of weights that fits in memory.
"""

import argparse
import shutil
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dtype", choices=["bfloat16", "float16", "float32"], default="bfloat16")
    args = parser.parse_args()
    if not args.file.is_file():
        sys.exit(f"{args.file}: no such file; see docs/accuracy.md for where to get one")
    if (args.folder / "config.json").exists():
        sys.exit(f"{args.folder}: there is a model already; name another folder, or remove it")
    convert(args.file, args.folder, args.dtype)


def convert(file: Path, folder: Path, dtype: str) -> None:
    """Write the model in `file` to `folder`, whole or not at all."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    kind = getattr(torch, dtype)
    tokenizer = AutoTokenizer.from_pretrained(**where)
    unpacked = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    # The file's quantisation is undone: a folder that still claims it would be unpacked a second time.
    config = unpacked.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    weights = {name: tensor.to(kind) for name, tensor in unpacked.state_dict().items()}
    plain = type(unpacked)(config).to(kind)
    plain.load_state_dict(weights)
    plain.tie_weights()

    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    plain.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    partial.rename(folder)
    parameters = sum(p.numel() for p in plain.parameters()) / 1e6
    print(f"{folder}: {config.architectures[0]}, {parameters:.0f} million parameters, {dtype}")


if __name__ == "__main__":
    main()
