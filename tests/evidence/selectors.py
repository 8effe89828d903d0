"""Lines that vLLM's own ROCm selectors printed, executed for gfx942 without a GPU, with and without AITER.

selectors.json: "0.33.0 AITER=1" -> what was selected -> the lines. No kernel ran; the names of the cases are those of
the models that the selectors were asked for.
"""

import json
from pathlib import Path

_PRINTED = json.loads(Path(__file__).with_name("selectors.json").read_text(encoding="utf-8"))

DENSE, SINKS, MLA = "gqa 128q/8kv TP8 hd128", "gqa sinks (gpt-oss) hd64", "mla 64 heads TP4 (16)"
MLA_BLOCK_1 = "mla block 1"  # of 0.14.1
SPARSE, SPARSE_014 = "sparse mla block default", "sparse mla block 1"
FA, VISION, PREFILL = "gqa asked ROCM_AITER_FA", "vision encoder bf16 hd72", "mla prefill"
NORMS = "config"
LLAMA_LINEAR = "linear llama405 fbgemm gate_up TP8 (13312,16384)"
BLOCK_LINEAR = "linear deepseek block fp8 (7168,2048)"
MOE_FP8, MOE_FP8_014 = "moe deepseek-v3 fp8 block TP8", "moe deepseek fp8 block TP8"
MOE_BF16, MOE_DECLINED = (
    "moe qwen3-vl-235b bf16 TP8 (192 rows)",
    "moe bf16 not gated relu2 (nemotron)",
)
MOE_INT4 = "moe kimi-k2.5 int4 g32 TP4"
# cuda_communicator.py of 0.32, _log_all_reduce_backend_selection: not executed, since it needs a process group.
_POTENTIAL = "['QUICK_REDUCE', 'AITER_CUSTOM', 'CUSTOM', 'SYMM_MEM', 'PYNCCL']"
ALL_REDUCE = (
    f"INFO Using {{}} all-reduce backends (in dispatch order) for group 'tp:0' out of potential "
    f"backends: {_POTENTIAL}."
)


def lines(version: str, aiter: int, *cases: str) -> list[str]:
    """What was printed for these selections, `INFO ...`."""
    return [line for case in cases for line in _PRINTED[f"{version} AITER={aiter}"][case]]


def log(version: str, aiter: int, *cases: str, more: str = "", eager: bool = False) -> str:
    """A server's log around these selections: its version, its engine, its weights."""
    worker = "(Worker_TP0 pid=240) {} 08-19 11:02:50 [rocm.py:750] {}\n"
    printed = [line.split(" ", 1) for line in lines(version, aiter, *cases)]
    head = f"(APIServer pid=1) INFO 08-19 11:02:14 [api_server.py:1272] vLLM API server version {version}\n"
    engine = (
        f"(EngineCore pid=199) INFO 08-19 11:02:31 [core.py:133] Initializing a V1 LLM engine (v{version}) with "
        f"config: model='m', dtype=torch.bfloat16, tensor_parallel_size=8, enforce_eager={eager}\n"
    )
    told = "".join(worker.format(level, text) for level, text in printed)
    loaded = worker.format("INFO", "Loading weights took 341.52 seconds")
    return head + engine + told + "".join(f"{line}\n" for line in more.splitlines()) + loaded
