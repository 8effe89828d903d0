"""What is legal in a study and hardly meant: one sentence each, and none for the studies that are shipped."""

from pathlib import Path

import pytest

from ablation.study.catalogue import Entry, When, entry_of, read_catalogue
from ablation.study.config import Study
from ablation.study.gpus import read_gpus
from ablation.study.load import load_study, read_study
from ablation.study.oversights import count_of, oversights, shell_oversights
from tests.study.test_config import STUDIES, minimal

ROOT = Path(__file__).resolve().parents[2]


def said(study: Study, *conditions: When) -> list[str]:
    entries = {name: Entry(title=name, architecture="any") for name in study.models}
    return oversights(study, entries, read_gpus(), conditions)


def study(**changes: object) -> Study:
    return load_study(minimal(**changes), "study.yaml")


def arms(**arms: dict) -> dict:
    return {"name": "f", "title": "F", "baseline": "a", "arms": arms}


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_shipped_studies_have_none(path):
    catalogue, shipped = read_catalogue(ROOT / "config" / "models.yaml"), read_study(path)
    entries = {model: entry_of(catalogue, shipped, model) for model in shipped.models}
    conditions = [rule.when for rule in catalogue.rules]
    assert oversights(shipped, entries, read_gpus(), conditions) == []


def test_one_arm():
    (text,) = said(study(factor=arms(a={})))
    assert text.startswith("factor.arms: there is only 'a', and nothing to compare it with")
    assert said(study(factor=arms(a={}) | {"noise_floor": True})) == []


def test_arms_with_the_same_settings():
    (text,) = said(study(factor=arms(a={"env": {"X": 1}}, b={"env": {"X": "1"}})))
    assert text.startswith("factor.arms: 'a' and 'b' come to the same settings")
    named = arms(a={"env": {"X": 1}}, b={"env": {"X": 1}, "label": "a once more (A/A)"})
    assert said(study(factor=named)) == []


def test_arms_that_differ_on_paper_only():
    """The server's own settings make up for what the baseline lacks."""
    server = {"vllm": "0.1", "env": {"X": 1}}
    (text,) = said(study(factor=arms(a={}, b={"env": {"X": 1}}), server=server))
    assert "stands under the server too" in text
    assert said(study(factor=arms(a={"env": {"X": 0}}, b={}), server=server)) == []


def test_arms_that_differ_in_their_weights_are_two():
    factor = arms(a={}, b={"paths": {"m": "/models/m-fp8"}})
    assert said(study(factor=factor)) == []
    two = {"m": {"path": "/m"}, "n": {"path": "/n"}}
    assert said(study(factor=factor, models=two)) == []
    (text,) = said(study(factor=factor | {"arms": {**factor["arms"], "c": {}}}, models=two))
    assert "'a' and 'c' come to the same" in text


def test_two_endpoints_with_one_url():
    factor = arms(a={"url": "http://host:80"}, b={"url": "http://HOST/"})
    server = {"vllm": "0.1", "launch": {"kind": "endpoint"}}
    texts = said(study(factor=factor, server=server))
    assert "'a', 'b' have one URL (http://host:80) and are one server" in texts[-1]
    other = arms(a={"url": "http://host:80"}, b={"url": "http://host:81"})
    assert said(study(factor=other, server=server)) == []
    alone = arms(a={"url": "http://host:80"}) | {"noise_floor": True}
    assert said(study(factor=alone, server=server)) == []


def test_an_architecture_of_which_nothing_is_known():
    hardware = {"platform": "rocm", "architecture": "gfx1201"}
    (text,) = said(study(hardware=hardware))
    assert "nothing is known here of gfx1201" in text
    assert "gfx942" in text
    assert said(study(hardware=hardware), When(architecture=["gfx1201"])) == []
    (text,) = said(study(hardware={"platform": "cuda"}))
    assert text.startswith("hardware.architecture: not stated")


def test_a_gpu_of_another_architecture():
    hardware = {"platform": "rocm", "gpu": "AMD Instinct MI325X", "architecture": "gfx950"}
    (text,) = said(study(hardware=hardware))
    assert "AMD Instinct MI325X is gfx942 (config/gpus.yaml), and architecture says gfx950" in text


@pytest.mark.parametrize("longest", [512, "512", "0.5k"])
def test_requests_that_the_server_will_refuse(longest):
    work = {"input_tokens": 500, "output_tokens": {"kind": "uniform", "high": 20}}
    server = {"vllm": "0.1", "args": {"max_model_len": longest}}
    (text,) = said(study(workload=work, server=server))
    limit = count_of(longest)
    assert (
        f"520 tokens (input and output at their longest) are more than max-model-len {limit} of m/slow, m/fast"
        in text
    )
    assert said(study(workload=work | {"input_tokens": 480}, server=server)) == []


@pytest.mark.parametrize(
    ("value", "count"),
    # human_readable_int_or_auto in vllm/utils/argparse_utils.py
    [(8192, 8192), ("8k", 8000), ("8K", 8192), ("25.6k", 25600), ("auto", None), (-1, None), (None, None),
     (True, None)],
)  # fmt: skip
def test_counts_as_vllm_reads_them(value, count):
    assert count_of(value) == count


def test_variables_of_the_shell():
    asked = study(server={"vllm": "0.1", "pass_env": ["HF_TOKEN", "NCCL_DEBUG", "HF_TOKN"]})
    texts = shell_oversights(asked, {"HF_TOKEN": "x", "NCCL_DEBUG": "INFO"})
    assert len(texts) == 2
    assert texts[0].startswith(
        "server.pass_env: the value of NCCL_DEBUG comes from the shell and is recorded nowhere"
    )
    assert texts[1].startswith(
        "server.pass_env: HF_TOKN is not set in this shell (HF_TOKEN is; did you mean that?)"
    )
