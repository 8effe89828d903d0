"""From what a step reads and a token costs to tokens per second: the two roofs.

Source: Williams, Waterman, Patterson (2009), Roofline, CACM 52(4): attainable = min(peak arithmetic, bandwidth x
intensity).
"""

from __future__ import annotations

from dataclasses import dataclass

from ablation.roofline.traffic import Traffic
from ablation.study.gpus import Gpu


@dataclass(frozen=True)
class Servers:
    """GPUs of a server, and how it spreads: `replicas` (data parallel) each of gpus / replicas GPUs."""

    gpus: int = 1
    tensor_parallel: int = 1
    replicas: int = 1


@dataclass(frozen=True)
class Work:
    """What was asked at a level.

    batch    mean requests in flight; fewer decode at a time, so the bound is one still
    prompt   mean prompt tokens of a request; output likewise
    """

    batch: float
    prompt: float
    output: float

    @property
    def context(self) -> float:
        """Mean context while a request decodes: its prompt and half of its output."""
        return self.prompt + self.output / 2


def memory_bound_tok_s(traffic: Traffic, gpu: Gpu, work: Work, servers: Servers) -> float:
    """Most output tokens per second that the memory's bandwidth allows.

    A step gives each of the B sequences one token and takes at least bytes / bandwidth seconds:
    B x bandwidth / bytes(B). Prefill is taken to cost nothing.
    """
    batch = work.batch / servers.replicas
    bytes_read = traffic.step_bytes(batch, work.context, servers.tensor_parallel)
    bandwidth = gpu.bandwidth_tb_s * 1e12 * servers.gpus / servers.replicas
    return servers.replicas * batch * bandwidth / bytes_read


def compute_bound_tok_s(traffic: Traffic, gpu: Gpu, work: Work, servers: Servers) -> float:
    """Most output tokens per second that the dense arithmetic peak allows, prompts included.

    A token takes 2 operations a parameter (Kaplan et al. 2020, arXiv:2001.08361), attention's own left out: an
    output token its own and its share of the prompt's. FP8 weights count at the FP8 peak where there is one.
    """
    tokens = (work.prompt + work.output) / work.output
    operations = 2 * (traffic.layer_parameters * tokens + traffic.head_parameters)
    peak = gpu.fp8_tflops if traffic.fp8 and gpu.fp8_tflops else gpu.bf16_tflops
    return peak * 1e12 * servers.gpus / operations
