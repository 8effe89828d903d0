# ruff: noqa: E501
"""What a server repeats of its arguments: lines that vLLM 0.32 printed for the command lines beside them."""

import pytest

from ablation.evidence.reading import read
from ablation.evidence.repeated import Enumerated, Opaque, agrees, parse
from tests.evidence.claims import claim, proof

# --dtype float32 --enforce-eager --max-model-len 2048 --kv-cache-memory-bytes 256M --distributed-executor-backend uni --no-enable-prefix-caching
DEFAULT_STUDY = "{'host': '127.0.0.1', 'port': 43159, 'disable_uvicorn_access_log': True, 'model': 'm', 'dtype': 'float32', 'max_model_len': 2048, 'enforce_eager': True, 'served_model_name': ['llama-mini'], 'distributed_executor_backend': 'uni', 'kv_cache_memory_bytes': 268435456, 'enable_prefix_caching': False}"
# --max-model-len 32K --max-num-batched-tokens 8k --hf-token abc --ir-op-priority.rms_norm aiter,native --compilation-config '{"cudagraph_capture_sizes": [1, 2, 4]}'
FILLED_UP = "{'model': 'm', 'max_model_len': 32768, 'hf_token': '***', 'override_generation_config': {'x': None}, 'max_num_batched_tokens': 8000, 'ir_op_priority': IrOpPriorityConfig(rms_norm=['aiter', 'native'], fused_add_rms_norm=[], gelu_and_mul_sparse=[]), 'compilation_config': {'mode': None, 'cache_dir': '', 'custom_ops': [], 'inductor_compile_config': {'enable_auto_functionalized_v2': False}, 'cudagraph_mode': None, 'cudagraph_capture_sizes': [1, 2, 4], 'dynamic_shapes_config': {'type': <DynamicShapesType.BACKED: 'backed'>, 'evaluate_guards': False}}}"
# --attention-config.backend TRITON_ATTN --compilation-config.mode 3 -O2 --lora-modules a=b --chat-template 'a <s>{{ x }}, it'"'"'s'
OBJECTS = "{'lora_modules': [LoRAModulePath(name='a', path='b', base_model_name=None, is_3d_lora_weight=False)], 'chat_template': \"a <s>{{ x }}, it's\", 'model': 'm', 'attention_config': AttentionConfig(backend=<AttentionBackendEnum.TRITON_ATTN: 'vllm.v1.attention.backends.triton_attn.TritonAttentionBackend'>, flash_attn_version=None), 'compilation_config': {'mode': <CompilationMode.VLLM_COMPILE: 3>}, 'optimization_level': '2'}"


def printed(text: str) -> str:
    return (
        f"(APIServer pid=25465) INFO 11-28 04:34:28 [api_utils.py:286] non-default args: {text}\n"
    )


def test_values_are_what_the_parser_made_of_them():
    found = parse(DEFAULT_STUDY)
    assert found is not None
    assert found["kv_cache_memory_bytes"] == 268435456
    assert found["served_model_name"] == ["llama-mini"]
    assert found["enable_prefix_caching"] is False


def test_objects_and_enumerations_are_read_by_their_parts():
    found = parse(OBJECTS)
    assert found is not None
    assert found["compilation_config"] == {"mode": Enumerated("VLLM_COMPILE", 3)}
    assert found["attention_config"]["backend"].name == "TRITON_ATTN"
    assert found["lora_modules"][0]["name"] == "a"
    assert found["chat_template"] == "a <s>{{ x }}, it's"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{}", {}),
        ("", None),
        ("Namespace(model='m')", None),
        # One entry that cannot be read spoils no other; one that is cut off is left out.
        ("{'a': <function f at 0x7f>, 'b': 1}", {"a": Opaque("<function f at 0x7f>"), "b": 1}),
        ("{'a': PosixPath('/x'), 'b': 1e-05}", {"a": Opaque("PosixPath('/x')"), "b": 1e-05}),
        ("{'a': 1, 'b': 'cut o", {"a": 1}),
        ("{'a': 1, 'b': {'c': [1, 2", {"a": 1}),
        # The name of a part is no argument.
        ("{'speculative_config': {'model': 'draft'}, 'model': 'm'}",
         {"speculative_config": {"model": "draft"}, "model": "m"}),
        ("{'a': 'x, \\'b\\': 1'}", {"a": "x, 'b': 1"}),
    ],
)  # fmt: skip
def test_what_is_no_python_is_read_as_far_as_it_goes(text, found):
    assert parse(text) == found


@pytest.mark.parametrize(
    ("asked", "told", "answer"),
    [
        (8, 8, "same"),
        ("8", 8, "same"),
        (8, "8", "same"),
        (8, 4, "other"),
        ("256M", 268435456, "same"),
        ("8k", 8000, "same"),
        ("8K", 8000, "other"),
        (0.9, 0.9, "same"),
        (True, True, "same"),
        (False, True, "other"),
        ("flash_attn", "FLASH_ATTN", "same"),
        ("fp8", "auto", "other"),
        ("auto", -1, "unknown"),
        ([1, 2, 4], [1, 2, 4], "same"),
        ([1, 2, 4], [1, 2], "other"),
        ([1, 2, 4], [1, 2, 8], "other"),
        ("a", ["a"], "same"),
        ("a,b", ["a", "b"], "unknown"),
        ({"mode": 3}, {"mode": Enumerated("VLLM_COMPILE", 3), "x": 1}, "same"),
        ({"mode": 1}, {"mode": Enumerated("VLLM_COMPILE", 3)}, "unknown"),
        ({"cudagraph_mode": "FULL"}, {"mode": 3}, "unknown"),
        ({"sizes": [1]}, {"sizes": [2]}, "other"),
        ({"moe-backend": "triton"}, {"moe_backend": "triton"}, "same"),
        (3, {"mode": 3}, "unknown"),
        ("secret", "***", "unknown"),
        ("x", Opaque("X(...)"), "unknown"),
    ],
)
def test_whether_a_value_is_the_one_that_was_asked_for(asked, told, answer):
    assert agrees(asked, told) == answer


