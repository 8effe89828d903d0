"""What is probed: the arms that the catalogue calls impossible, and what the study names."""

import json
from types import SimpleNamespace

import pytest

from ablation.plan.build import build_plan
from ablation.plan.schedule import Schedule
from ablation.probe.found import probes_found
from ablation.probe.plan import claims, plan_probe, probes_of
from ablation.study.catalogue import Catalogue
from ablation.study.load import StudyError, load_study
from tests.workflow.conftest import CATALOGUE, STUDY

SPARSE = {
    "title": "A miniature without weights",
    "architecture": "sparse",
    "generate": {"config": {"model_type": "llama"}, "weights": False},
    "support": [
        {
            "factor": "any",
            "status": "unsupported",
            "reason": "It has no kernel on this platform.",
            "source": "tests/probe/test_plan.py",
        }
    ],
}


def study(**more):
    return load_study(json.loads(json.dumps(STUDY)) | more, "test")


def catalogue():
    return Catalogue.model_validate({"models": CATALOGUE["models"] | {"sparse": SPARSE}})


def test_what_the_catalogue_calls_impossible_and_what_the_study_names():
    assert probes_of(study(), catalogue()) == [("fixed", "slow")]
    named = study(probe=[{"model": "toy", "arm": "fast"}, {"model": "fixed", "arm": "slow"}])
    assert probes_of(named, catalogue()) == [("fixed", "slow"), ("toy", "fast")]
    # An arm that the study does not ask of a model is not probed of it.
    asked = study(models={"toy": STUDY["models"]["toy"], "fixed": {"arms": ["fast"]}})
    assert probes_of(asked, catalogue()) == []


def test_a_claim_has_its_source():
    claim = claims(study(), catalogue(), "fixed")["slow"]
    assert claim["status"] == "required"
    assert claim["source"] == "tests/workflow/conftest.py"
    assert claims(study(), catalogue(), "toy") == {}


def test_a_probe_is_a_small_session():
    probe = plan_probe(study(), catalogue(), "fixed", "slow")
    assert probe.session.launch.command[-2:] == ["--slowdown", "3.0"]
    assert probe.load.requests == 6
    assert probe.load.output_tokens == 8
    assert probe.claim["status"] == "required"
    assert plan_probe(study(), catalogue(), "toy", "fast").claim is None


def test_it_is_in_no_plan_and_changes_none():
    plain, probed = study(), study(probe=[{"model": "toy", "arm": "fast"}])
    plans = [build_plan(one, catalogue()) for one in (plain, probed)]
    assert [s.session_hash for s in plans[0].sessions] == [
        s.session_hash for s in plans[1].sessions
    ]
    probe = plan_probe(probed, catalogue(), "toy", "fast")
    assert probe.probe_hash not in {s.session_hash for s in plans[1].sessions}


def test_a_miniature_without_weights_gets_dummy_ones():
    models = {"toy": STUDY["models"]["toy"], "sparse": {}}
    server = STUDY["server"] | {"kind": "vllm", "vllm": "0.32.0", "args": {}}
    probe = plan_probe(study(models=models, server=server), catalogue(), "sparse", "slow")
    assert probe.session.launch.command[-2:] == ["--load-format", "dummy"]


@pytest.mark.parametrize(
    ("model", "arm", "words"),
    [("nobody", "slow", "no such model in study small"), ("toy", "slowest", "no such arm")],
)
def test_what_the_study_lacks_is_refused(model, arm, words):
    with pytest.raises(StudyError, match=words):
        plan_probe(study(), catalogue(), model, arm)


def test_a_named_probe_must_exist():
    with pytest.raises(StudyError, match=r"probe\[0\].arm: 'slowest' is not one of"):
        study(probe=[{"model": "toy", "arm": "slowest"}])


def test_only_probes_of_the_study_as_it_stands_are_found(tmp_path):
    for name, text in {"a": '{"probe_hash": "1"}', "b": '{"probe_hash": "2"}', "c": "{"}.items():
        (tmp_path / "m").mkdir(exist_ok=True)
        (tmp_path / "m" / f"{name}.json").write_text(text)
    found = probes_found(tmp_path, lambda model, arm: "1" if model == "m" else None)
    assert [path.rsplit("/", 1)[1] for path in found] == ["a.json"]
    assert probes_found(tmp_path / "nowhere", lambda *_: "1") == {}


def test_the_schedule_names_its_files():
    schedule = Schedule(study(), catalogue())
    assert schedule.probe_texts() == ["results/small/probes/fixed/slow.txt"]
    wildcards = SimpleNamespace(model="fixed", arm="slow")
    assert schedule.probe_model_files(wildcards) == []
    assert schedule.probe_head().startswith("1 probes")
    assert schedule.probes_found(wildcards) == {}
