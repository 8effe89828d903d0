"""Memory under its many names: of the accelerator, of the KV cache, of the host, "
"shared, and of the disk."""

from __future__ import annotations

from ablation.evidence.classes.family import FailureClass
from ablation.evidence.classes.family import failure_class as _class

MEMORY: tuple[FailureClass, ...] = (
    _class(
        "mamba-blocks",
        r"Mamba (?:cache )?blocks?|mamba.*exceeds",
        "max-num-seqs is more than there are Mamba cache blocks",
        "max-num-seqs at most the number of blocks that the line names, or a higher "
        "gpu-memory-utilization",
        where=r"exceed|lower|max_num_seqs|available",
    ),
    _class(
        "kv-cache-memory",
        r"No available memory for the cache blocks|larger than the available KV cache memory"
        r"|estimated maximum model length|not enough .*KV cache (?:blocks|memory)"
        r"|num_gpu_blocks.* (?:is|must be)",
        "too little memory for the KV cache",
        "raise kv-cache-memory-bytes or gpu-memory-utilization, or lower max-model-len",
    ),
    _class(
        "memory-not-free",
        r"Free memory on device|Error in memory profiling",
        "the accelerator's memory is not free or too small",
        "end what else uses it, or lower gpu-memory-utilization",
    ),
    _class(
        "scratch-reclaim",
        r"HSA_NO_SCRATCH_RECLAIM|scratch (?:memory )?(?:reclaim|alloc)",
        "ROCm takes a kernel's scratch memory back while RCCL or a graph uses it",
        "HSA_NO_SCRATCH_RECLAIM=1",
    ),
    _class(
        "shared-memory",
        r"/dev/shm|unable to (?:open|resize|allocate) shared memory"
        r"|unable to write to file </?torch_|shared memory (?:segment|object)|shm_open"
        r"|insufficient shared memory",
        "shared memory is too small or not to be had",
        "a larger /dev/shm (in a container --shm-size or --ipc=host); delete what dead "
        "servers left "
        "in it",
    ),
    _class(
        "out-of-memory",
        r"(?:CUDA|HIP|XPU) out of memory|(?:CUDA|HIP)(?: error:|\]:.*) out of memory|OutOfMemoryError"
        r"|(?:hip|cuda)ErrorOutOfMemory|hipErrorMemoryAllocation|cudaErrorMemoryAllocation"
        r"|HSA_STATUS_ERROR_OUT_OF_RESOURCES|(?:CU|HIP)\w*_STATUS_ALLOC_FAILED"
        r"|CUBLAS_STATUS_NOT_INITIALIZED|Cuda failure 'out of memory'|Failed to (?:CUDA"
        r"|hip) (?:c|m)alloc|UR_RESULT_ERROR_OUT_OF|out of memory occurred when warming up",
        "the accelerator ran out of memory",
        "more GPUs, a quantised model, a lower gpu-memory-utilization or max-num-seqs",
    ),
    _class(
        "host-memory",
        r"Cannot allocate memory|\bMemoryError\b|std::bad_alloc|DefaultCPUAllocator"
        r"|hipHostMalloc|(?:CUDA|HIP) error: .*pinned",
        "the host ran out of memory",
        "more host memory, a lower swap-space or cpu-offload-gb, fewer other programs; a "
        "container's "
        "memory limit",
    ),
    _class(
        "disk-full",
        r"No space left on device|Disk quota exceeded",
        "a disk is full (shared memory counts as one)",
        "free some space; in a container, a larger --shm-size or --ipc=host",
    ),
    _class(
        "host-limits",
        r"Too many open files|can't start new thread|Resource temporarily unavailable"
        r"|pthread_create|Thread creation failed|\bmemlock\b",
        "a limit of the host was reached",
        "ulimit -n (files), -u (processes), -l (locked memory); in a container --ulimit and "
        "--pids-limit",
    ),
)
