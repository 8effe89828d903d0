"""Which packages of the server's Python decide how fast it is, and how closely each is looked at.

`content`: the package's own files are read, since people patch them where they are installed, or build twice under one
version. `record`: the list of files and hashes that the installer wrote (RECORD) stands for the files, and those that
were changed after it are read. A package without a RECORD is read like `content`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Depth = Literal["content", "record"]


@dataclass(frozen=True)
class Row:
    """One entry of the table.

    name           how the package is called in a build
    distributions  regular expressions of the names that it is distributed under, normalised as in PEP 503
    module         the top-level module by which the server finds it; None for a family of distributions, each of
                   which is an entry of its own under its own name
    why            what of a measurement it decides
    beside         folders beside the module's that belong to it where they are there
    source         the same, where the module's folder lies in a source tree
    generated      regular expression of files (from the folder that holds the module on) that are written while a
                   server runs: they belong to the package only where its RECORD lists them
    """

    name: str
    distributions: tuple[str, ...]
    module: str | None
    depth: Depth
    why: str
    beside: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    generated: str | None = None


PACKAGES = (
    Row(
        "vllm",
        (r"vllm", r"vllm-(cpu|gpu|rocm|tpu|xpu|nightly|openvino|neuron|cu\d+|rocm\d+).*"),
        "vllm",
        "content",
        "the server: its scheduler, its kernels, the choice among all kernels below",
    ),
    Row(
        "aiter",
        (r"amd-aiter.*", r"aiter"),
        "aiter",
        "content",
        "AMD's kernels, their tuned configurations (configs/*.csv) and what they are built from",
        # Where aiter/jit/core.py looks for sources and code objects: aiter_meta of a wheel, the tree of a checkout.
        beside=("aiter_meta",),
        source=("csrc", "hsa", "gradlib", "3rdparty"),
        # Modules that are built at first use (get_user_jit_dir and build_module in aiter/jit/core.py).
        generated=r"aiter/jit/(build|flydsl_cache|blob)/.*|aiter/jit/[^/]+\.so",
    ),
    Row("torch", (r"torch",), "torch", "record", "linear layers, graphs, memory, collectives"),
    Row(
        "triton",
        (r"triton", r"(pytorch-)?triton(-rocm|-nightly|-xpu)?", r"amd-triton"),
        "triton",
        "content",
        "the compiler of all Triton kernels",
    ),
    Row(
        "triton-kernels",
        (r"triton-kernels",),
        "triton_kernels",
        "content",
        "experts in MXFP4, their routing",
    ),
    Row("flash-attn", (r"flash-attn",), "flash_attn", "content", "attention, on ROCm too"),
    Row("flash-attn-3", (r"flash-attn-3",), "flash_attn_interface", "content", "attention"),
    Row("flashinfer", (r"flashinfer(-python)?",), "flashinfer", "content", "attention, experts"),
    Row("flashinfer binaries", (r"flashinfer-(cubin|jit-cache)",), None, "record", "its kernels"),
    Row("xformers", (r"xformers",), "xformers", "record", "attention of some encoders"),
    Row("quark", (r"amd-quark",), "quark", "content", "layers quantised by AMD Quark"),
    Row(
        "compressed-tensors",
        (r"compressed-tensors",),
        "compressed_tensors",
        "record",
        "which layers are quantised, and how",
    ),
    Row("deep-gemm", (r"deep-gemm",), "deep_gemm", "content", "linear layers and experts in FP8"),
    Row("deep-ep", (r"deep-ep",), "deep_ep", "content", "expert parallelism: dispatch, combine"),
    Row("mori", (r"(amd-)?mori(-.*)?",), "mori", "content", "expert parallelism on AMD"),
    Row("flydsl", (r"flydsl",), "flydsl", "content", "the compiler of AITER's FlyDSL kernels"),
    Row("tilelang", (r"tilelang",), "tilelang", "content", "the compiler of TileLang kernels"),
    Row("tvm-ffi", (r"apache-tvm-ffi",), "tvm_ffi", "record", "how such kernels are called"),
    Row("conch", (r"conch-triton-kernels",), "conch", "content", "quantised layers on AMD"),
    Row("petit", (r"petit-kernel",), "petit_kernel", "content", "FP4 layers on AMD"),
    Row("apex", (r"apex",), "apex", "record", "fused norms and rotary embeddings"),
    Row("mamba-ssm", (r"mamba-ssm",), "mamba_ssm", "content", "state-space layers"),
    Row("causal-conv1d", (r"causal-conv1d",), "causal_conv1d", "content", "state-space layers"),
    Row("bitsandbytes", (r"bitsandbytes",), "bitsandbytes", "record", "its quantised layers"),
    Row("lmcache", (r"lmcache",), "lmcache", "record", "where keys and values are kept"),
    Row("nixl", (r"nixl(-.*)?",), "nixl", "record", "how keys and values travel"),
    Row("torchvision", (r"torchvision",), "torchvision", "record", "images before the encoder"),
    Row(
        "transformers",
        (r"transformers",),
        "transformers",
        "record",
        "configurations, processors, and models that vLLM has no code of its own for",
    ),
    Row("tokenizers", (r"tokenizers",), "tokenizers", "record", "the time that text takes"),
    Row("numpy", (r"numpy",), "numpy", "record", "block tables and sampling inputs of each step"),
    Row(
        "vendor libraries",
        (r"nvidia-.*", r"rocm(-.*)?", r"cuda-(bindings|python|pathfinder|core)", r"cupy-.*"),
        None,
        "record",
        "cuBLAS, cuDNN, NCCL, NVSHMEM, CUTLASS; ROCm where it comes as wheels",
    ),
    Row(
        "OpenMP and oneAPI",
        (r"intel-openmp", r"mkl", r"onednn.*", r"tbb", r"intel-cmplr-lib-ur", r"tcmlib"),
        None,
        "record",
        "threads and linear layers on a CPU",
    ),
    Row(
        "the way of a request",
        (
            *(r"fastapi", r"starlette", r"uvicorn", r"uvloop", r"httptools"),
            *(r"pydantic", r"pydantic-core", r"msgspec", r"pyzmq"),
        ),
        None,
        "record",
        "what the API server and its messages to the engine cost, at many requests in flight",
    ),
)


def as_question() -> list[dict[str, Any]]:
    """The table as build/fingerprint.py is given it."""
    return [asdict(row) for row in PACKAGES]
