"""Reading a server's log. The lines are vLLM's own words (0.14 to 0.33)."""

import pytest

from ablation import evidence
from ablation.evidence.backends import named_lines
from ablation.evidence.stages import stages
from tests.evidence.claims import claim, proof

HEALTHY = """\
(EngineCore pid=3701) INFO 11-23 02:58:43 [cpu.py:120] Using CPU_MLA backend.
(EngineCore pid=3701) INFO 11-23 02:58:43 [cpu.py:120] Using CPU_MLA backend.
(EngineCore pid=3701) INFO 11-23 02:58:43 [default_loader.py:384] Loading weights took 1.25 seconds
INFO 11-23 02:58:44 [gpu_model_runner.py:1] Model loading took 145.27 GiB memory and 812.500000 seconds
(EngineCore pid=3701) INFO 11-23 02:58:44 [kv_cache_utils.py:2327] CPU KV cache size: 65,536 tokens, Maximum concurrency
INFO 11-23 02:58:44 [gpu_model_runner.py:1] Graph capturing finished in 21 secs, took 0.93 GiB
(EngineCore pid=3701) INFO 11-23 02:58:45 [core.py:402] init engine (profile, create kv cache, warmup model) took 0.80 s
onednn_verbose,v1,info,cpu,isa:Intel AVX
"""


def test_stages():
    assert stages(HEALTHY) == {
        "weights_s": 1.25,
        "model_loading_s": 812.5,
        "model_memory_gib": 145.27,
        "kv_cache_tokens": 65536,
        "graph_capture_s": 21,
        "engine_init_s": 0.8,
    }


def test_backends_are_told_once_and_plainly():
    assert named_lines(HEALTHY) == [
        "Using CPU_MLA backend.",
        "onednn_verbose,v1,info,cpu,isa:Intel AVX",
    ]


@pytest.mark.parametrize(
    ("what", "log", "passed"),
    [
        (claim(evidence=r"isa:Intel AVX$"), HEALTHY, True),
        (claim(evidence=r"isa:Intel AVX2$"), HEALTHY, False),
        (claim(), HEALTHY, None),
        (claim(evidence="CPU_MLA", counter_evidence="Unknown vLLM"), HEALTHY, True),
        (
            claim(counter_evidence="Unknown vLLM"),
            HEALTHY + "Unknown vLLM environment variable detected: X",
            False,
        ),
        (
            claim(evidence="TRITON_ATTN backend"),
            "INFO Cannot use TRITON_ATTN backend on CPU.",
            True,
        ),
        (
            claim(evidence="TRITON_ATTN backend", counter_evidence="Cannot use"),
            "INFO Cannot use TRITON_ATTN backend on CPU.",
            False,
        ),
    ],
)
def test_treatment(what, log, passed):
    assert proof(log, what)["passed"] is passed


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("NotImplementedError: Sparse Attention is not supported on CPU.", "sparse attention"),
        (
            "RuntimeError: Sparse attention indexer ROCm path requires AITER or a supported",
            "needs AITER",
        ),
        ("AssertionError: Aiter MLA only supports 16 or 128 number of heads.", "number of heads"),
        ("RuntimeError: cannot get heuristic kernel!", "no kernel for this shape"),
        ("ValueError: No common block size for 16", "block size"),
        (
            "ValueError: Free memory on device cuda:0 (3.1/79.1 GiB) on startup is less",
            "memory is not free",
        ),
        ("api_server.py: error: unrecognized arguments: --max-modle-len 5", "--max-modle-len 5"),
        ("OSError: [Errno 98] Address already in use", "port is in use"),
        ("KeyError: 'something new'", "KeyError: 'something new'"),
        ("all is quiet", "unknown; read the log"),
    ],
)
def test_causes(line, words):
    assert words in evidence.cause(f"INFO starting\n{line}\nINFO bye\n")


def test_the_tail_is_the_last_words():
    log = "\n".join(f"line {i}" for i in range(50)) + "\n\n"
    assert evidence.tail(log, 3) == "line 47\nline 48\nline 49"
