# ruff: noqa: E501
"""Pieces of server logs, in the words of vLLM 0.14 to 0.33, ROCm/aiter, PyTorch and uvicorn.

Written for these tests from what the sources and public issue threads say; no log was copied. Noise is part of
them on purpose: warnings with the word "error", optional parts that are missing, fall-backs, an engine "found
dead" after the order to end.
"""

# What a server says before its model is loaded.
CPU = """\
/opt/venv/vllm/entrypoints/openai/api_server.py:24: DeprecationWarning: `api_server` is deprecated
  warnings.warn(
(APIServer pid=31) INFO 11-23 03:36:02 [api_utils.py:347]  version 0.32.0
(APIServer pid=31) INFO 11-23 03:36:02 [api_utils.py:286] non-default args: {'port': 43159, 'enforce_eager': True}
(APIServer pid=31) WARNING 11-23 03:36:02 [system_utils.py:255] Found ulimit of 20000 and failed to automatically increase with error current limit exceeds maximum limit. This can cause fd limit errors like `OSError: [Errno 24] Too many open files`.
(APIServer pid=31) WARNING 11-23 03:36:02 [cpu.py:224] Triton is not installed. triton-cpu is expected on x86 CPUs.
(EngineCore pid=82) INFO 11-23 03:36:07 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: model='m', dtype=torch.float32, tensor_parallel_size=1, enforce_eager=True, kv_cache_dtype=auto
W1123 03:36:13.545000 46 torch/_library/triton.py:53] Triton not available, find_triton_kernels = []
[W1123 03:36:13.673419732 utils.cpp:68] Warning: NUMA binding: Using MEMBIND policy for memory allocation
(Worker pid=46) WARNING 11-23 03:36:13 [cpu_worker.py:114] libtcmalloc is not found in LD_PRELOAD.
"""
ROCM_014 = """\
(APIServer pid=1) INFO 02-11 09:12:01 [api_server.py:1272] vLLM API server version 0.14.1
(APIServer pid=1) INFO 02-11 09:12:01 [utils.py:253] non-default args: {'model_tag': 'm', 'tensor_parallel_size': 8}
[aiter] WARNING: NUMA balancing is enabled, which may cause errors. Disable it with: sudo sh -c "echo 0 > /proc/sys/kernel/numa_balancing"
[aiter] import [module_aiter_enum] under /usr/local/lib/python3.12/dist-packages/aiter/jit/module_aiter_enum.so
(EngineCore_DP0 pid=288) INFO 02-11 09:12:20 [core.py:93] Initializing a V1 LLM engine (v0.14.1) with config: model='m', dtype=torch.bfloat16, tensor_parallel_size=8, enforce_eager=False
(Worker_TP0 pid=301) INFO 02-11 09:12:31 [parallel_state.py:1203] world_size=8 rank=0 local_rank=0 backend=nccl
[Gloo] Rank 0 is connected to 7 peer ranks. Expected number of connected peer ranks is : 7
(Worker_TP0 pid=301) WARNING 02-11 09:12:33 [symm_mem.py:58] SymmMemCommunicator: Device has no multicast support, communicator is not available.
"""
ROCM_033 = """\
(APIServer pid=1) INFO 08-19 11:02:14 [api_utils.py:347]  version 0.33.0
(APIServer pid=1) WARNING 08-19 11:02:15 [importing.py:88] Failed to import Triton kernels. Please make sure your triton version is compatible. Error: No module named 'triton_kernels'
(EngineCore pid=199) INFO 08-19 11:02:31 [core.py:133] Initializing a V1 LLM engine (v0.33.0) with config: model='m', dtype=torch.bfloat16, tensor_parallel_size=8, enforce_eager=False, kernel_config=KernelConfig(ir_op_priority=IrOpPriorityConfig(rms_norm=['aiter', 'native']))
(Worker_TP0 pid=240) INFO 08-19 11:02:44 [parallel_state.py:1906] world_size=8 rank=0 local_rank=0 backend=nccl
(Worker_TP3 pid=243) [aiter] [pid=243 pname=Worker_TP3] import [module_aiter_core] under /home/user/.aiter/jit/module_aiter_core.so
"""
CUDA = """\
INFO 05-03 17:20:09 [__init__.py:244] Automatically detected platform cuda.
(APIServer pid=7) INFO 05-03 17:20:11 [api_utils.py:347]  version 0.26.0
(EngineCore_DP0 pid=60) INFO 05-03 17:20:24 [core.py:116] Initializing a V1 LLM engine (v0.26.0) with config: model='m', dtype=torch.bfloat16, tensor_parallel_size=1, enforce_eager=False
(EngineCore_DP0 pid=60) WARNING 05-03 17:20:26 [topk_topp_sampler.py:66] FlashInfer is not available. Falling back to the PyTorch-native implementation of top-p & top-k sampling.
"""
LOADING = "(Worker_TP0 pid=301) INFO 02-11 09:12:40 [gpu_model_runner.py:3808] Starting to load model m...\n"
SHARDS = """\
Loading safetensors checkpoint shards:   0% Completed | 0/191 [00:00<?, ?it/s]
Loading safetensors checkpoint shards: 100% Completed | 191/191 [05:41<00:00,  1.79s/it]
(Worker_TP0 pid=301) INFO 02-11 09:18:22 [default_loader.py:291] Loading weights took 341.52 seconds
"""
LOADED = f"""\
{LOADING}{SHARDS}\
(Worker_TP0 pid=301) INFO 02-11 09:18:24 [gpu_model_runner.py:3905] Model loading took 145.27 GiB memory and 344.126581 seconds
"""
CPU_LOADED = """\
(Worker pid=46) INFO 11-23 03:36:13 [cpu_model_runner.py:68] Starting to load model m...
Loading safetensors checkpoint shards: 100% Completed | 1/1 [00:00<00:00, 33.10it/s]
(Worker pid=46) INFO 11-23 03:36:13 [default_loader.py:501] Loading weights took 0.03 seconds
"""
KV = """\
(Worker_TP0 pid=301) INFO 02-11 09:19:02 [gpu_worker.py:360] Available KV cache memory: 82.11 GiB
(EngineCore_DP0 pid=288) INFO 02-11 09:19:03 [kv_cache_utils.py:1305] GPU KV cache size: 1,254,208 tokens
"""
CPU_KV = "(EngineCore pid=82) INFO 11-23 03:36:14 [kv_cache_utils.py:2327] CPU KV cache size: 65,536 tokens\n"
CAPTURING = "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  31%|███▏      | 16/51 [00:02<00:05,  6.52it/s]\n"
CAPTURED = """\
Capturing CUDA graphs (decode, FULL): 100%|██████████| 35/35 [00:04<00:00,  8.11it/s]
(Worker_TP0 pid=301) INFO 02-11 09:19:31 [gpu_model_runner.py:4856] Graph capturing finished in 26 secs, took 1.87 GiB
(EngineCore_DP0 pid=288) INFO 02-11 09:19:32 [core.py:272] init engine (profile, create kv cache, warmup model) took 68.31 seconds
"""
READY = """\
(APIServer pid=1) INFO 02-11 09:19:40 [entry.py:140] Starting vLLM server on http://127.0.0.1:43159
INFO:     Started server process [1]
INFO:     Waiting for application startup.
INFO:     Application startup complete.
"""
SERVING = """\
INFO:     127.0.0.1:50112 - "POST /v1/completions HTTP/1.1" 200 OK
(APIServer pid=1) INFO 02-11 09:21:05 [loggers.py:257] Engine 000: Avg prompt throughput: 412.6 tokens/s, Avg generation throughput: 103.1 tokens/s, Running: 8 reqs
"""

