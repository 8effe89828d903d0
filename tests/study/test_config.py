"""A study's fields: what is refused, and in which words."""

import math
from pathlib import Path

import pytest

from ablation.study.config import Arm, Study
from ablation.study.expressions import check_expression
from ablation.study.load import StudyError, load_study, read_study

ROOT = Path(__file__).resolve().parents[2]
STUDIES = [ROOT / "config" / "config.yaml", *sorted((ROOT / "config" / "studies").glob("*.yaml"))]


def minimal(**changes: object) -> dict:
    study = {
        "study": "small",
        "title": "A small study",
        "factor": {
            "name": "speed",
            "title": "Speed",
            "baseline": "slow",
            "arms": {"slow": {}, "fast": {"env": {"FAST": 1}}},
        },
        "models": {"m": {"path": "/models/m"}},
        "server": {"vllm": "0.32.0"},
    }
    return study | changes


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_shipped_studies_are_valid(path):
    assert isinstance(read_study(path), Study)


def test_numbers_in_the_environment_become_text():
    study = load_study(minimal(), "study.yaml")
    assert study.factor.arms["fast"].env == {"FAST": "1"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"titel": "x"}, ["study.yaml", "titel", "did you mean 'title'"]),
        ({"workload": {"input_token": 8}}, ["workload.input_token", "did you mean 'input_tokens'"]),
        ({"models": {"m": {"pth": "x"}}}, ["models.m.pth", "did you mean 'path'"]),
        ({"design": {"levels": [4, 1]}}, ["design.levels", "must ascend", "[1, 4]"]),
        ({"design": {"levels": []}}, ["design.levels"]),
        ({"design": {"blocks": 0}}, ["design.blocks", "value: 0"]),
        ({"workload": {"requests": {"per_level": 1}}}, ["workload.requests.per_level", "value: 1"]),
        ({"models": {}}, ["models"]),
        ({"models": {"m": {"path": "x", "arms": ["fats"]}}}, ["models.m.arms", "'fats'"]),
        ({"study": "a/b"}, ["study", "'a/b'"]),
        ({"server": {}}, ["server.vllm", "required"]),
    ],
)
def test_a_fault_names_file_field_value_and_remedy(change, words):
    with pytest.raises(StudyError) as error:
        load_study(minimal(**change), "study.yaml")
    for word in words:
        assert word in str(error.value)


def test_all_faults_are_told_at_once():
    with pytest.raises(StudyError) as error:
        load_study(minimal(titel="x", design={"blocks": 0}), "study.yaml")
    assert len(str(error.value).splitlines()) == 2


