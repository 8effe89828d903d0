"""Runs in the server's Python (it needs torch and transformers): writes a model with random weights.

    python worker.py FOLDER < recipe.json

Nothing is downloaded. vLLM's own `--load-format dummy` is not used because its weights are uniform within
1e-3, norm gains included: the output then depends on the last token only, attention has no part in it, and two
kernels agree whatever they compute.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def main() -> None:
    folder = Path(sys.argv[1])
    recipe = json.load(sys.stdin)
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "vocab_size": recipe["vocabulary"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "max_position_embeddings": 4096,
        "torch_dtype": "float32",
        **recipe["config"],
    }
    write_tokenizer(folder, recipe["vocabulary"])
    if recipe["weights"]:
        write = write_weights if config["torch_dtype"] == "float32" else write_shards
        write(folder, config, recipe["seed"], recipe["init_std"])
    # Last and whole: the folder counts as made when this file is there.
    partial = folder / "config.json.partial"
    partial.write_text(json.dumps(config, indent=1) + "\n")
    partial.rename(folder / "config.json")


def write_tokenizer(folder: Path, vocabulary: int) -> None:
    """A word-level tokenizer: prompts are token ids, so all it must do is turn ids into some text."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {"<pad>": 0, "<s>": 1, "</s>": 2, **{f"w{i}": i for i in range(3, vocabulary)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["<pad>", "<s>", "</s>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<pad>",
        "model_max_length": 4096,
        "chat_template": "{% for m in messages %}{{ m['content'] }} {% endfor %}",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    (folder / "generation_config.json").write_text(
        json.dumps({"bos_token_id": 1, "eos_token_id": 2}) + "\n"
    )


def bare_model(config: dict, dtype: "torch.dtype") -> "PreTrainedModel":
    """The model of a configuration, by transformers."""
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = {k: v for k, v in config.items() if k not in ("model_type", "architectures")}
    return AutoModelForCausalLM.from_config(
        AutoConfig.for_model(config["model_type"], **settings), dtype=dtype
    )


def write_weights(folder: Path, config: dict, seed: int, std: float) -> None:
    """Gains 1, biases 0, everything else normal with the recipe's standard deviation."""
    import torch

    model = bare_model(config, torch.float32)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.ndim > 1:
                parameter.normal_(0.0, std, generator=generator)
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    model.save_pretrained(folder)


SHARD_BYTES = 4_000_000_000


def write_shards(folder: Path, config: dict, seed: int, std: float) -> None:
    """The same for a model of many gigabytes, tensor by tensor, on the GPU where there is one.

    The values depend on the device that draws them; a study's launches share one folder.
    """
    import torch

    dtype = getattr(torch, config["torch_dtype"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device("meta"):
        model = bare_model(config, dtype)
    generator = torch.Generator(device).manual_seed(seed)
    shard: dict[str, torch.Tensor] = {}
    files: dict[str, str] = {}
    for name, parameter in sorted(model.named_parameters()):
        tensor = torch.empty(parameter.shape, dtype=dtype, device=device)
        if parameter.ndim > 1:
            tensor.normal_(0.0, std, generator=generator)
        else:
            tensor.fill_(0.0 if name.endswith("bias") else 1.0)
        if shard and sum(t.nbytes for t in shard.values()) + tensor.nbytes > SHARD_BYTES:
            save_shard(folder, shard, files)
        shard[name] = tensor.cpu()
    save_shard(folder, shard, files)
    total = sum((folder / name).stat().st_size for name in set(files.values()))
    index = {"metadata": {"total_size": total}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def save_shard(folder: Path, shard: dict, files: dict[str, str]) -> None:
    """Write a shard and empty it; `files` learns where each tensor is."""
    from safetensors.torch import save_file

    name = f"model-{len(set(files.values())) + 1:05}.safetensors"
    save_file(shard, str(folder / name), metadata={"format": "pt"})
    files.update(dict.fromkeys(shard, name))
    shard.clear()


if __name__ == "__main__":
    main()
