"""The host and its fabric, and processes that end without an exception."""

from __future__ import annotations

from ablation.evidence.classes.family import FailureClass
from ablation.evidence.classes.family import failure_class as _class

HOST: tuple[FailureClass, ...] = (
    _class(
        "hardware",
        r"ECC error|uncorrectable|\bXid\b|fallen off the bus|GPU is lost|\bRAS\b.*(?:error"
        r"|poison|fatal|uncorrect)|poison (?:consum|error)|ErrorECC\w*"
        r"|hardware (?:stack )?error|GPU (?:requires|needs) (?:a )?reset|bad pages?"
        r"|row remap"
        r"|nvlink (?:uncorrectable|error)|EccUncorrect",
        "the GPU has a hardware error",
        "dmesg names it (Xid on NVIDIA, RAS on AMD; `nvidia-smi -q -d ECC`, `amd-smi bad-pages`): "
        "reset that GPU, leave it out, or replace it",
    ),
    _class(
        "fabric-manager",
        r"system not yet initialized|Error 802|cudaErrorSystemNotReady|fabric.?manager"
        r"|fabric state",
        "the GPUs' fabric (NVSwitch) is not up",
        "start nvidia-fabricmanager in the driver's own version (`nvidia-smi -q | grep -A3 Fabric` "
        "must say Completed), or reset the host",
    ),
    _class(
        "driver-version",
        r"driver version is insufficient|forward compatibility was attempted"
        r"|driver/library version mismatch|NVIDIA driver on your system is too old"
        r"|Error 80[34]\b|PTX was compiled with an unsupported toolchain",
        "the driver does not fit the runtime library",
        "a newer driver, or a build for the driver's CUDA or ROCm version; after an update of the "
        "driver, restart the host",
    ),
    _class(
        "gpu-ipc",
        r"custom_all_reduce\.cu|(?:hip|cuda)Ipc\w+|\bIPC (?:memory|handle)|pidfd_(?:getfd"
        r"|open)|get_meta_buffer_ipc|peer access is not supported"
        r"|mapping of buffer object failed|hipErrorMapFailed|ErrorPeerAccess"
        r"|(?:HIP|CUDA) error: invalid resource handle",
        "the GPUs' processes could not share memory with each other (IPC)",
        "no expandable_segments in PYTORCH_ALLOC_CONF, HSA_ENABLE_IPC_MODE_LEGACY as this "
        "ROCm wants "
        "it, in a container --ipc=host and --cap-add SYS_PTRACE; "
        "disable-custom-all-reduce: true does "
        "without",
    ),
    _class(
        "no-device",
        r"AMDSMI_STATUS_DRIVER_NOT_LOADED"
        r"|No HIP GPUs are available|no ROCm-capable device|hipErrorNoDevice|/dev/(?:kfd|dri)"
        r"|Could not initialize Tensile host: No devices|HSA_STATUS_ERROR_NOT_INITIALIZED"
        r"|video group membership",
        "no accelerator is visible",
        "the user must be in the group, by number, that owns /dev/kfd and /dev/dri/render* (in a "
        "container --group-add with `stat -c %g /dev/kfd`, --device for both); then the "
        "driver, and "
        "HIP_VISIBLE_DEVICES and ROCR_VISIBLE_DEVICES",
    ),
    _class(
        "no-device",
        r"Failed to infer device type|No CUDA GPUs are available|Found no NVIDIA driver"
        r"|no CUDA-capable device|cudaErrorNoDevice|NVML.*(?:not found|Driver Not Loaded)"
        r"|invalid device id",
        "no accelerator is visible",
        "check the driver, the container's devices (--gpus; on AMD /dev/kfd and /dev/dri, with the "
        "group by number that owns them), and CUDA_VISIBLE_DEVICES or HIP_VISIBLE_DEVICES",
    ),
    _class(
        "collective",
        r"Gloo\b.*(?:fail|error|time|refus|unable)|gloo/transport|connectFullMesh"
        r"|makeDeviceForHostname|Unable to resolve hostname|Name or service not known"
        r"|DistNetworkError|DistStoreError|client socket has timed out"
        r"|failed to listen on any local network address",
        "the server's processes could not reach each other by network (Gloo, TCPStore)",
        "GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME with the name of an interface that "
        "answers (lo on "
        "one host), VLLM_HOST_IP, or a host name that resolves (/etc/hosts)",
    ),
    _class(
        "collective",
        r"NCCL error|RCCL error|nccl(?:Unhandled\w+|System|Internal|Remote"
        r"|InvalidUsage)Error|ncclInvalid\w+|Watchdog caught collective operation timeout"
        r"|DistBackendError|NCCL WARN .*(?:error|fail)|nvshmem|NVLS|rocshmem|ibv_\w+ failed"
        r"|custom_all_reduce.*(?:error|failed)|ProcessGroupNCCL.*(?:timed out|terminated)",
        "the GPUs could not talk to each other",
        "NCCL_DEBUG=INFO names the link; disable-custom-all-reduce: true; check shared memory",
    ),
    _class(
        "worker-timeout",
        r"RPC call to \w+ timed out|sample_tokens timed out|execute_model timed out"
        r"|TimeoutError.*[Ww]orker",
        "a worker did not answer in time",
        "look for a hanging kernel or a build; VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS",
    ),
)
# A process that ended without an exception.
ENDS: tuple[FailureClass, ...] = (
    _class(
        "illegal-instruction",
        r"Illegal instruction|SIGILL|exit code: -4\b",
        "the CPU lacks an instruction that the server used",
        "a build of vLLM for this CPU",
    ),
    _class(
        "segfault",
        r"Segmentation fault|Segfault encountered|SIGSEGV|exit code: -11\b|terminate called"
        r"|free\(\): invalid|double free|corrupted (?:size|double)"
        r"|Fatal Python error: Aborted|exit code: -6\b",
        "the server crashed in native code",
        "the frames above it name the library: look there, and not in the arm, unless it "
        "is one of the arm's kernels",
    ),
    _class(
        "bus-error",
        r"Bus error|SIGBUS|exit code: -7\b",
        "shared memory ran out or a file vanished under the server",
        "a larger /dev/shm (in a container --shm-size or --ipc=host)",
    ),
    _class(
        "killed",
        r"^Killed$|SIGKILL|exit code: -9\b|oom-kill",
        "the server was killed from outside, most often for want of host memory",
        "look at dmesg; give the host more memory, or load less at a time",
    ),
    _class(
        "engine-died",
        r"EngineDeadError|EngineCore encountered a fatal error|died unexpectedly"
        r"|Engine core proc \S+ died",
        "the engine died, and its log names no cause",
        "dmesg (memory, GPU resets) at that time; launch it again with VLLM_LOGGING_LEVEL=DEBUG",
    ),
)
