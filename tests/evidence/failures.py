# ruff: noqa: E501
"""Logs of servers that failed: (class, stage, log). Sources of the words: the facts of the sources and issues named."""

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
    dead,
    engine,
    worker,
)

SERVED = LOADED + KV + CAPTURED + READY
FAILURES = [
    # Seen with vLLM 0.32 on a CPU.
    ("sparse-attention-unsupported", "weights", CPU + LOADING + worker(
        '    raise NotImplementedError("Sparse Attention is not supported on CPU.")\n'
        "NotImplementedError: Sparse Attention is not supported on CPU.")),
    ("block-size", "kv_cache", CPU + CPU_LOADED + CPU_KV + worker(
        "ValueError: No common block size for 16 (CPU_ATTN: [MultipleOf(32)]).")),
    ("kv-cache-memory", "kv_cache", CPU + CPU_LOADED + engine(
        "ValueError: To serve at least one request with the model's max seq len (2048), (0.0 GiB KV cache is needed, "
        "which is larger than the available KV cache memory (0.0 GiB). Try increasing `gpu_memory_utilization`")),
    ("max-model-len", "start", CPU.split("(EngineCore")[0] + "Traceback (most recent call last):\n"
        '  File "/opt/venv/vllm/config/model.py", line 700, in __post_init__\n'
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
        "  Value error, User-specified max_model_len (99999) is greater than the derived max_model_len "
        "(max_position_embeddings=4096.0) [type=value_error]\n"
        "    For further information visit https://errors.pydantic.dev/2.14/v/value_error\n"),
    ("unknown-attention-backend", "start", CPU.split("(EngineCore")[0] + "Traceback (most recent call last):\n"
        "KeyError: 'NOPE'\nDuring handling of the above exception, another exception occurred:\n"
        "ValueError: Unknown attention backend: 'NOPE'. Valid options are: FLASH_ATTN, TRITON_ATTN, CPU_ATTN\n"),
    ("cpu-binding", "start", CPU + engine(
        "    cpu_list, reserve_list = self._get_autobind_cpu_ids(\n"
        "AssertionError: Not enough allowed NUMA nodes to bind threads of 2 local CPUWorkers. Allowed NUMA nodes are "
        "[0]. Please try to bind threads manually or decrease DP/TP/PP.")),
    ("unknown-argument", "start", "usage: api_server.py [-h] [--model MODEL]\n"
        "api_server.py: error: unrecognized arguments: --max-modle-len 5\n"),
    ("bad-argument", "start", "usage: vllm serve [model_tag] [options]\n"
        "vllm serve: error: argument --dtype: invalid choice: 'bf17' (choose from auto, half, float16)\n"),
    ("onednn", "under_load", CPU + CPU_LOADED + CPU_KV + READY + SERVING + dead(
        "RuntimeError: could not create a primitive descriptor for the matmul primitive")),
    ("engine-died", "under_load", CPU + CPU_LOADED + CPU_KV + READY + SERVING + dead("SystemExit")),
    # AITER and ROCm: vLLM 0.14 to 0.33.
    ("sparse-attention-needs-aiter", "weights", ROCM_014 + LOADING + worker(
        "RuntimeError: Sparse attention indexer ROCm custom op requires ROCm Aiter ops to be enabled.")),
    ("sparse-attention-needs-aiter", "kv_cache", ROCM_014 + LOADED + worker(
        "RuntimeError: Sparse attention indexer ROCm path is only supported on AITER. "
        "Please enable aiter with VLLM_ROCM_USE_AITER=1")),
    ("sparse-attention-needs-aiter", "kv_cache", ROCM_033 + LOADED + worker(
        "RuntimeError: Sparse attention indexer ROCm path requires AITER or a supported native architecture "
        "(gfx950/gfx11).")),
    ("sparse-mla-block-size", "weights", ROCM_014 + LOADING + worker(
        "ValueError: Sparse MLA backend on ROCm only supports block size 1 for now.")),
    ("aiter-head-count", "weights", ROCM_014 + LOADING + worker(  # vllm issue 35641
        "    self.mla_attn = MultiHeadLatentAttentionWrapper(\n"
        "AssertionError: Aiter MLA only supports 16 or 128 number of heads.\n"
        "Provided 8 number of heads.\nTry adjusting tensor_parallel_size value.")),
    ("aiter-head-count", "graph_capture", ROCM_014 + LOADED + KV + CAPTURING + worker(  # aiter issue 548
        "AssertionError: nhead=32 not supported")),
    ("aiter-head-count", "weights", ROCM_033 + LOADING + worker(
        "ValueError: ROCM AITER MLA requires a positive multiple of 16 heads, or an unaligned head count up to 128")),
    ("aiter-no-kernel", "graph_capture", ROCM_033 + LOADED + KV + CAPTURING  # vllm issue 51232
        + "[AITER] /app/aiter/csrc/py_itfs_cu/asm_mla.cu:193 get_heuristic_kernel_mla: cannot get heuristic kernel! "
        "q_type:bf16 kv_type:fp8 gqa:16\n" + worker("RuntimeError: see the line above")),
    ("moe-shape", "kv_cache", ROCM_014 + LOADED + worker(  # vllm issue 35637, aiter issue 915
        "    out = rocm_aiter_fused_experts(\nRuntimeError: wrong! device_gemm with the specified compilation "
        "parameters does not support this GEMM problem")),
    ("moe-shape", "kv_cache", ROCM_033 + LOADED + worker(  # vllm issue 40008
        "RuntimeError: Unsupported kernel config for moe heuristic dispatch")),
    ("capture-workspace", "graph_capture", ROCM_033 + LOADED + KV + CAPTURING + worker(  # vllm issue 55452
        "RuntimeError: [AITER] opus_gemm.cu:540 splitk workspace not initialized for the current CUDA stream.")),
    ("capture-unsupported", "graph_capture", ROCM_014 + LOADED + KV + CAPTURING  # hip issue 3876
        + "[rank0]:[E1030 15:32:32.97 ProcessGroupNCCL.cpp:2055] [PG ID 5 Rank 0] Process group watchdog thread "
        "terminated with exception: HIP error: operation not permitted when stream is capturing\n"
        "Search for `hipErrorStreamCaptureUnsupported' in the documentation\n"),
    ("aiter-build", "kv_cache", ROCM_014 + LOADED
        + "(Worker_TP0 pid=301) [aiter] start build [module_moe_asm] under /home/user/.aiter/jit/build/module_moe_asm\n"
        "module_moe_asm.cu:12:10: fatal error: 'ck_tile/core.hpp' file not found\n"
        "(Worker_TP0 pid=301) [aiter] finish build [module_moe_asm], cost 31.2s\n" + worker(
        "RuntimeError: [aiter] build [module_moe_asm] under /home/user/.aiter/jit/build/module_moe_asm failed !!!!!!")),
    ("aiter-module", "weights", ROCM_033 + LOADING  # amd-r9700-vllm-toolboxes issue 15
        + "[aiter] finish build [module_aiter_core], cost 27.7s\n" + worker(
        "ModuleNotFoundError: No module named 'aiter.jit.module_aiter_core'")),
    ("fp8-block-split", "weights", ROCM_014 + LOADING + worker(  # vllm issue 17569
        "ValueError: The output_size of gate's and up's weight = 192 is not divisible by weight quantization "
        "block_n = 128.")),
    ("attention-backend-invalid", "weights", ROCM_033 + LOADING + worker(
        "ValueError: Selected backend AttentionBackendEnum.ROCM_AITER_FA is not valid for this configuration. "
        "Reason: ['head_size not supported']")),
    ("no-attention-backend", "weights", ROCM_033 + LOADING + worker(
        "ValueError: No valid attention backend found for rocm with AttentionSelectorConfig(head_size=576, "
        "use_sparse=True). Reasons: {ROCM_AITER_MLA_SPARSE: [ImportError]}.")),
    ("moe-no-backend", "weights", ROCM_033 + LOADING + worker(
        "NotImplementedError: No Mxfp4 MoE backend supports the deployment configuration.")),
    ("block-size", "weights", ROCM_014 + LOADING + worker("ValueError: Block size must be a multiple of 16.")),
    ("gpu-fault", "kv_cache", ROCM_033 + LOADED  # vllm issue 43605
        + "[aiter] LoadKernel: fmoe_bf16_blockscaleFp8_g1u1 hsaco: /aiter_meta/hsa/gfx950/fmoe/silu.co\n"
        "Memory access fault by GPU node-3 (Agent handle: 0x13e852f0) on address 0x77d445e00000. Reason: Unknown.\n"
        "(EngineCore pid=199) ERROR 08-19 11:09:00 [multiproc_executor.py:316] Worker proc VllmWorker-6 died "
        "unexpectedly (exit code: -6), shutting down executor.\n"),
    ("gpu-fault", "under_load", ROCM_014 + SERVED + SERVING  # aiter issue 1143
        + ":0:rocdevice.cpp :3675: Callback: Queue 0x7ee7b4200000 aborting with error : "
        "HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: The agent attempted to access memory beyond the largest legal "
        "address. code: 0x29\n" + dead("RuntimeError: cancelled")),
    ("out-of-memory", "weights", ROCM_014 + LOADING + worker(
        "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 12.95 GiB. GPU 0 has a total capacity of "
        "191.98 GiB of which 8.55 GiB is free.")),
    ("memory-not-free", "start", CUDA + engine(  # vllm issue 20305
        "ValueError: Free memory on device cuda:0 (31.44/47.38 GiB) on startup is less than desired GPU memory "
        "utilization (0.95, 45.01 GiB). Decrease GPU memory utilization.")),
    ("kv-cache-memory", "kv_cache", CUDA + LOADED + engine(
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`")),
    ("illegal-access", "under_load", CUDA + SERVED + SERVING + dead(
        "torch.AcceleratorError: CUDA error: an illegal memory access was encountered\n"
        "CUDA kernel errors might be asynchronously reported at some other API call")),
    ("collective", "kv_cache", CUDA + LOADED + worker(
        "torch.distributed.DistBackendError: NCCL error in: NCCLUtils.hpp:94, unhandled cuda error, NCCL 2.27")),
    ("worker-timeout", "under_load", ROCM_014 + SERVED + SERVING + dead(
        "TimeoutError: RPC call to sample_tokens timed out.")),
    ("kernel-compile", "kv_cache", ROCM_014 + LOADED + worker(
        "triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 131072, Hardware limit: 65536")),
    ("tensor-parallel-heads", "start", CUDA.split("(EngineCore")[0] + "Traceback (most recent call last):\n"
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for VllmConfig\n  Value error, Total number "
        "of attention heads (28) must be divisible by tensor parallel size (8). [type=value_error]\n"),
    ("too-few-devices", "start", CUDA.split("(EngineCore")[0] + "Traceback (most recent call last):\n"
        "ValueError: World size (8) is larger than the number of available GPUs (4) in this node.\n"),
    ("no-device", "start", "Traceback (most recent call last):\nRuntimeError: Failed to infer device type, please set "
        "the environment variable `VLLM_LOGGING_LEVEL=DEBUG` to turn on verbose logging\n"),
    ("model-not-found", "start", "Traceback (most recent call last):\nhuggingface_hub.errors.RepositoryNotFoundError: "
        "404 Client Error.\nOSError: meta/nope is not a local folder and is not a valid model identifier listed on "
        "'https://huggingface.co/models'\n"),
    ("model-gated", "start", "Traceback (most recent call last):\nOSError: You are trying to access a gated repo.\n"
        "Make sure to have access to it. 401 Client Error.\n"),
    ("remote-code", "start", "Traceback (most recent call last):\nValueError: The repository moonshotai/Kimi-K2.5 "
        "contains custom code which must be executed to correctly load the model.\n"),
    ("architecture-unknown", "start", "Traceback (most recent call last):\nValueError: The checkpoint you are trying "
        "to load has model type `deepseek_v41` but Transformers does not recognize this architecture.\n"),
    ("weights-broken", "weights", ROCM_014 + LOADING + worker(
        "safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata")),
    ("disk-full", "kv_cache", ROCM_014 + LOADED + worker("OSError: [Errno 28] No space left on device")),
    ("broken-install", "start", "Traceback (most recent call last):\n"
        "RuntimeError: operator torchvision::nms does not exist\n"),
    ("no-vllm", "start", "/usr/bin/python3: No module named vllm\n"),
    ("port-in-use", "start", CUDA.split("(EngineCore")[0] + "Traceback (most recent call last):\n"
        "OSError: [Errno 98] Address already in use\n"),
    ("killed", "weights", ROCM_014 + LOADING + SHARDS.splitlines(keepends=True)[0]
        + "(EngineCore_DP0 pid=288) ERROR 02-11 09:13:50 [multiproc_executor.py:246] Worker proc VllmWorker-2 died "
        "unexpectedly (exit code: -9), shutting down executor.\n"),
    ("segfault", "under_load", ROCM_014 + SERVED + SERVING + "!!!!!!! Segfault encountered !!!!!!!\n"
        "  File \"<unknown>\", line 0, in at::native::copy_\n"),
    ("illegal-instruction", "under_load", CPU + CPU_LOADED + CPU_KV + READY + SERVING
        + "(EngineCore pid=82) ERROR 11-23 03:37:01 [multiproc_executor.py:316] Worker proc VllmWorker-0 died "
        "unexpectedly (exit code: -4), shutting down executor.\n" + dead("RuntimeError: cancelled")),
    ("bad-configuration", "start", CUDA.split("(EngineCore")[0] + "Traceback (most recent call last):\n"
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for CompilationConfig\n"
        "mode\n  Input should be a valid integer [type=int_parsing]\n"),
    ("unknown", "kv_cache", CUDA + LOADED + engine("FancyError: something that nobody has seen before")),
]  # fmt: skip
