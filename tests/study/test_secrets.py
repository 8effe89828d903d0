"""Names and values that can be secrets, in a study, in a shell and in a text."""

import pytest

from ablation.study.load import StudyError, load_study
from ablation.study.secrets import hides, refuse_secret_args, secret_form, secret_name, too_short
from tests.study.test_config import arm, minimal

TOKEN = "hf_" + "AbCdEfGh12" * 3


@pytest.mark.parametrize(
    "name",
    ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "GH_TOKEN", "HFTOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID",
     "OPENAI_API_KEY", "NGC_API_KEY", "WANDB_API_KEY", "VLLM_API_KEY", "PGPASSWORD", "MYSQL_PWD", "FOO_PASSWD",
     "DB_PASS", "GOOGLE_APPLICATION_CREDENTIALS", "OAUTH_CLIENT_SECRET", "hf-token", "hf_token", "api-key", "apiKey",
     "authToken", "ssl-keyfile-password", "Authorization"],
)  # fmt: skip
def test_names_of_secrets(name):
    assert secret_name(name)


@pytest.mark.parametrize(
    "name",
    # From vllm/envs.py, huggingface_hub and the server's own arguments (0.32).
    ["TOKENIZERS_PARALLELISM", "VLLM_MAX_TOKENS_PER_EXPERT_FP4_MOE", "VLLM_SHARED_EXPERTS_STREAM_TOKEN_THRESHOLD",
     "VLLM_USE_FASTOKENS", "VLLM_ENABLE_PREGRAD_PASSES", "MAX_TOKENS", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_TOKEN_PATH",
     "KEYRING", "PWD", "OLDPWD", "SORT_KEY", "EOS_TOKEN", "max-num-batched-tokens", "dbo-decode-token-threshold",
     "long-prefill-token-threshold", "ssl-keyfile", "tokenizer", "skip-tokenizer-init", "spec-tokens"],
)  # fmt: skip
def test_names_that_only_look_like_it(name):
    assert not secret_name(name)


def test_variables_of_vllm_are_accepted_and_secrets_are_not():
    env = {"TOKENIZERS_PARALLELISM": "false", "VLLM_MAX_TOKENS_PER_EXPERT_FP4_MOE": 163840}
    study = load_study(minimal(factor=arm(env=env)), "study.yaml")
    assert study.factor.arms["a"].env["VLLM_MAX_TOKENS_PER_EXPERT_FP4_MOE"] == "163840"


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"env": {"PGPASSWORD": "s3cret-value"}}, "factor.arms.a.env.PGPASSWORD"),
        ({"env": {"HF_TOKEN": ["s3cret-value"]}}, "factor.arms.a.env.HF_TOKEN"),
        ({"env": {"HTTPS_PROXY": "http://me:s3cret-value@proxy:3128"}}, "factor.arms.a.env.HTTPS_PROXY"),
        ({"env": {"NOTE": f"use {TOKEN}"}}, "factor.arms.a.env.NOTE"),
        ({"args": {"hf-token": "s3cret-value"}}, "factor.arms.a.args.hf-token"),
        ({"args": {"hf_token": "s3cret-value"}}, "factor.arms.a.args.hf_token"),
        ({"args": {"ssl-keyfile-password": "s3cret-value"}}, "factor.arms.a.args.ssl-keyfile-password"),
        ({"args": {"hf-token": {"x": {1, 2}}}}, "factor.arms.a.args.hf-token"),
        ({"args": {"loader-config": {"s3": {"secret_access_key": "s3cret-value"}}}},
         "factor.arms.a.args.loader-config.s3.secret_access_key"),
        ({"args": {"loader-config": '{"api_key": "s3cret-value"}'}}, "factor.arms.a.args.loader-config.api_key"),
        ({"args": {"header": ["a", f"bearer {TOKEN}"]}}, "factor.arms.a.args.header[1]"),
        ({"env": {"HF_TOKEN=s3cret-value": ""}}, "factor.arms.a.env: the key 'HF_TOKEN'"),
        ({"label": TOKEN}, "factor.arms.a.label"),
        ({"hf_token": "s3cret-value"}, "factor.arms.a.hf_token"),
    ],
)  # fmt: skip
def test_a_secret_is_refused_and_not_printed(settings, where):
    with pytest.raises(StudyError) as error:
        load_study(minimal(factor=arm(**settings)), "study.yaml")
    assert where in str(error.value)
    assert "s3cret" not in str(error.value)
    assert TOKEN not in str(error.value)


def test_arguments_that_carry_none():
    """`hf-token: true` takes the token that `hf auth login` stored; a number counts."""
    refuse_secret_args({"hf-token": True, "api-key": None, "x-token": 8, "allow-credentials": True})


@pytest.mark.parametrize(
    "value", ["1", "true", "auto", "4096", "h4nter2", "EMPTY", "not-needed", ""]
)
def test_what_is_short_or_common_is_never_taken_out_of_a_text(value):
    assert not hides("HF_TOKEN", value)
    assert not hides("OMP_NUM_THREADS", value)


@pytest.mark.parametrize(
    "value",
    # What lines that prove a treatment are made of.
    ["ROCM_AITER_UNIFIED_ATTN", "TRITON_ATTN_VLLM_V1", "enp226s0f0np0", "/opt/ROCm-6.4/lib/Release1",
     "12345678901234567890", "1e-05", "mlx5_0:1,mlx5_1:1,Mlx5_2:1"],
)  # fmt: skip
def test_under_another_name_only_what_looks_drawn_at_random(value):
    assert not hides("SOME_SETTING", value)
    assert hides("SOME_SETTING", TOKEN)
    assert hides("SOME_SETTING", "http://me:pass@proxy:3128")
    assert hides("SOME_SETTING", "0123456789abcdef" * 2)
    assert hides("SOME_SETTING", "aB3" * 8)


def test_a_path_of_this_host_is_no_secret(tmp_path):
    key = tmp_path / "key.json"
    key.write_text("{}")
    assert not hides("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    assert hides("GOOGLE_APPLICATION_CREDENTIALS", "eyJhbGciOi")


def test_a_key_that_is_declared_is_hidden_whatever_it_is_called():
    assert not hides("ENDPOINT", "hunter-hunter")
    assert hides("ENDPOINT", "hunter-hunter", declared=True)


@pytest.mark.parametrize(
    ("value", "short"), [("h4nter2", True), ("", False), ("EMPTY", False), ("h4nter22", False)]
)
def test_a_secret_that_is_too_short_to_hide(value, short):
    assert too_short(value) is short


def test_forms():
    assert secret_form("AKIAIOSFODNN7EXAMPLE")
    assert secret_form("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert not secret_form("https://huggingface.co/meta-llama/Llama-3.1-8B")
    assert not secret_form("user@host:/folder")
