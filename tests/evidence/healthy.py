# ruff: noqa: E501
"""Logs of servers that are well: running, still starting, or stopped in order. None may be taken for failed."""

from tests.evidence.logs import (
    CAPTURED,
    CAPTURING,
    CPU,
    CPU_KV,
    CPU_LOADED,
    CUDA,
    KV,
    LOADED,
    LOADING,
    READY,
    ROCM_014,
    ROCM_033,
    SERVING,
    SHARDS,
    STOPPED,
    STOPPED_014,
)

SERVED = LOADED + KV + CAPTURED + READY
UNTUNED = "".join(
    f"(Worker_TP{i} pid={240 + i}) [aiter] shape is M:{m}, N:512, K:7168, not found tuned config in "
    "/tmp/aiter_configs/a8w8_blockscale_tuned_gemm.csv, will use default config!\n"
    for m in (1, 72)
    for i in range(3)
)
BUILDS = """\
(Worker_TP0 pid=240) [aiter] [pid=240 pname=Worker_TP0] start build [module_moe_asm] under /home/user/.aiter/jit/build/module_moe_asm
(Worker_TP1 pid=241) [aiter] [pid=241 pname=Worker_TP1] waiting for baton release at /home/user/.aiter/jit/build/lock_module_moe_asm
(Worker_TP0 pid=240) [aiter] [pid=240 pname=Worker_TP0] \x1b[32mfinish build [module_moe_asm], cost 57.8s \x1b[0m
(Worker_TP0 pid=240) [aiter] import [module_moe_asm] under /home/user/.aiter/jit/module_moe_asm.so
"""
OPTIONAL = """\
Traceback (most recent call last):
  File "/usr/local/lib/python3.12/dist-packages/vllm/third_party/deep_gemm.py", line 3, in <module>
ImportError: libnvrtc.so.13: cannot open shared object file: No such file or directory
(Worker_TP0 pid=301) INFO 02-11 09:12:39 [gpu_model_runner.py:3800] going on without it
"""
HEALTHY = {
    "cpu, ready": CPU + CPU_LOADED + CPU_KV + READY,
    "cpu, stopped: the engine is found dead after the order": CPU + CPU_LOADED + CPU_KV + READY + SERVING + STOPPED,
    "cpu, MLA": CPU + "(Worker pid=46) INFO 11-23 03:36:13 [cpu.py:120] Using CPU_MLA backend.\n"
        + CPU_LOADED + CPU_KV + READY + STOPPED,
    "cpu, a backend that it cannot use": CPU
        + "(Worker pid=46) INFO 11-23 03:36:13 [cpu.py:160] Cannot use TRITON_ATTN backend on CPU.\n"
        + CPU_LOADED + CPU_KV + READY,
    "cpu, oneDNN verbose": CPU + CPU_LOADED + CPU_KV + READY + "onednn_verbose,v1,info,cpu,isa:Intel AVX\n"
        "onednn_verbose,v1,primitive,exec:check,primitive,unused primitive execution argument (80),src/x.cpp:136\n",
    "cpu, still loading": CPU + LOADING + "Loading safetensors checkpoint shards:  12% Completed | 1/8\n",
    "cpu, nothing yet": CPU.splitlines(keepends=True)[0],
    "nothing at all": "",
    "rocm 0.14, AITER off": ROCM_014 + "(Worker_TP0 pid=301) INFO 02-11 09:12:36 [rocm.py:420] Using Triton Attention "
        "backend.\n" + SERVED + SERVING + STOPPED_014,
    "rocm 0.14, AITER MLA": ROCM_014 + "(Worker_TP0 pid=301) INFO 02-11 09:12:36 [rocm.py:330] Using AITER MLA backend.\n"
        + SERVED + SERVING,
    "rocm 0.14, old variable": ROCM_014 + "WARNING 02-11 09:12:21 [envs.py:99] Unknown vLLM environment variable "
        "detected: VLLM_ROCM_USE_AITER_PAGED_ATTN\n" + SERVED,
    "rocm 0.33, selected": ROCM_033 + "(Worker_TP0 pid=240) INFO 08-19 11:02:50 [rocm.py:750] Using ROCM_AITER_FA "
        "backend (selected via --attention-backend).\n" + SERVED + STOPPED,
    "rocm 0.33, own candidates overridden": ROCM_033 + "(Worker_TP0 pid=240) INFO 08-19 11:02:50 [rocm.py:841] Found "
        "incompatible backend(s) [ROCM_ATTN] with DECODER. Overriding with ROCM_AITER_FA out of potential backends: "
        "['ROCM_AITER_FA', 'TRITON_ATTN'].\n" + SERVED,
    "rocm 0.33, untuned": ROCM_033 + SERVED + UNTUNED + SERVING,
    "rocm 0.33, kernels built on first use": ROCM_033 + LOADED + BUILDS + KV + CAPTURED + READY + SERVING,
    "rocm 0.33, waiting for a build": ROCM_033 + LOADED + BUILDS.splitlines(keepends=True)[0]
        + BUILDS.splitlines(keepends=True)[1],
    "rocm 0.33, MXFP4 emulated": ROCM_033 + "(Worker_TP0 pid=240) WARNING 08-19 11:03:00 [quark.py:90] The current "
        "platform does not support native MXFP4 computation. Simulated weight dequantization will be used.\n" + SERVED,
    "rocm 0.33, sparse indexer on PyTorch": ROCM_033 + "(Worker_TP0 pid=240) WARNING 08-19 11:03:00 [indexer.py:44] "
        "AITER paged-MQA logits is unavailable; using the PyTorch fallback\n" + SERVED,
    "rocm, capturing": ROCM_014 + LOADED + KV + CAPTURING,
    "cuda, torch.compile": CUDA + LOADED + "(EngineCore_DP0 pid=60) INFO 05-03 17:21:30 [backends.py:399] Compiling a "
        "graph for compile range (1, 8192) takes 18.92 s\n(EngineCore_DP0 pid=60) INFO 05-03 17:21:31 [monitor.py:65] "
        "torch.compile took 31.25 s in total\n" + KV + CAPTURED + READY + SERVING + STOPPED,
    "cuda, Triton compiles late": CUDA + SERVED + SERVING + "(EngineCore_DP0 pid=60) WARNING 05-03 17:25:01 "
        "[jit_monitor.py:96] Triton kernel JIT compilation during inference: _fwd_kernel. This causes a latency spike; "
        "consider extending warmup to cover this shape/config.\n" + SERVING,
    "cuda, an optional part is missing": CUDA + OPTIONAL + SERVED,
    "cuda, an optional part is missing, still starting": CUDA + OPTIONAL + LOADING + SHARDS,
    "cuda, a request with an error": CUDA + SERVED + 'INFO:     127.0.0.1:5 - "POST /v1/completions HTTP/1.1" 400 Bad '
        "Request\n(APIServer pid=7) ERROR 05-03 17:25:03 [serving_engine.py:700] Error in preprocessing prompt inputs\n"
        "(APIServer pid=7) ERROR 05-03 17:25:03 [serving_engine.py:700] ValueError: The decoder prompt (length 9000) is "
        "longer than the maximum model length of 8192.\n" + SERVING,
    "cuda, gone client": CUDA + SERVED + "(APIServer pid=7) ERROR 05-03 17:26:00 [utils.py:60] Exception in ASGI "
        "application\nasyncio.exceptions.CancelledError\n" + SERVING,
    "cuda, no custom all-reduce": CUDA + "(Worker_TP0 pid=301) WARNING 05-03 17:20:40 [custom_all_reduce.py:154] Custom "
        "allreduce is disabled because your platform lacks GPU P2P capability or P2P test failed.\n" + SERVED,
    "cuda, error rate in a model's name": CUDA.replace("model='m'", "model='org/ErrorFixer-OutOfMemory-7B'") + SERVED,
    "stopped while it was starting": CUDA + LOADED + STOPPED,
}  # fmt: skip