@pytest.mark.parametrize(
    ("args", "text", "state", "words"),
    [
        ({"max-model-len": 2048}, DEFAULT_STUDY, "proved", "the server repeats it"),
        ({"max-model-len": "2k"}, DEFAULT_STUDY, "refuted", "the server says max_model_len=2048"),
        ({"kv-cache-memory-bytes": "256M"}, DEFAULT_STUDY, "proved", "repeats it"),
        ({"enable-prefix-caching": False}, DEFAULT_STUDY, "proved", "repeats it"),
        ({"enable-prefix-caching": True}, DEFAULT_STUDY, "refuted", "enable_prefix_caching=False"),
        # A flag that is off and not in the list is off; of another value the list does not tell.
        ({"disable-custom-all-reduce": False}, DEFAULT_STUDY, "proved", "does not name it"),
        ({"disable-custom-all-reduce": True}, DEFAULT_STUDY, "cannot be told", "its default, or unknown"),
        ({"seed": 7}, DEFAULT_STUDY, "cannot be told", "its default, or unknown"),
        # Taken away, or never given.
        ({"max-num-seqs": None}, DEFAULT_STUDY, "proved", "does not name it"),
        ({"max-model-len": None}, DEFAULT_STUDY, "refuted", "max_model_len=2048"),
        ({"compilation-config": {"cudagraph_capture_sizes": [1, 2, 4]}}, FILLED_UP, "proved", "repeats it"),
        ({"compilation-config": {"cudagraph_capture_sizes": [1]}}, FILLED_UP, "refuted", "the server says"),
        ({"compilation-config.cudagraph_capture_sizes": [1, 2, 4]}, FILLED_UP, "proved", "repeats it"),
        ({"compilation-config": 3}, FILLED_UP, "cannot be told", "cannot be compared"),
        ({"ir-op-priority.rms_norm": ["aiter", "native"]}, FILLED_UP, "proved", "repeats it"),
        # A configuration is printed whole, whichever of its entries was given.
        ({"attention-config.flash_attn_version": None}, OBJECTS, "cannot be told", "entries of its own"),
        ({"attention-config": None}, OBJECTS, "cannot be told", "entries of its own"),
        # A choice of kernels is proved by the kernel, not by the argument.
        ({"attention-config.backend": "TRITON_ATTN"}, OBJECTS, "cannot be told", "names no attention backend"),
        ({"attention-backend": "FLASH_ATTN"}, "{'attention_backend': 'FLASH_ATTN'}", "cannot be told",
         "names no attention backend"),
    ],
)  # fmt: skip
def test_arguments_that_the_server_repeats(args, text, state, words):
    found = proof(printed(text), claim(args=args))
    assert found["state"] == state
    assert words in found["text"]


CPU = "(Worker pid=46) INFO 11-23 03:36:13 [cpu.py:120] Using CPU_MLA backend.\n"


@pytest.mark.parametrize(
    "args",
    [
        {"attention-config.backend": "AMX_MLA"},
        {"attention-config": {"backend": "AMX_MLA"}},
        {"attention-config": {"backend": "AMX_MLA", "flash_attn_version": 3}},
    ],
)
def test_a_kernel_asked_for_in_a_configuration_has_to_be_in_use(args):
    log = printed(str({"attention_config": {"backend": "AMX_MLA", "flash_attn_version": 3}}))
    assert proof(log + CPU, claim(args=args))["state"] == "refuted"
    assert proof(log, claim(args=args))["state"] == "cannot be told"
    assert proof(log + CPU.replace("CPU_MLA", "AMX_MLA"), claim(args=args))["state"] == "proved"


def test_a_long_value_does_not_make_a_long_sentence():
    found = proof("", claim(args={"compilation-config": {"x": "line\n" * 100}}))
    assert len(found["settings"][0]["setting"]) < 120
    assert "\n" not in found["text"]


def test_without_the_list_no_argument_is_proved():
    found = proof("INFO nothing\n", claim(args={"max-model-len": 2048}))
    assert found["state"] == "cannot be told"
    assert "does not repeat its arguments" in found["text"]


def test_only_the_first_list_counts():
    log = printed("{'seed': 1}") + printed("{'seed': 2}")
    assert read(log).arguments == {"seed": 1}
    # Words of a request are no line of the server's.
    assert read(f"INFO prompt: 'non-default args: {{'seed': 3}}'\n{log}").arguments == {"seed": 1}


@pytest.mark.parametrize(
    ("location", "state"), [("m", "proved"), ("models/other", "refuted"), ("M", "refuted")]
)
def test_weights_of_an_arms_own_are_the_model_that_the_server_repeats(location, state):
    what = claim(changed=["model"], location=location)
    assert proof(printed(DEFAULT_STUDY), what)["state"] == state
    assert proof("INFO nothing\n", what)["state"] == "cannot be told"


def test_the_logo_tells_the_version():
    logo = """\
(APIServer pid=25465) INFO 11-28 04:34:28 [api_utils.py:347]        █     █     █▄   ▄█
(APIServer pid=25465) INFO 11-28 04:34:28 [api_utils.py:347]  ▄▄ ▄█ █     █     █ ▀▄▀ █  version 0.32.0
(APIServer pid=25465) INFO 11-28 04:34:28 [api_utils.py:347]   █▄█▀ █     █     █     █  model   m
"""
    assert read(logo).version == "0.32.0"
    assert read("INFO FlashAttention version 3\n").version == ""
