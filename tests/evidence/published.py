# ruff: noqa: E501
"""Failures as reported in public issue threads: (name, class, stage, line shown, remedy says, log).

The first part are the cases of issue threads named beside them, with the line that each thread found to be the
cause; the second part are more of the same kinds. A log's frame is written for these tests; a line of it is the
threads' own.
"""

from tests.evidence.logs import (
    CAPTURED,
    CAPTURING,
    CUDA,
    DEAD,
    ENGINE_ENDS,
    KV,
    LOADED,
    LOADING,
    READY,
    ROCM_033,
    SERVING,
    dead,
    engine,
    worker,
)

SERVED = LOADED + KV + CAPTURED + READY
PACKAGES = "/usr/local/lib/python3.12/dist-packages"
BROADCAST = (
    "(EngineCore pid=90) INFO 08-12 10:04:21 [shm_broadcast.py:681] No available shared memory broadcast block found in "
    "60 seconds. This typically happens when some processes are hanging or doing some time-consuming work (e.g. "
    "compilation, weight/kv cache quantization).\n"
)


def frame(path: str, function: str, source: str = "") -> str:
    """A frame of a traceback in a package."""
    source = f"    {source}\n" if source else ""
    return f'  File "{PACKAGES}/{path}", line 12, in {function}\n{source}'


def hit(error: str, frames: str = "") -> str:
    """A worker's exception once it has started, as the engine and the API server pass it on (vLLM 0.16 to 0.33)."""
    place = "(Worker_TP0 pid=101) ERROR 08-12 10:03:31 [multiproc_executor.py:1018] "
    lines = [
        "WorkerProc hit an exception.",
        "Traceback (most recent call last):",
        *frames.splitlines(),
        *error.splitlines(),
    ]
    message = error.splitlines()[0].split(": ", 1)[-1]
    core = "(EngineCore pid=90) ERROR 08-12 10:03:32 [core.py:1202] "
    return (
        "".join(f"{place}{line}\n" for line in lines)
        + f"{core}EngineCore failed to start.\n{core}Traceback (most recent call last):\n"
        + f"{core}RuntimeError: Worker failed with error '{message}', please check the stack trace above for the root cause\n"
        + ENGINE_ENDS
    )