def arm(**settings: object) -> dict:
    return {"name": "f", "title": "F", "baseline": "a", "arms": {"a": settings}}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"env": {"HF_TOKEN": "hf_123"}}, ["HF_TOKEN", "server.pass_env"]),
        ({"env": {"USE_IT": True}}, ["USE_IT", "boolean", "quotes"]),
        ({"args": {"--port": 1}}, ["--port", "without the dashes"]),
        ({"args": {"port": 1}}, ["port", "set by the workflow"]),
        ({"evidence": "("}, ["evidence", "not a regular expression"]),
    ],
)
def test_arm_settings_that_cannot_be(settings, words):
    with pytest.raises(StudyError) as error:
        load_study(minimal(factor=arm(**settings)), "study.yaml")
    for word in words:
        assert word in str(error.value)
    assert "hf_123" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"design": {"blocks": True}}, "design.blocks: true and false are no numbers"),
        ({"design": {"levels": [True, 4]}}, "design.levels[0]: true and false are no numbers"),
        ({"design": {"blocks": None}}, "design.blocks: must be an integer, ≥ 1, ≤ 1,000, and nothing stands there"),
        ({"design": {"blocks": 100000}}, "design.blocks: must be an integer, ≥ 1, ≤ 1,000 (value: 100000)"),
        ({"design": {"blocks": 1000, "levels": list(range(1, 100))}}, "198,000 runs"),
        ({"design": {"confidence": math.nan}}, "design.confidence: must be finite"),
        ({"design": {"levels": 4}}, "in brackets: [4]"),
        ({"expect": {"output_tok_s": {1: 0}}}, "expect.output_tok_s.1: must be a number, ≥ 0.001"),
        ({"expect": {"output_tok_s": {0: 5}}}, "expect.output_tok_s: the key 0 must be an integer, ≥ 1"),
        ({"expect": {"output_tok_s": {1: math.inf}}}, "expect.output_tok_s.1: must be finite"),
        ({"server": {"vllm": "0.1", "host": ""}}, "server.host: must be the name or the IPv4 address"),
        ({"server": {"vllm": "0.1", "host": "http://a"}}, "server.host: must be the name or the IPv4 address"),
        ({"server": {"vllm": "0.1", "port": "x"}}, "port: must be an integer, ≥ 1, ≤ 65,535, or `auto` (value: 'x')"),
        ({"server": {"vllm": "0.1", "port": 0}}, "server.port: must be an integer"),
        ({"server": {"vllm": "latest"}}, "server.vllm: must be a version such as"),
        ({"server": {"vllm": 0.1}}, "server.vllm: must be text, and YAML reads a number; write it in quotes"),
        ({"server": {"vllm": "0.1", "launch": {"kind": "dokcer"}}},
         "server.launch.kind: must be one of process, docker, podman, endpoint; did you mean 'docker'? "
         "(value: 'dokcer')"),
        ({"server": {"vllm": "0.1", "launch": "docker"}}, "server.launch: must be a mapping such as {kind: process}"),
        ({"server": {"vllm": "0.1", "kind": "vlm"}}, "must be `vllm` or `reference`; did you mean 'vllm'?"),
        ({"server": {"vllm": "0.1", "pass_env": ["A=B"]}}, "server.pass_env[0]: must be the name of an environment"),
        ({"server": {"vllm": "0.1", "env": {"X": 1}, "pass_env": ["X"]}}, "server.env.X: stands under server.pass_env"),
        ({"server": {"vllm": "0.1", "pass_env": ["FAST"]}}, "arms.fast.env.FAST: stands under server.pass_env"),
        ({"study": "My Study"},
         "study: must be a name of lower-case letters, digits, dots, dashes and underscores that starts with a letter "
         "or a digit; 'my-study' would do (value: 'My Study')"),
        ({"study": "x" * 300}, "study: must be at most 80 characters long, and has 300"),
        ({"models": {"m" * 300: {"path": "x"}}}, "must be at most 80 characters long"),
        ({"models": {"M 1": {"path": "x"}}}, "models: the key 'M 1': must be a name of"),
        ({"models": {1: {"path": "x"}}}, "models: 1 is no text to YAML; write the name in quotes"),
        ({"models": {"m": {"path": ""}}}, "models.m.path: must not be empty"),
        ({"title": "a\nb"}, "title: a text of several lines"),
        ({"title": "a\0b"}, "title: holds the control character"),
        ({"title": "\ud800"}, "title: half of a surrogate pair"),
        ({"title": 7}, "title: must be text, and YAML reads a number"),
        ({"workload": {"output_tokens": "x"}},
         "must be an integer, ≥ 2, ≤ 10,000,000, or a mapping with fields of its own (kind, low"),
        ({"workload": {"output_tokens": {"kind": "uniform"}}}, "workload.output_tokens.high: this field is required"),
        ({"workload": {"output_tokens": {"kind": "uniform", "high": 9, "median": 3}}},
         "workload.output_tokens.median: has a meaning only with kind: lognormal"),
        ({"hardware": {"platform": "rocm", "architecture": "gfx9422"}}, "did you mean 'gfx942'?"),
        ({"hardware": {"platform": "rocm", "architecture": "gfx942:sramecc+:xnack-"}}, "did you mean 'gfx942'?"),
        ({"hardware": {"platform": "cuda", "architecture": "9.0"}}, "did you mean 'sm_90'?"),
        ({"hardware": {"architecture": "gfx942"}}, "'gfx942' is an architecture of platform rocm, and platform is cpu"),
        ({"probe": [{"model": "m", "arm": "none"}]}, "study.yaml: probe[0].arm: 'none' is not one of"),
    ],
)  # fmt: skip
def test_what_was_wrongly_accepted_or_badly_said(change, words):
    with pytest.raises(StudyError) as error:
        load_study(minimal(**change), "study.yaml")
    assert words in str(error.value)


@pytest.mark.parametrize("architecture", ["gfx942", "gfx90a", "gfx1100", "gfx1201"])
def test_architectures_of_amd(architecture):
    load_study(minimal(hardware={"platform": "rocm", "architecture": architecture}), "study.yaml")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"env": {"X": None}}, "factor.arms.a.env.X: nothing stands here"),
        ({"env": {"X": [1]}}, "factor.arms.a.env.X: must be text or a number, not a list"),
        ({"env": {"X": {"a": 1}}}, "factor.arms.a.env.X: must be text or a number, not a dict"),
        ({"env": {"X": math.inf}}, "factor.arms.a.env.X: must be finite"),
        ({"env": {"A=B": 1}}, "factor.arms.a.env: the key 'A': must be the name of an environment variable"),
        ({"env": {"": 1}}, "must be the name of an environment variable"),
        ({"env": {"X": "a\nb"}}, "factor.arms.a.env.X: a text of several lines"),
        ({"args": {"x": "a\0b"}}, "factor.arms.a.args.x: holds the control character"),
        ({"args": {"x": {"y": [math.nan]}}}, "factor.arms.a.args.x.y[0]: must be finite"),
        ({"args": {"x": [[1]]}}, "factor.arms.a.args.x[0]: must be text"),
        ({"evidence": "x" * 1_000_000}, "a text of 1,000,000 characters"),
        ({"evidence": "x" * 1001}, "a regular expression of 1,001 characters; 1,000 are the most"),
        ({"evidence": "(a+)+$"}, "factor.arms.a.evidence: repeats a repeat"),
    ],
)  # fmt: skip
def test_settings_that_no_server_can_have(settings, words):
    with pytest.raises(StudyError) as error:
        load_study(minimal(factor=arm(**settings)), "study.yaml")
    assert words in str(error.value)


