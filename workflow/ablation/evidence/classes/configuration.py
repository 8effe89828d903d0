"""What vLLM refuses before it loads a model: arguments, the model, parallel sizes, the port."""

from __future__ import annotations

from ablation.evidence.classes.family import FailureClass
from ablation.evidence.classes.family import failure_class as _class

CONFIGURATION: tuple[FailureClass, ...] = (
    _class(
        "fp8-block-split",
        r"is not divisible by weight quantization block_",
        "the FP8 blocks cannot be split over so many GPUs",
        "a smaller tensor-parallel size, or enable-expert-parallel: true",
    ),
    _class(
        "block-size",
        r"No common block size for|Block size must be a multiple|block_size not supported"
        r"|block size \d+ is not supported",
        "no attention kernel takes this block size",
        "leave block-size to vLLM, or give one that the attention backend supports",
    ),
    _class(
        "unknown-attention-backend",
        r"Unknown attention backend: '?(\w+)|Invalid (?:attention )?backend(?: name)?: '?(\w+)",
        "this vLLM knows no attention backend of that name",
        "a name from the list that follows in the log (attention-backend)",
    ),
    _class(
        "attention-backend-invalid",
        r"Selected backend .* is not valid for this configuration|Invalid attention backend for"
        r"|is not supported for vit attention"
        r"|attention backend .* (?:does not support|is not supported|is not available)"
        r"|FlashAttention .* not supported",
        "the attention backend asked for cannot run this model here",
        "another attention-backend, or none; the log gives the reason",
    ),
    _class(
        "no-attention-backend",
        r"No valid attention backend (?:found|from)|No valid .* MLA prefill backend",
        "vLLM has no attention backend for this model on this platform",
        "another KV cache type or block size; the log gives the reason of each backend",
    ),
    _class(
        "moe-no-backend",
        r"No \w+(?: \w+)? MoE backend supports|MoE backend .* does not support"
        r"|No (?:suitable|valid|compatible) .*MoE (?:backend|kernel|experts)"
        r"|MoE (?:backend|kernel)\S* .*(?:is not supported|is not available|not compatible)"
        r"|not supported by (?:the )?\w+ MoE backend",
        "vLLM has no MoE kernel for this model on this platform, or the one asked for "
        "cannot run here",
        "leave moe-backend to vLLM or name another, another quantisation, another tensor-parallel "
        "size, or enable-expert-parallel; the log gives the reason",
    ),
    _class(
        "max-model-len",
        r"greater than the derived max_model_len|max_model_len.*is greater than",
        "max-model-len is more than the model allows",
        "lower max-model-len",
    ),
    _class(
        "tensor-parallel-heads",
        r"must be divisible by tensor parallel size|heads.*not divisible by.*tensor",
        "the model's heads cannot be split over so many GPUs",
        "a tensor-parallel size that divides the number of heads",
    ),
    _class(
        "too-few-devices",
        r"is larger than the number of available GPUs|invalid device ordinal"
        r"|World size .* than the number of"
        r"|not enough (?:GPUs|devices)",
        "fewer accelerators than the parallel sizes ask for",
        "lower tensor-parallel-size, or make more devices visible",
    ),
    _class(
        "cpu-binding",
        r"Not enough allowed NUMA nodes to bind|doesn't support auto CPU binding",
        "vLLM could not bind its CPU workers to cores",
        "set VLLM_CPU_OMP_THREADS_BIND (0|1 for two workers), or tensor-parallel-size: 1",
    ),
    _class(
        "remote-code",
        r"set the option `trust_remote_code=True`|contains custom code which must be executed",
        "the model brings code of its own",
        "trust-remote-code: true, after reading it",
    ),
    _class(
        "architecture-unknown",
        r"does not recognize this architecture|Model architectures .* (?:are not supported"
        r"|failed to be inspected)"
        r"|has no vLLM implementation",
        "this vLLM does not know the model's architecture",
        "another version of vLLM or transformers",
    ),
    _class(
        "model-gated",
        r"gated repo|401 Client Error|403 Client Error",
        "the hub does not give the model to this account",
        "accept its licence, and name the token's variable under server.pass_env",
    ),
    _class(
        "model-not-found",
        r"is not a local folder and is not a valid model identifier|Repository Not Found"
        r"|Invalid repository ID"
        r"|outgoing traffic has been disabled|couldn't connect to 'https://huggingface"
        r"|Cannot find any model weights|LocalEntryNotFoundError",
        "the model is not there",
        "give the folder of the model (models.*.path), or download it before",
    ),
    _class(
        "quantization",
        r"Quantization method .* does not match|quantization method .* is not supported"
        r"|Unknown quantization method|is not supported for the current GPU",
        "the quantisation does not fit the model or the accelerator",
        "leave quantization to the model's own configuration",
    ),
)
WEIGHTS: tuple[FailureClass, ...] = (
    _class(
        "weights-mismatch",
        r"Attempted to load weight|There is no module or parameter named"
        r"|weights were not initialized|size mismatch for"
        r"|(?:Unexpected|Missing) (?:key|weight|parameter)s? |not found in params_dict",
        "the checkpoint's weights do not fit the model as this vLLM builds it",
        "another version of vLLM, or other parallel sizes (with and without "
        "enable-expert-parallel); "
        "the files themselves are whole",
    ),
    _class(
        "weights-mismatch",
        r"must match the (?:size of tensor|existing size)|expanded size of the tensor"
        r"|shape .* is invalid for input|start \(\d+\) \+ length",
        "the checkpoint's weights do not fit the model as this vLLM builds it",
        "another version of vLLM, or other parallel sizes (with and without "
        "enable-expert-parallel); "
        "the files themselves are whole",
        stages=("weights",),
    ),
    _class(
        "weights-mismatch",
        r"^(?:AssertionError|KeyError|IndexError|ValueError|AttributeError)\b",
        "the checkpoint's weights do not fit the model as this vLLM builds it",
        "another version of vLLM, or other parallel sizes (with and without "
        "enable-expert-parallel); "
        "the files themselves are whole",
        where=r"weight_loader|load_weights|_load_(?:w\d|expert|qkv|merged|fused)",
        stages=("weights",),
    ),
    _class(
        "weights-broken",
        r"SafetensorError|Error while deserializing header|MetadataIncompleteBuffer"
        r"|PytorchStreamReader failed|invalid header or archive is corrupted",
        "a file of the weights is broken or missing",
        "download the model again",
    ),
)
# The words of the parser and of pydantic, which are short.
ARGUMENTS: tuple[FailureClass, ...] = (
    _class(
        "unknown-argument",
        r"unrecognized arguments: (.*)",
        "the server does not know an argument",
        "see `vllm serve --help=all` of this version",
    ),
    _class(
        "bad-argument",
        r"error: argument (\S+): |invalid choice: (\S+)|(?:\.py|vllm|serve): error: (.*)",
        "the server does not accept an argument's value",
        "see `vllm serve --help=all` of this version",
    ),
    _class(
        "port-in-use",
        r"Address already in use",
        "the port is in use",
        "server.port: auto, or end what listens there",
    ),
    _class(
        "bad-configuration",
        r"validation errors? for \w+Config|Value error, (.*)",
        "vLLM refused its configuration",
        "the log names the field",
    ),
)
