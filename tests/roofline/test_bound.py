"""The roofs, against sums done by hand and the measured H100."""

import pytest

from ablation.roofline.bound import Servers, Work, compute_bound_tok_s, memory_bound_tok_s
from ablation.roofline.launch import run_roofline
from ablation.roofline.traffic import traffic
from ablation.study.gpus import find_gpu
from tests.roofline.test_traffic import LLAMA_8B, TOY_MOE

H100 = find_gpu("NVIDIA H100 80GB HBM3")
COMMAND = ["python3", "-m", "vllm", "--model", "/m", "--dtype", "bfloat16"]


def launch(**more) -> dict:
    return {
        "command": COMMAND,
        "hardware": {"gpus": ["NVIDIA H100 80GB HBM3, 580.159.04, 81559 MiB"]},
        "model_config": {"location": "/m", "config": LLAMA_8B},
    } | more


def summary(**more) -> dict:
    """As on the H100 that was measured first: 2048 in, 128 out, one in flight, 143.8 tok/s."""
    return {
        "requests": 15,
        "failed_requests": 0,
        "prompt_tokens": 15 * 2048,
        "output_tokens": 15 * 128,
        "achieved_concurrency": 1.0,
        "window_s": 13.0,
        "output_throughput_tok_s": 143.8,
    } | more


def test_all_weights_over_the_bandwidth():
    """The sum that people do: 8.03e9 parameters of 2 bytes at 3.35 TB/s are 209 tok/s."""
    assert H100 is not None
    assert H100.bandwidth_tb_s == 3.35
    reads = traffic(LLAMA_8B)
    embedding = 128256 * 4096
    everything = 2 * (reads.layer_parameters + reads.head_parameters + embedding)
    assert 3.35e12 / everything == pytest.approx(208.6, abs=0.1)
    # The embedding's 1.05 GB are not read for one token, so that the bound is higher: 223.
    bound = memory_bound_tok_s(reads, H100, Work(1, 0, 0), Servers())
    assert bound == pytest.approx(3.35e12 / 15_009_316_864) == pytest.approx(223.2, abs=0.1)


def test_the_context_lowers_it_and_the_batch_raises_it():
    reads = traffic(LLAMA_8B)
    one = memory_bound_tok_s(reads, H100, Work(1, 2048, 128), Servers())
    assert one == pytest.approx(3.35e12 / (15_009_316_864 + 2112 * 131072))
    hundred = memory_bound_tok_s(reads, H100, Work(100, 2048, 128), Servers())
    assert hundred == pytest.approx(100 * 3.35e12 / (15_009_316_864 + 211200 * 131072))


def test_gpus_add_their_bandwidth_and_replicas_share_the_requests():
    reads, work = traffic(LLAMA_8B), Work(16, 1000, 100)
    alone = memory_bound_tok_s(reads, H100, work, Servers())
    assert memory_bound_tok_s(reads, H100, work, Servers(8, 8)) == pytest.approx(8 * alone)
    halves = memory_bound_tok_s(reads, H100, Work(8, 1000, 100), Servers())
    assert memory_bound_tok_s(reads, H100, work, Servers(2, 1, 2)) == pytest.approx(2 * halves)


def test_arithmetic_counts_the_prompts():
    reads = traffic(LLAMA_8B)
    bound = compute_bound_tok_s(reads, H100, Work(100, 2048, 128), Servers())
    truth = H100.bf16_tflops * 1e12 / (2 * (6_979_321_856 * 17 + 128256 * 4096))
    assert bound == pytest.approx(truth)
    fp8 = compute_bound_tok_s(traffic(LLAMA_8B, quantization="fp8"), H100, Work(1, 1, 1), Servers())
    bf16 = compute_bound_tok_s(reads, H100, Work(1, 1, 1), Servers())
    assert fp8 / bf16 == pytest.approx(H100.fp8_tflops / H100.bf16_tflops)


def test_a_run_of_the_h100():
    found = run_roofline(launch(), summary())
    assert found["roofline_memory_tok_s"] == pytest.approx(219.1, abs=0.1)
    assert found["roofline_fraction"] == pytest.approx(143.8 / 219.1, abs=1e-3)
    assert found["roofline_text"].startswith("NVIDIA H100")
    assert "3.35 TB/s" in found["roofline_text"]


def test_the_gpu_is_the_one_that_telemetry_saw():
    seen = {"telemetry": {"devices": [{"kind": "gpu", "index": 1, "name": "AMD Instinct MI300X"}]}}
    found = run_roofline(
        launch(**seen, command=[*COMMAND, "--tensor-parallel-size", "8"]), summary()
    )
    assert found["roofline_text"].startswith("8 x AMD Instinct MI300X, 5.3 TB/s")
    assert found["roofline_memory_tok_s"] == pytest.approx(8 * 5.3 / 3.35 * 219.1, rel=1e-3)


@pytest.mark.parametrize(
    ("of_launch", "of_run", "why"),
    [
        ({"hardware": {"gpus": []}}, {}, "the launch saw no GPU"),
        ({"hardware": {"gpus": ["A stranger"]}}, {}, "A stranger is not in config/gpus.yaml"),
        ({"model_config": None}, {}, "did not keep its model's config.json"),
        ({"command": [*COMMAND, "--speculative-config", "{}"]}, {}, "speculative decoding"),
        ({}, {"window_s": None}, "no window"),
        ({}, {"failed_requests": 15}, "no window, or no tokens"),
        (
            {
                "model_config": {"location": "/m", "config": TOY_MOE},
                "command": [*COMMAND, "--data-parallel-size", "2"],
            },
            {},
            "experts that are spread over data-parallel replicas",
        ),
    ],
)
def test_what_cannot_be_computed_says_why(of_launch, of_run, why):
    found = run_roofline(launch(**of_launch), summary(**of_run))
    assert found["roofline_memory_tok_s"] is None
    assert why in found["roofline_text"]
    assert found["roofline_text"].startswith("not computed: ")