@pytest.mark.parametrize(
    "pattern", [r"(a*)*b", r"(?:\w+\s?)+$", r"((a+))+", r"(.*)*", r"([a-z]+|x)+", r"((a+)b?)+"]
)
def test_expressions_that_never_end(pattern):
    with pytest.raises(ValueError, match="repeats a repeat"):
        check_expression(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"(\w+,)+", r"(foo|bar)+", r"(\d+\.)*\d+", r".*a.*", r"a+b+", r"isa:(?!Intel (SSE|AVX)$)"],
)
def test_expressions_that_do(pattern):
    check_expression(pattern)


def test_an_arm_or_a_section_with_nothing_under_it():
    """`"off":` with the rest of the line empty is the natural baseline."""
    factor = {
        "name": "f",
        "title": "F",
        "baseline": "off",
        "arms": {"off": None, "on": {"env": {"X": 1}, "args": None}},
    }
    study = load_study(
        minimal(factor=factor, models={"llama-mini": None}, design=None), "study.yaml"
    )
    assert study.factor.arms["off"] == Arm()
    assert study.factor.arms["on"].args == {}
    assert study.design.blocks == 6


@pytest.mark.parametrize("value", [[], ["x"], "x", 3])
def test_an_arm_that_is_no_mapping(value):
    for more in ({}, {"noise_floor": True}, {"leave_one_out": {"arm": "a", "variables": ["X"]}}):
        factor = {"name": "f", "title": "F", "baseline": "a", "arms": {"a": value}, **more}
        with pytest.raises(
            StudyError, match=r"^study\.yaml: factor\.arms\.a: must be a mapping with fields"
        ):
            load_study(minimal(factor=factor), "study.yaml")


@pytest.mark.parametrize("value", [1, "yes", "1", 0.0, []])
def test_truth_is_true_or_false(value):
    """`noise_floor: 1` was true to the schema, and added no arm."""
    with pytest.raises(StudyError, match=r"factor\.noise_floor: must be true or false"):
        load_study(minimal(factor=arm() | {"noise_floor": value}), "study.yaml")


@pytest.mark.parametrize("value", [True, "true", "True"])
def test_truth_as_text_is_what_snakemakes_config_option_gives(value):
    study = load_study(minimal(factor=arm() | {"noise_floor": value}), "study.yaml")
    assert list(study.factor.arms) == ["a", "a-again"]


def test_an_arm_of_the_users_own_is_not_overwritten_by_the_noise_floor():
    arms = {"a": {"env": {"X": 0}}, "a-again": {"env": {"X": 1}}}
    with pytest.raises(
        StudyError,
        match=r"factor\.arms\.a-again: noise_floor makes an arm of this name.*another env",
    ):
        load_study(minimal(factor=arm() | {"arms": arms, "noise_floor": True}), "study.yaml")
    same = {"a": {"env": {"X": 0}}, "a-again": {"env": {"X": "0"}, "label": "once more"}}
    study = load_study(minimal(factor=arm() | {"arms": same, "noise_floor": True}), "study.yaml")
    assert study.factor.arms["a-again"].label == "once more"
    assert Study.model_validate(study.model_dump()) == study


def test_a_fault_of_an_arm_is_not_told_of_the_arms_made_from_it():
    factor = arm(env={"X": None}) | {"noise_floor": True}
    with pytest.raises(StudyError) as error:
        load_study(minimal(factor=factor), "study.yaml")
    assert len(str(error.value).splitlines()) == 1


def test_very_many_faults():
    with pytest.raises(StudyError) as error:
        load_study(minimal(**{f"x{number}": 1 for number in range(300)}), "study.yaml")
    assert str(error.value).endswith("study.yaml: and 280 more faults")


def test_baseline_must_be_an_arm():
    factor = arm() | {"baseline": "b"}
    with pytest.raises(StudyError, match="'b' is not one of the arms"):
        load_study(minimal(factor=factor), "study.yaml")


def test_bare_on_and_off_are_explained():
    factor = {"name": "f", "title": "F", "baseline": "off", "arms": {False: {}, True: {}}}
    with pytest.raises(StudyError, match="in quotes"):
        load_study(minimal(factor=factor), "study.yaml")


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "\xff"])
def test_a_file_that_is_no_mapping(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(StudyError, match=r"study\.yaml"):
        read_study(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(StudyError, match="no such file"):
        read_study(tmp_path / "none.yaml")
