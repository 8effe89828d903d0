"""The server gets what the study says, and nothing by accident."""

from ablation.session.environment import scrub, secrets, server_environment

SHELL = {
    "PATH": "/bin",
    "HOME": "/home/x",
    "VLLM_ROCM_USE_AITER": "1",
    "OMP_NUM_THREADS": "7",
    "HF_TOKEN": "hf_s3cret",
}


def test_leftovers_of_a_shell_do_not_reach_the_server():
    env = server_environment(SHELL, {"VLLM_ROCM_USE_AITER": "0"}, [])
    assert env == {"PATH": "/bin", "HOME": "/home/x", "VLLM_ROCM_USE_AITER": "0"}


def test_named_secrets_do():
    assert server_environment(SHELL, {}, ["HF_TOKEN", "ABSENT"])["HF_TOKEN"] == "hf_s3cret"


def test_secrets_are_scrubbed_from_text():
    shell = {"A_TOKEN": "abcdefgh", "B_TOKEN": "abcdefghijkl", "C_TOKEN": ""}
    values = secrets(shell, [*shell, "D_TOKEN"])
    assert values == ["abcdefghijkl", "abcdefgh"]
    assert scrub("x abcdefghijkl y abcdefgh z", values) == "x *** y *** z"
