"""The roofs of a run, from what its launch recorded: the model's config.json, the command, the GPU's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ablation.errors import UserError
from ablation.roofline.bound import Servers, Work, compute_bound_tok_s, memory_bound_tok_s
from ablation.roofline.traffic import NotComputed, traffic
from ablation.session.model_config import argument
from ablation.study.gpus import Gpu, find_gpu

NUMBERS = ("roofline_memory_tok_s", "roofline_compute_tok_s", "roofline_fraction")
# With these a step is no longer one token of each sequence.
UNCOUNTED = ("speculative-config", "speculative_config")


def run_roofline(launch: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the summary of a run holds of the roofs; numbers are None where they cannot be computed.

    roofline_memory_tok_s   most output tokens/s by memory bandwidth, at the run's concurrency and lengths
    roofline_compute_tok_s  most output tokens/s by the arithmetic peak, prompts included
    roofline_fraction       output throughput in the window over the memory bound
    roofline_text           by which GPU it was computed, or why it was not
    """
    found: dict[str, Any] = dict.fromkeys(NUMBERS)
    try:
        gpu = gpu_of(launch)
        work = work_of(summary)
        servers = servers_of(launch["command"])
        reads = traffic_of(launch)
    except (NotComputed, UserError) as why:
        return found | {"roofline_text": f"not computed: {why}"}
    if servers.replicas > 1 and reads.experts:
        why_not = "experts that are spread over data-parallel replicas are not counted here"
        return found | {"roofline_text": f"not computed: {why_not}"}
    memory = memory_bound_tok_s(reads, gpu, work, servers)
    achieved = summary["output_throughput_tok_s"]
    count = f"{servers.gpus} x " if servers.gpus > 1 else ""
    return {
        "roofline_memory_tok_s": memory,
        "roofline_compute_tok_s": compute_bound_tok_s(reads, gpu, work, servers),
        "roofline_fraction": achieved / memory if achieved else None,
        "roofline_text": f"{count}{gpu.name}, {gpu.bandwidth_tb_s:g} TB/s ({gpu.source})",
    }


def gpu_of(launch: Mapping[str, Any]) -> Gpu:
    """The GPU that the launch saw, in the table. Raises NotComputed."""
    devices = (launch.get("telemetry") or {}).get("devices") or []
    names = [device["name"] for device in devices if device["kind"] == "gpu"]
    names += (launch.get("hardware") or {}).get("gpus") or []
    if not names:
        raise NotComputed("the launch saw no GPU")
    for name in names:
        gpu = find_gpu(name)
        if gpu is not None:
            return gpu
    raise NotComputed(f"{names[0]} is not in config/gpus.yaml")


def work_of(summary: Mapping[str, Any]) -> Work:
    """Concurrency and mean lengths of a run. Raises NotComputed without a window or tokens."""
    whole = summary["requests"] - summary["failed_requests"]
    if summary["window_s"] is None or whole <= 0 or not summary["output_tokens"]:
        raise NotComputed("the run has no window, or no tokens in it")
    return Work(
        batch=summary["achieved_concurrency"],
        prompt=summary["prompt_tokens"] / whole,
        output=summary["output_tokens"] / whole,
    )


def servers_of(command: Sequence[str]) -> Servers:
    """How the server of a command spreads over GPUs."""
    sizes = [
        _whole(argument(command, f"{kind}-parallel-size"))
        for kind in ("tensor", "pipeline", "data")
    ]
    return Servers(gpus=sizes[0] * sizes[1] * sizes[2], tensor_parallel=sizes[0], replicas=sizes[2])


def traffic_of(launch: Mapping[str, Any]) -> Any:
    """What the launch's model reads. Raises NotComputed."""
    command = launch["command"]
    if any(argument(command, name) is not None for name in UNCOUNTED):
        raise NotComputed("speculative decoding gives more than one token a step")
    kept = launch.get("model_config")
    if kept is None:
        raise NotComputed("the launch did not keep its model's config.json")
    return traffic(
        kept["config"],
        dtype=argument(command, "dtype"),
        quantization=argument(command, "quantization"),
        kv_cache_dtype=argument(command, "kv-cache-dtype"),
    )


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 1
