"""One spelling of every server argument, so that no rule of the workflow can be gone around by another.

vLLM's parser takes `--tensor_parallel_size`, `--tensor-parallel-size` and `-tp` for the same thing (its
FlexibleArgumentParser turns underscores before the first dot into dashes). A study may write any of them; from here on
there is one.
"""

from __future__ import annotations

from collections.abc import Mapping

from ablation.study.values import ArgValue

# Short options and second names of vLLM's parser (engine/arg_utils.py and entrypoints/launchers/cli_args.py, 0.32).
SYNONYMS = {
    "tp": "tensor-parallel-size",
    "pp": "pipeline-parallel-size",
    "dp": "data-parallel-size",
    "dpn": "data-parallel-rank",
    "dpr": "data-parallel-start-rank",
    "dpl": "data-parallel-size-local",
    "dpa": "data-parallel-address",
    "dpp": "data-parallel-rpc-port",
    "dpb": "data-parallel-backend",
    "dph": "data-parallel-hybrid-lb",
    "dpe": "data-parallel-external-lb",
    "dcp": "decode-context-parallel-size",
    "pcp": "prefill-context-parallel-size",
    "ep": "enable-expert-parallel",
    "q": "quantization",
    "n": "nnodes",
    "r": "node-rank",
    "asc": "api-server-count",
    "sc": "speculative-config",
    "dc": "diffusion-config",
    "cc": "compilation-config",
    "ac": "attention-config",
    "device-memory-utilization": "gpu-memory-utilization",
}

# What the workflow sets itself, or what would take settings out of its sight -> what to do instead.
RESERVED = {
    "model": "it is the model's `path`",
    "model-tag": "it is the model's `path`",
    "served-model-name": "the workflow sets it",
    "host": "it is `server.host`",
    "port": "it is `server.port`",
    "uds": "the server is asked over TCP, at `server.host`",
    "api-key": "a launched server listens on loopback and needs no key",
    "config": "its settings would go past the plan, the proof and the address of the measurement; write them here",
}


def canonical_name(name: str) -> str:
    """`tensor_parallel_size` and `tp` -> `tensor-parallel-size`; `compilation_config.cudagraph_mode` keeps its tail.

    Raises ValueError where the name cannot be one of vLLM's: dashes in front, capitals, nothing.
    """
    if name.startswith("-"):
        raise ValueError(f"{name}: write it without the dashes, {name.lstrip('-')!r}")
    head, dot, tail = name.partition(".")
    head = head.replace("_", "-")
    if not head or head != head.lower() or head.split() != [head]:
        raise ValueError(
            f"{name!r} is no name of a server argument: they are of lower-case letters, digits and dashes"
        )
    return SYNONYMS.get(head, head) + dot + tail


def canonical(args: Mapping[str, ArgValue]) -> dict[str, ArgValue]:
    """Server arguments in their one spelling, in the order given; `no-x: true` is `x: false`.

    Raises ValueError where one is written twice, or is the workflow's own.
    """
    found: dict[str, ArgValue] = {}
    written: dict[str, str] = {}
    for given, value in args.items():
        name = canonical_name(given)
        negated = name.removeprefix("no-")
        if name != negated and (value is None or isinstance(value, bool)):
            name, value = negated, None if value is None else not value
        if name in written:
            raise ValueError(
                f"{given}: the same argument as {written[name]!r}, which stands there already; write it once"
            )
        if name in RESERVED:
            raise ValueError(
                f"{given}: set by the workflow; it cannot be an argument of a study: {RESERVED[name]}"
            )
        written[name], found[name] = given, value
    return found


def whole_number(args: Mapping[str, ArgValue], name: str, default: int = 1) -> int:
    """A server argument that counts something, also where YAML has it as text.

    Raises ValueError where it holds anything else, or less than 1.
    """
    value = args.get(name)
    if value is None:
        return default
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"args.{name}: {value!r} is not a whole number")
    if value < 1:
        raise ValueError(f"args.{name}: {value} is less than 1")
    return value
