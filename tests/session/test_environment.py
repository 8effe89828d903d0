"""The server gets what the study says, and nothing by accident."""

import pytest

from ablation.session.environment import (
    scrub,
    scrub_error,
    scrubbed,
    secrets,
    server_environment,
)
from ablation.session.launcher import hidden_values
from ablation.study.load import StudyError, load_study
from tests.study.test_config import minimal

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


def test_values_that_are_no_secrets_stay():
    shell = {"OMP_NUM_THREADS": "1", "BACKEND": "ROCM_AITER_UNIFIED_ATTN", "HF_TOKEN": "EMPTY"}
    assert secrets(shell, shell) == []


def test_a_key_is_a_secret_whatever_its_variable_is_called():
    shell = {"ENDPOINT": "hunter-hunter"}
    assert secrets(shell, shell) == []
    assert secrets(shell, (), ["ENDPOINT", "ABSENT"]) == ["hunter-hunter"]


def test_a_secret_of_several_lines_is_hidden_line_by_line():
    """A log prints each with its own head, and a record may hold only one of them."""
    shell = {"SIGNING_KEY": "first-line\nsecond-line\nend\n"}
    whole = shell["SIGNING_KEY"]
    assert secrets(shell, shell) == [whole, whole.strip(), "second-line", "first-line"]


def test_a_record_and_an_error_hold_none():
    record = {"a": ["x s3cret-value", {"b": "s3cret-value"}], "n": 1, "none": None}
    assert scrubbed(record, ["s3cret-value"]) == {
        "a": ["x ***", {"b": "***"}],
        "n": 1,
        "none": None,
    }
    cause = RuntimeError("cause: s3cret-value")
    error = ValueError("s3cret-value", 3)
    error.__cause__ = cause
    scrub_error(error, ["s3cret-value"])
    assert error.args == ("***", 3)
    assert str(cause) == "cause: ***"


def test_the_key_of_an_endpoint_is_hidden_or_refused():
    arms = {"slow": {"url": "http://a:1"}, "fast": {"url": "http://b:1"}}
    study = load_study(
        minimal(
            factor={"name": "f", "title": "F", "baseline": "slow", "arms": arms},
            server={"vllm": "0.1", "launch": {"kind": "endpoint", "api_key_env": "MINE"}},
        ),
        "study.yaml",
    )
    assert hidden_values(study, {"MINE": "hunter-hunter"}) == ["hunter-hunter"]
    assert hidden_values(study, {"MINE": "EMPTY"}) == []
    assert hidden_values(study, {}) == []
    with pytest.raises(
        StudyError, match=r"api_key_env: the value of MINE has fewer than 8"
    ) as error:
        hidden_values(study, {"MINE": "h4nter"})
    assert "h4nter" not in str(error.value)