# How a server ends that failed at the start, with the error in its engine.
ENGINE_ENDS = """\
Process EngineCore:
Traceback (most recent call last):
  File "/usr/lib/python3.12/multiprocessing/process.py", line 314, in _bootstrap
    self.run()
RuntimeError: see the engine's own traceback
(APIServer pid=1) Traceback (most recent call last):
(APIServer pid=1)   File "/usr/local/lib/python3.12/dist-packages/vllm/v1/engine/utils.py", line 1431, in wait_for_engine_startup
(APIServer pid=1)     raise RuntimeError(
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}
"""
# How an engine's death under load shows in the front end.
DEAD = """\
(APIServer pid=1) ERROR 02-11 09:22:17 [async_llm.py:708] AsyncLLM output_handler failed.
(APIServer pid=1) ERROR 02-11 09:22:17 [async_llm.py:708] vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.
INFO:     127.0.0.1:50112 - "POST /v1/completions HTTP/1.1" 500 Internal Server Error
(APIServer pid=1) INFO 02-11 09:22:18 [launcher.py:254] [shutdown] API server: shutdown triggered
INFO:     Shutting down
INFO:     Application shutdown complete.
"""
# The end of a healthy server by a signal, as vLLM 0.32 writes it.
STOPPED = """\
(APIServer pid=1) INFO 11-23 03:36:29 [launcher.py:254] [shutdown] API server: shutdown triggered
(EngineCore pid=82) INFO 11-23 03:36:29 [core.py:1454] [shutdown] EngineCore: trigger received signal=SIGTERM
(APIServer pid=1) WARNING 11-23 03:36:29 [utils.py:653] [shutdown] Process manager: force killing remaining process EngineCore pid 82
(APIServer pid=1) ERROR 11-23 03:36:29 [async_llm.py:906] AsyncLLM output_handler failed.
(APIServer pid=1) ERROR 11-23 03:36:29 [async_llm.py:906] Traceback (most recent call last):
(APIServer pid=1) ERROR 11-23 03:36:29 [async_llm.py:906] vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.
INFO:     Shutting down
INFO:     Application shutdown complete.
/usr/lib/python3.11/multiprocessing/resource_tracker.py:254: UserWarning: resource_tracker: There appear to be 2 leaked shared_memory objects to clean up at shutdown
"""
# The same of vLLM 0.14.
STOPPED_014 = """\
(APIServer pid=1) INFO 02-11 09:40:00 [launcher.py:110] Shutting down FastAPI HTTP server.
[rank0]:[W211 09:40:01.5 ProcessGroupNCCL.cpp:1524] Warning: WARNING: destroy_process_group() was not called before program exit
(Worker_TP3 pid=304) ERROR 02-11 09:40:01 [multiproc_executor.py:246] Worker proc VllmWorker-3 died unexpectedly, shutting down executor.
INFO:     Application shutdown complete.
"""