CASES = [
    ("vllm 34641", "number-format", "kv_cache", "MXFP4 quantization is not supported on gfx942", "VLLM_ROCM_USE_AITER_FP4BMM=0",
        ROCM_033 + LOADED + hit("RuntimeError: MXFP4 quantization is not supported on gfx942",
            frame("vllm/model_executor/layers/attention/mla_attention.py", "process_weights_after_loading"))),
    ("aiter 3202", "moe-shape", "kv_cache", "RuntimeError: wrong! device_gemm", "VLLM_ROCM_USE_AITER_MOE=0",
        ROCM_033 + LOADED + "(Worker_TP0 pid=101) [aiter] Fmoe tuning not support for ('gfx950', 256, 8192)\n"
        + hit("RuntimeError: wrong! device_gemm with the specified compilation parameters does not support this GEMM problem",
            frame("aiter/fused_moe.py", "ck_moe_stage2"))),
    ("InferenceX 1964", "jit-lock", "kv_cache", "QUARK-INFO: First-time compilation", "TORCH_EXTENSIONS_DIR",
        ROCM_033 + LOADED + "(Worker_TP0 pid=101) QUARK-INFO: C++ kernel compilation check start.\n"
        "(Worker_TP0 pid=101) QUARK-INFO: First-time compilation may take a few minutes... Building for architectures "
        "PYTORCH_ROCM_ARCH='gfx90a;gfx942;gfx950'\n" + 8 * BROADCAST),
    ("vllm 47169", "kernel-unsupported", "kv_cache", "Unknown recipe", "VLLM_USE_DEEP_GEMM=0",
        CUDA + LOADED + hit("RuntimeError: Assertion error (/build/deepgemm-src/csrc/apis/../jit_kernels/impls/../heuristics/"
            "../../utils/layout.hpp:76): Unknown recipe")),
    ("vllm 56443", "illegal-access", "kv_cache", "torch.AcceleratorError: CUDA error: device-side assert triggered", "CUDA_LAUNCH_BLOCKING",
        CUDA + LOADED + KV + hit("torch.AcceleratorError: CUDA error: device-side assert triggered\nCUDA kernel errors might be "
            "asynchronously reported at some other API call, so the stacktrace below might be incorrect.\n"
            "For debugging consider passing CUDA_LAUNCH_BLOCKING=1")),
    ("aiter 2843", "aiter-module", "weights", "module_rmsnorm.so: undefined symbol", "AITER that fits",
        ROCM_033 + LOADING + worker(f"ImportError: {PACKAGES}/aiter/jit/module_rmsnorm.so: undefined symbol: "
            "_ZN3c103hip28c10_hip_check_implementationEiPKcS2_ib")),
    ("vllm 39485", "aiter-no-kernel", "kv_cache", "RuntimeError: This GEMM is not supported!", "VLLM_ROCM_USE_AITER_LINEAR=0",
        ROCM_033 + LOADED + hit("RuntimeError: This GEMM is not supported!", frame("aiter/ops/gemm_op_a8w8.py",
            "gemm_a8w8_blockscale", "return gemm_a8w8_blockscale_ck(XQ, WQ, x_scale, w_scale, Y)"))),
    ("vllm 56521", "segfault", "graph_capture", "rocr::core::InterceptQueue::StoreRelaxed", "ROCPROFILER_QUEUE_INTERPOSITION",
        ROCM_033 + LOADED + KV + CAPTURING + "!!!!!!! Segfault encountered !!!!!!!\n"
        '  File "<unknown>", line 0, in rocr::core::InterceptQueue::StoreRelaxed(long)\n'
        '  File "<unknown>", line 0, in rocr::HSA::hsa_signal_store_screlease(hsa_signal_s, long)\n'
        '  File "<unknown>", line 0, in hip::hipModuleLaunchKernel\n'
        "(EngineCore pid=90) ERROR 08-12 10:03:44 [multiproc_executor.py:280] Worker proc VllmWorker-3 died unexpectedly, "
        "shutting down executor.\n" + ENGINE_ENDS),
    ("vllm 54742", "moe-no-backend", "weights", "Unquantized MoE backend FlashInfer TRTLLM does not support", "moe-backend",
        CUDA + LOADING + engine("ValueError: Unquantized MoE backend FlashInfer TRTLLM does not support the deployment "
            "configuration since kernel does not support current device cuda.")),
    ("recipes 838", "moe-no-backend", "weights", "No Mxfp4 MoE backend supports", "quantisation",
        ROCM_033 + LOADING + worker("NotImplementedError: No Mxfp4 MoE backend supports the deployment configuration.")),
    ("vllm 51151", "runtime-call", "kv_cache", "torch.AcceleratorError: HIP error: invalid argument", "load order",
        ROCM_033 + LOADED + hit("torch.AcceleratorError: HIP error: invalid argument\nSearch for `hipErrorInvalidValue' in "
            "https://docs.nvidia.com/cuda/cuda-runtime-api/group__HIPRT__TYPES.html for more information.",
            frame("aiter/jit/core.py", "wrapper", "return op(*args, **kwargs)"))),
    ("amd-r9700-vllm-toolboxes 18", "aiter-build", "kv_cache", "lib.so: cannot open shared object file", "compiler",
        ROCM_033 + LOADED + KV + hit("OSError: /home/user/.aiter/build/top_k_top_p_sampling_from_probs_51f5779b2644c0/lib.so: "
            "cannot open shared object file: No such file or directory")),
    ("aiter 2343", "gpu-fault", "graph_capture", "Memory access fault by GPU node-4", "module_moe_ck2stages",
        ROCM_033 + LOADED + KV + CAPTURING + "(Worker_TP0_EP0 pid=1145) [aiter] import [module_moe_ck2stages_fp4x2_fp4x2_"
        "preshuffle_on_b16_silu_per_1x32_mulWeightStage2_] under /usr/local/lib/aiter/jit/m.so\n"
        "Memory access fault by GPU node-4 (Agent handle: 0x3a78fc60) on address 0x7ebc70a65000. Reason: Unknown.\n" + ENGINE_ENDS),
    ("amd-strix-halo-vllm-toolboxes 6", "no-device", "start", "RuntimeError: No HIP GPUs are available", "group",
        ROCM_033 + engine("RuntimeError: No HIP GPUs are available")),
    ("vllm 49064", "mamba-blocks", "kv_cache", "ValueError: max_num_seqs (1024) exceeds available Mamba cache blocks (856)",
        'the log says: "Please lower max_num_seqs to at most 856 or increase gpu_memory_utilization."',
        CUDA + LOADED + KV + hit("ValueError: max_num_seqs (1024) exceeds available Mamba cache blocks (856). Each decode sequence "
            "requires one Mamba cache block, so CUDA graph capture cannot proceed. Please lower max_num_seqs to at most 856 or "
            "increase gpu_memory_utilization.")),
    ("vllm 32879", "weights-mismatch", "weights", "The size of tensor a (2048) must match", "another version of vLLM",
        ROCM_033 + LOADING + worker("RuntimeError: The size of tensor a (2048) must match the size of tensor b (4096) at "
            "non-singleton dimension 1")),
    ("verl 407", "hardware", "under_load", "uncorrectable ECC error encountered", "dmesg",
        CUDA + SERVED + SERVING + dead("torch.AcceleratorError: CUDA error: uncorrectable ECC error encountered\nCUDA kernel errors "
            "might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.")),
    ("verl 967", "collective", "start", "RuntimeError: Gloo connectFullMesh failed", "GLOO_SOCKET_IFNAME",
        CUDA + worker("RuntimeError: Gloo connectFullMesh failed with [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:144] "
            "no error")),
]  # fmt: skip
# More of the same kinds; words of the issue threads and sources of vLLM, AITER, RCCL, PyTorch, FlashInfer and Triton.
MORE = [
    ("requires gfx950", "kernel-unsupported", "kv_cache", 'AssertionError: mla_gluon requires gfx950 (CDNA4), got gfx942', 'VLLM_ROCM_USE_AITER_MLA=0',
        ROCM_033+LOADED+worker(frame("aiter/ops/triton/gluon/mla_gluon.py","mla_decode","assert arch")+"AssertionError: mla_gluon requires gfx950 (CDNA4), got gfx942")),
    ("gpu archs", "kernel-unsupported", "kv_cache", "AssertionError: One of GPU archs of ['gfx1151'] is invalid or not supp", 'VLLM_ROCM_USE_AITER=0',
        ROCM_033+LOADED+engine(frame("aiter_meta/csrc/cpp_itfs/utils.py","validate_and_update_archs")+"AssertionError: One of GPU archs of ['gfx1151'] is invalid or not supported")),
    ("no kernel image", "kernel-unsupported", "kv_cache", 'RuntimeError: CUDA error: no kernel image is available for execution o', 'a build of vLLM',
        CUDA+LOADED+worker("RuntimeError: CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might be asynchronously reported")),
    ("scratch", "scratch-reclaim", "start", '[FATAL ERROR]: HSA_NO_SCRATCH_RECLAIM=1 must be set to avoid performan', 'HSA_NO_SCRATCH_RECLAIM=1',
        ROCM_033+"[FATAL ERROR]: HSA_NO_SCRATCH_RECLAIM=1 must be set to avoid performance degradation with the current HIP configuration. (Runtime version:70253211, GPU Firmware version:14)\n[FATAL ERROR]: Please set HSA_NO_SCRATCH_RECLAIM=1 and rerun.\n"+worker("torch.distributed.DistBackendError: NCCL error in: /pytorch/torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:94, unhandled cuda error (run with NCCL_DEBUG=INFO for details), NCCL version 2.27\nncclUnhandledCudaError: Call to CUDA function failed.")),
    ("llvm", "kernel-build", "graph_capture", "LLVM ERROR: Do not know how to expand this operator's operand!", 'flydsl',
        ROCM_033+LOADED+KV+CAPTURING+"LLVM ERROR: Do not know how to expand this operator's operand!\nFatal Python error: Aborted\n\nThread 0x00007f1 (most recent call first):\n  File \"/usr/local/lib/python3.12/dist-packages/flydsl/compiler/jit.py\", line 77 in compile\n"+ENGINE_ENDS),
    ("tilelang nvcc", "kernel-build", "kv_cache", 'RuntimeError: NVCC compilation error: error: cannot find nvcc', 'TileLang',
        CUDA+LOADED+worker(frame("tilelang/contrib/nvcc.py","compile_cuda")+"RuntimeError: NVCC compilation error:\nerror: cannot find nvcc\nCommand: nvcc -arch")),
    ("tilelang compile err", "kernel-build", "kv_cache", 'RuntimeError: Compilation failed! Error: hipcc', 'TileLang',
        ROCM_033+LOADED+worker(frame("tilelang/jit/kernel.py","_compile_and_create_adapter")+"RuntimeError: Compilation failed! Error: hipcc")),
    ("ninja flashinfer", "kernel-build", "kv_cache", 'RuntimeError: Ninja build failed. Ninja output: ninja: Entering direct', '~/.cache/flashinfer',
        CUDA+LOADED+worker(frame("flashinfer/jit/cpp_ext.py","run_ninja")+"subprocess.CalledProcessError: Command '['ninja', '-v']' returned non-zero exit status 1.\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n"+frame("flashinfer/jit/cpp_ext.py","run_ninja")+"RuntimeError: Ninja build failed. Ninja output:\nninja: Entering directory `/home/user/.cache/flashinfer/0.6.4'\n[1/4] nvcc ...\nFAILED: x.o\nnvcc fatal   : Unsupported gpu architecture 'compute_121a'\nninja: build stopped: subcommand failed.")),
    ("no ninja", "kernel-build", "kv_cache", "FileNotFoundError: [Errno 2] No such file or directory: 'ninja'", 'ninja',
        CUDA+LOADED+worker(frame("flashinfer/jit/cpp_ext.py","run_ninja")+"FileNotFoundError: [Errno 2] No such file or directory: 'ninja'")),
    ("nvcc missing flashinfer", "kernel-build", "kv_cache", "RuntimeError: Could not find nvcc and default cuda_home='/usr/local/cu", 'nvcc',
        CUDA+LOADED+worker(frame("flashinfer/jit/cpp_ext.py","get_cuda_path")+"RuntimeError: Could not find nvcc and default cuda_home='/usr/local/cuda' doesn't exist")),
    ("deepgemm exit", "kernel-build", "kv_cache", 'RuntimeError: Assertion error (csrc/apis/../jit_kernels/impls/../../ji', 'VLLM_USE_DEEP_GEMM=0',
        CUDA+LOADED+worker(frame("vllm/utils/deep_gemm.py","fp8_gemm_nt")+"RuntimeError: Assertion error (csrc/apis/../jit_kernels/impls/../../jit/kernel_runtime.hpp:45): exit_code == 0")),
    ("deepgemm nvcc", "kernel-build", "kv_cache", 'RuntimeError: Failed to compile: NVCC compilation failed: /usr/local/c', 'VLLM_USE_DEEP_GEMM=0',
        CUDA+LOADED+worker(frame("vllm/utils/deep_gemm.py","fp8_gemm_nt")+"RuntimeError: Failed to compile: NVCC compilation failed: /usr/local/cuda/bin/nvcc: not found")),
    ("inductor", "kernel-compile", "kv_cache", "torch._inductor.exc.InductorError: CalledProcessError: Command '['/usr", '',
        CUDA+LOADED+worker("torch._inductor.exc.InductorError: CalledProcessError: Command '['/usr/bin/gcc', '/tmp/x/main.c']' returned non-zero exit status 1.")),
    ("triton oor", "kernel-compile", "kv_cache", 'triton.runtime.errors.OutOfResources: out of resource: shared memory, ', '',
        ROCM_033+LOADED+worker(frame("triton/compiler/compiler.py","_init_handles")+"triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 81920, Hardware limit: 65536. Reducing block sizes or `num_stages` may help.")),
    ("stale triton", "stale-cache", "kv_cache", "OSError: [Errno 116] Stale file handle: '/home/user/.triton/cache/ABC/cuda_", 'delete the cache',
        ROCM_033+LOADED+worker("OSError: [Errno 116] Stale file handle: '/home/user/.triton/cache/ABC/cuda_utils.so'")),
    ("compile cache", "stale-cache", "kv_cache", 'RuntimeError: vLLM failed to compile the model. The most likely reason', 'We recommend trying to remove',
        CUDA+LOADED+worker("RuntimeError: vLLM failed to compile the model. The most likely reason for this is that a previous compilation failed, leading to a corrupted compilation artifact. We recommend trying to remove ~/.cache/vllm/torch_compile_cache and try again to see the real issue. ")),
    ("elf", "stale-cache", "kv_cache", 'ImportError: /home/user/.aiter/jit/module_moe_sorting.so: file too short', 'delete the cache',
        ROCM_033+LOADED+worker("ImportError: /home/user/.aiter/jit/module_moe_sorting.so: file too short")),
    ("vllm abi", "broken-install", "start", 'ImportError: /opt/venv/lib/python3.12/site-packages/vllm/_C.abi3.so: u', 'install vLLM again',
        "Traceback (most recent call last):\n  File \"/x/bin/vllm\", line 5, in <module>\nImportError: /opt/venv/lib/python3.12/site-packages/vllm/_C.abi3.so: undefined symbol: _ZN5torch3jit17parseSchemaOrNameERKSsb\n"),
    ("vllm _rocm_C ck symbol", "broken-install", "weights", 'ImportError: /opt/venv/lib/python3.12/site-packages/vllm/_rocm_C.abi3.', 'install vLLM again',
        ROCM_033+LOADING+worker("ImportError: /opt/venv/lib/python3.12/site-packages/vllm/_rocm_C.abi3.so: undefined symbol: _ZN7ck_tile6kentryE")),
    ("flash_attn", "broken-install", "weights", 'ImportError: /usr/local/lib/python3.12/dist-packages/flash_attn_2_cuda', 'flash_attn_2_cuda',
        CUDA+LOADING+worker("ImportError: /usr/local/lib/python3.12/dist-packages/flash_attn_2_cuda.cpython-312-x86_64-linux-gnu.so: undefined symbol: _ZN3c104cuda9SetDeviceEi")),
    ("vllm._C", "broken-install", "start", "ModuleNotFoundError: No module named 'vllm._C'", '',
        "Traceback (most recent call last):\nModuleNotFoundError: No module named 'vllm._C'\n"),
    ("libcudart", "broken-install", "start", 'ImportError: libcudart.so.12: cannot open shared object file: No such ', 'libcudart.so.12 is not found',
        "Traceback (most recent call last):\nImportError: libcudart.so.12: cannot open shared object file: No such file or directory\n"),
    ("aiter name", "aiter-module", "weights", "ImportError: cannot import name 'fused_moe' from 'aiter' (/usr/local/l", '',
        ROCM_033+LOADING+worker(frame("vllm/_aiter_ops.py","x")+"ImportError: cannot import name 'fused_moe' from 'aiter' (/usr/local/lib/python3.12/dist-packages/aiter/__init__.py)")),
    ("hsa oor", "out-of-memory", "under_load", ':0:rocdevice.cpp :3006: 1072 us: Callback: Queue 0x7f aborting with er', '',
        ROCM_033+SERVED+SERVING+":0:rocdevice.cpp            :3006: 1072 us:  Callback: Queue 0x7f aborting with error : HSA_STATUS_ERROR_OUT_OF_RESOURCES: The runtime failed to allocate the necessary resources. This error may also occur when the core runtime library needs to spawn threads or create internal OS-specific events. Code: 0x1008 Available Free mem : 0 MB\n"+dead("RuntimeError: cancelled")),
    ("hip oom", "out-of-memory", "kv_cache", 'torch.AcceleratorError: HIP error: out of memory', '',
        ROCM_033+LOADED+worker("torch.AcceleratorError: HIP error: out of memory\nHIP kernel errors might be asynchronously reported at some other API call")),
    ("cublas", "out-of-memory", "kv_cache", 'RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cub', '',
        CUDA+LOADED+worker("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")),
    ("sampler", "out-of-memory", "kv_cache", 'RuntimeError: CUDA out of memory occurred when warming up sampler with', 'lowering `max_num_seqs`',
        CUDA+LOADED+worker("RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy requests. Please try lowering `max_num_seqs` or `gpu_memory_utilization` when initializing the engine.")),
    ("802", "fabric-manager", "start", 'RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run ', 'nvidia-fabricmanager',
        CUDA+worker("RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() that might have already set an error? Error 802: system not yet initialized")),
    ("xid", "hardware", "under_load", 'torch.AcceleratorError: CUDA error: uncorrectable NVLink error detecte', 'reset',
        CUDA+SERVED+SERVING+dead("torch.AcceleratorError: CUDA error: uncorrectable NVLink error detected during the execution")),
    ("803", "driver-version", "start", 'RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 803: s', 'driver',
        CUDA+worker("RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 803: system has unsupported display driver / cuda driver combination")),
    ("ras", "hardware", "under_load", 'amdgpu: RAS uncorrectable error detected, poison consumption', 'dmesg',
        ROCM_033+SERVED+SERVING+"amdgpu: RAS uncorrectable error detected, poison consumption\n"+dead("RuntimeError: HIP error: unspecified launch failure")),
    ("shm nccl", "shared-memory", "start", 'host:1:2 [0] misc/shmutils.cc:87 NCCL WARN Error: failed to extend /de', '--shm-size',
        CUDA+"host:1:2 [0] misc/shmutils.cc:87 NCCL WARN Error: failed to extend /dev/shm/nccl-abc to 33030532 bytes, error: No space left on device (28)\n"+worker("torch.distributed.DistBackendError: NCCL error in: x.cpp:94, unhandled system error (run with NCCL_DEBUG=INFO for details)\nncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.")),
    ("ipc", "gpu-ipc", "graph_capture", "Failed: Cuda error /workspace/csrc/custom_all_reduce.cuh:455 'invalid ", 'disable-custom-all-reduce',
        CUDA+LOADED+KV+CAPTURING+"Failed: Cuda error /workspace/csrc/custom_all_reduce.cuh:455 'invalid argument'\n"+"(EngineCore_DP0 pid=288) ERROR 02-11 09:18:33 [multiproc_executor.py:246] Worker proc VllmWorker-1 died unexpectedly, shutting down executor.\n"+ENGINE_ENDS),
    ("aiter ipc", "gpu-ipc", "start", 'RuntimeError: custom_all_reduce.cu:397 hipIpcGetMemHandle [HIP error](', 'expandable_segments',
        ROCM_033+worker(frame("aiter/dist/custom_all_reduce.py","__init__")+"RuntimeError: custom_all_reduce.cu:397 hipIpcGetMemHandle [HIP error](invalid argument)")),
    ("gloo host", "collective", "start", 'RuntimeError: [enforce fail at ../third_party/gloo/gloo/transport/tcp/', 'GLOO_SOCKET_IFNAME',
        CUDA+worker("RuntimeError: [enforce fail at ../third_party/gloo/gloo/transport/tcp/device.cc:83] ifa != nullptr. Unable to find address for: eth9")),
    ("assert loader", "weights-mismatch", "weights", 'AssertionError at vllm/model_executor/layers/linear.py:12 in weight_lo', '',
        ROCM_033+LOADING+worker(frame("vllm/model_executor/layers/linear.py","weight_loader","assert param_data.shape == loaded_weight.shape")+"AssertionError")),
    ("assert aiter", "aiter-refused", "kv_cache", 'AssertionError at aiter/fused_moe.py:12 in fused_moe_2stages: assert w', 'VLLM_ROCM_USE_AITER_MOE=0',
        ROCM_033+LOADED+worker(frame("aiter/fused_moe.py","fused_moe_2stages","assert w1.shape[1] % 256 == 0")+"AssertionError")),
    ("assert vllm", "unknown", "kv_cache", 'AssertionError at vllm/v1/worker/gpu_model_runner.py:12 in _reshape: a', '',
        ROCM_033+LOADED+worker(frame("vllm/v1/worker/gpu_model_runner.py","_reshape","assert num_blocks > 0")+"AssertionError")),
    ("baton", "jit-lock", "kv_cache", '[aiter] waiting for baton release at /tmp/aiter_configs/tuned_fmoe.csv', 'the line names',
        ROCM_033+LOADED+"(Worker_TP0_EP0 pid=2) [aiter] import [module_moe_sorting] under /x\n(Worker_TP2_EP2 pid=5) [aiter] waiting for baton release at /tmp/aiter_configs/tuned_fmoe.csv.lock\n"+5 * BROADCAST),
    ("hang", "hang", "kv_cache", '(x 5, since: Model loading took 145.27 GiB', 'py-spy',
        ROCM_033+LOADED+5 * BROADCAST),
    ("segv aiter", "segfault", "under_load", '!!!!!!! Segfault encountered !!!!!!! in File "/usr/local/lib/python3.1', 'a module of AITER',
        ROCM_033+SERVED+SERVING+"!!!!!!! Segfault encountered !!!!!!!\n  File \"<unknown>\", line 0, in __restore_rt\n  File \"/usr/local/lib/python3.12/dist-packages/aiter/jit/module_moe_sorting.so\", line 0, in moe_sorting_fwd\n"+dead("RuntimeError: cancelled")),
    ("segv gdb", "segfault", "kv_cache", '*** SIGSEGV (@0x10), see go in #1 0x7f in rocr::AMD::GpuAgent::f from ', "not the arm's kernels",
        ROCM_033+LOADED+"*** SIGSEGV (@0x10), see go\n#0 0x7f in raise () from /lib/x86_64-linux-gnu/libc.so.6\n#1 0x7f in rocr::AMD::GpuAgent::f from /opt/rocm/lib/libhsa-runtime64.so.1\n"+ENGINE_ENDS),
    ("segv vllm C", "segfault", "under_load", 'Fatal Python error: Segmentation fault in File "/usr/local/lib/python3', 'not AITER',
        CUDA+SERVED+SERVING+"Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f (most recent call first):\n  File \"/usr/local/lib/python3.12/dist-packages/vllm/_custom_ops.py\", line 88 in rms_norm\n"+dead("RuntimeError: cancelled")),
    ("terminate", "illegal-access", "under_load", 'what(): CUDA error: an illegal memory access was encountered', '',
        CUDA+SERVED+SERVING+"terminate called after throwing an instance of 'c10::AcceleratorError'\n  what():  CUDA error: an illegal memory access was encountered\n"+DEAD),
    ("kfd", "no-device", "start", 'Unable to open /dev/kfd read-write: Permission denied', 'group',
        ROCM_033+"Unable to open /dev/kfd read-write: Permission denied\n"+engine("RuntimeError: Failed to infer device type")),
    ("workspace", "workspace-locked", "under_load", "AssertionError: Workspace is locked but allocation from 'rocm_aiter_ml", 'VLLM_ROCM_USE_AITER_MLA=0',
        ROCM_033+SERVED+SERVING+dead(frame("vllm/v1/attention/backends/mla/rocm_aiter_mla.py","_mla_fp8_prefill_attn")+"AssertionError: Workspace is locked but allocation from 'rocm_aiter_mla.py:767:_mla_fp8_prefill_attn' requires 61.08 MB, current size is 0.00 MB. Workspace growth is not allowed after locking.")),
    ("fp8e4nv", "number-format", "kv_cache", 'ValueError: type fp8e4nv not supported in this architecture. The suppo', 'dtype',
        CUDA+LOADED+worker("ValueError: type fp8e4nv not supported in this architecture. The supported fp8 dtypes are ('fp8e4b15', 'fp8e5')")),
    ("bf16", "number-format", "start", 'ValueError: Bfloat16 is only supported on GPUs with compute capability', '--dtype=half',
        CUDA.split("(EngineCore")[0]+"Traceback (most recent call last):\nValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU has compute capability 7.5. You can use float16 instead by explicitly setting the `dtype` flag in CLI, for example: --dtype=half.\n"),
    ("group", "kernel-build", "start", 'RuntimeError: Ninja build failed. Ninja output:', '',
        CUDA+"  + Exception Group Traceback (most recent call last):\n  |   File \"/a.py\", line 1, in f\n  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)\n  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n    |   File \"/usr/lib/python3/site-packages/flashinfer/jit/core.py\", line 3, in build\n    | RuntimeError: Ninja build failed. Ninja output:\n    +------------------------------------\n"),
    ("tensile", "kernel-unsupported", "kv_cache", 'rocBLAS error: Cannot read /opt/rocm/lib/rocblas/library/TensileLibrar', '',
        ROCM_033+LOADED+"rocBLAS error: Cannot read /opt/rocm/lib/rocblas/library/TensileLibrary.dat: Illegal seek for GPU arch : gfx1103\n"+ENGINE_ENDS),
    ("flydsl py", "kernel-build", "kv_cache", 'flydsl._mlir._mlir_libs.MLIRError: Failure while executing pass pipeli', 'flydsl',
        ROCM_033+LOADED+worker(frame("flydsl/compiler/jit_function.py","__call__")+"flydsl._mlir._mlir_libs.MLIRError: Failure while executing pass pipeline:\nerror: operand #0 must be")),
    ("aiter baton build fail", "aiter-build", "kv_cache", 'SystemExit: [aiter] build [module_moe_asm] under /home/user/.aiter/jit/buil', '',
        ROCM_033+LOADED+worker(frame("aiter/jit/core.py","build_module")+"SystemExit: [aiter] build [module_moe_asm] under /home/user/.aiter/jit/build/module_moe_asm failed !!!!!!")),
    ("cpp_itfs make", "aiter-build", "kv_cache", "subprocess.CalledProcessError: Command 'cd /home/user/.aiter/build/pa_1 && ", '',
        ROCM_033+LOADED+worker(frame("aiter_meta/csrc/cpp_itfs/utils.py","compile_lib")+"subprocess.CalledProcessError: Command 'cd /home/user/.aiter/build/pa_1 && make build -j4' returned non-zero exit status 2.")),
    ("quark build", "kernel-build", "kv_cache", "RuntimeError: Error building extension 'kernel_ext'", 'PYTORCH_ROCM_ARCH',
        ROCM_033+LOADED+worker(frame("quark/torch/kernel/hw_emulation/extensions.py","compile")+frame("torch/utils/cpp_extension.py","_run_ninja_build")+"RuntimeError: Error building extension 'kernel_ext'")),
    ("second worker", "out-of-memory", "kv_cache", 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB', '',
        CUDA+LOADED+"""(Worker_TP1 pid=302) ERROR 02-11 09:18:30 [multiproc_executor.py:783] WorkerProc hit an exception.
(Worker_TP0 pid=301) ERROR 02-11 09:18:30 [multiproc_executor.py:783] WorkerProc hit an exception.
(Worker_TP1 pid=302) ERROR 02-11 09:18:30 [multiproc_executor.py:783] Traceback (most recent call last):
(Worker_TP0 pid=301) ERROR 02-11 09:18:30 [multiproc_executor.py:783] Traceback (most recent call last):
(Worker_TP1 pid=302) ERROR 02-11 09:18:30 [multiproc_executor.py:783]   File "/a/b.py", line 1, in f
(Worker_TP0 pid=301) ERROR 02-11 09:18:30 [multiproc_executor.py:783]   File "/a/c.py", line 1, in g
(Worker_TP1 pid=302) ERROR 02-11 09:18:30 [multiproc_executor.py:783] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB
(Worker_TP0 pid=301) ERROR 02-11 09:18:31 [multiproc_executor.py:783] RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:544] Connection closed by peer [10.0.0.1]:10634
"""+ENGINE_ENDS),
    ("triton runtime", "runtime-call", "kv_cache", "Triton Error [HIP]", "load order",
        ROCM_033 + LOADED + hit("RuntimeError: Triton Error [HIP]:  Code: 1, Messsage: invalid argument")),
    ("triton memory", "out-of-memory", "kv_cache", "Triton Error [CUDA]: out of memory", "gpu-memory-utilization",
        CUDA + LOADED + hit("RuntimeError: Triton Error [CUDA]: out of memory")),
    ("nccl peers", "gpu-ipc", "start", "peer access is not supported", "disable-custom-all-reduce",
        CUDA + hit("torch.distributed.DistBackendError: NCCL error in: x.cpp:94, unhandled cuda error\nncclUnhandledCudaError: Call to "
            "CUDA function failed.\nLast error:\nCuda failure 'peer access is not supported between these two devices'")),
    ("experts by weights", "weights-mismatch", "weights", "KeyError: 'layers.0.mlp.experts.w2_weight_scale'", "version of vLLM",
        ROCM_033 + LOADING + hit("KeyError: 'layers.0.mlp.experts.w2_weight_scale'",
            frame("vllm/model_executor/models/deepseek_v2.py", "load_weights", "param = params_dict[name]"))),
    ("inter_dim", "moe-shape", "kv_cache", "Unsupported inter_dim 192", "VLLM_ROCM_USE_AITER_MOE=0",
        ROCM_033 + LOADED + hit("RuntimeError: Unsupported inter_dim 192, which should be divisible by 128, 256 or 512",
            frame("aiter/fused_moe_bf16_asm.py", "asm_moe"))),
    ("xid", "hardware", "under_load", "fallen off the bus", "dmesg",
        CUDA + SERVED + SERVING + "NVRM: Xid (PCI:0000:4b:00): 79, pid=1, GPU has fallen off the bus.\n"
        + dead("torch.AcceleratorError: CUDA error: unspecified launch failure")),
    ("cutlass dsl", "kernel-build", "kv_cache", "DSLRuntimeError: Failed to create dynamic if", "nvidia-cutlass-dsl",
        CUDA + LOADED + hit("cutlass.base_dsl.common.DSLRuntimeError: DSLRuntimeError: Failed to create dynamic if",
            frame("vllm/vllm_flash_attn/cute/interface.py", "_flash_attn_fwd"))),
    ("flashinfer hangs", "jit-lock", "kv_cache", "flashinfer.jit: Loading JIT ops", "stale lock",
        CUDA + LOADED + "(Worker_TP0 pid=1) 2026-08-14 03:01:21,304 - INFO - flashinfer.jit: Loading JIT ops: sampling\n" + 5 * BROADCAST),
]  # fmt: skip
