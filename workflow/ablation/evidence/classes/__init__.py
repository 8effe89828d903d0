"""The classes of failure, by family: what a server's last words mean, and what to do.

    configuration   arguments, the model and its weights, parallel sizes, the port
    kernels         none for this GPU or shape, refused input, faults of the GPU
    builds          kernels that could not be built, stale caches, builds that never ended
    memory          of the accelerator, the KV cache, the host, shared, of the disk, limits of the host
    packages        missing, or unfit for each other
    host            devices, hardware, driver, fabric, IPC, collectives; processes that ended without an exception

Where a server really ended is read from its log. Words as read in vLLM 0.14 to 0.33 and ROCm/aiter, and as reported
in public issue threads of these, of FlashInfer, DeepGEMM, TileLang, Quark and PyTorch.
"""

from __future__ import annotations

from ablation.evidence.classes.builds import BUILDS, SILENT
from ablation.evidence.classes.configuration import ARGUMENTS, CONFIGURATION, WEIGHTS
from ablation.evidence.classes.family import FailureClass, failure_class
from ablation.evidence.classes.host import ENDS, HOST
from ablation.evidence.classes.kernels import ATTENTION, FAULTS, PLACES, UNSUPPORTED
from ablation.evidence.classes.memory import MEMORY
from ablation.evidence.classes.packages import PACKAGES

# The more particular come first: what is said of one kernel before what is said of a GPU, the hardware before the
# call that met it, and the mere end of a process last.
CLASSES: tuple[FailureClass, ...] = (
    *ATTENTION,
    *CONFIGURATION,
    *UNSUPPORTED,
    *MEMORY,
    *HOST,
    *BUILDS,
    *PACKAGES,
    *WEIGHTS,
    *FAULTS,
    *ARGUMENTS,
    *ENDS,
    *PLACES,
)
UNKNOWN = failure_class("unknown", r"(?!)", "unknown; read the log", "read the server's log")
# How a process that said nothing was ended, by signal.
BY_SIGNAL = {
    "SIGKILL": "killed",
    "SIGSEGV": "segfault",
    "SIGABRT": "segfault",
    "SIGILL": "illegal-instruction",
    "SIGBUS": "bus-error",
}

__all__ = ["BY_SIGNAL", "CLASSES", "SILENT", "UNKNOWN", "FailureClass"]