def worker(error: str, *, place: str = "multiproc_executor.py:783") -> str:
    """A worker's own traceback around an error, as every worker and then the engine repeats it."""
    head = f"(Worker_TP1 pid=302) ERROR 02-11 09:18:30 [{place}] "
    lines = [
        "WorkerProc failed to start.",
        "Traceback (most recent call last):",
        '  File "/usr/local/lib/python3.12/dist-packages/vllm/v1/executor/multiproc_executor.py", line 754, in worker_main',
        "    worker = WorkerProc(*args, **kwargs)",
        *error.splitlines(),
    ]
    return (
        "".join(f"{head}{line}\n" for line in lines)
        + (
            "(EngineCore_DP0 pid=288) ERROR 02-11 09:18:33 [core.py:936] EngineCore failed to start.\n"
            "(EngineCore_DP0 pid=288) ERROR 02-11 09:18:33 [core.py:936] Exception: WorkerProc initialization failed due "
            "to an exception in a background process. See stack trace for root cause.\n"
        )
        + ENGINE_ENDS
    )


def engine(error: str) -> str:
    """An engine's own traceback around an error."""
    head = "(EngineCore_DP0 pid=288) ERROR 02-11 09:19:05 [core.py:936] "
    lines = [
        "EngineCore failed to start.",
        "Traceback (most recent call last):",
        *error.splitlines(),
    ]
    return "".join(f"{head}{line}\n" for line in lines) + ENGINE_ENDS


def dead(error: str) -> str:
    """An engine's fatal error while it serves, and what the front end makes of it."""
    head = "(EngineCore_DP0 pid=288) ERROR 02-11 09:22:16 [core.py:945] "
    lines = [
        "EngineCore encountered a fatal error.",
        "Traceback (most recent call last):",
        *error.splitlines(),
    ]
    return "".join(f"{head}{line}\n" for line in lines) + DEAD
