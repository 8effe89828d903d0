"""The answers of a launch: what is asked, what is kept, and what a server's misbehaviour leaves."""

import json
import math
import re
from dataclasses import replace

import pytest

from ablation.accuracy.collect import observe, parse
from ablation.accuracy.settings import draw_prompts, prompt_set
from ablation.accuracy.store import FILE, AccuracyError, read_answers
from ablation.plan.plan import Session
from ablation.study.catalogue import Catalogue
from ablation.study.load import load_study
from tests.reference_server import serving
from tests.workflow.conftest import CATALOGUE, STUDY


def session(**accuracy: object) -> Session:
    """The first session of a small study with this accuracy section."""
    from ablation.plan.build import build_plan

    study = json.loads(json.dumps(STUDY)) | {"accuracy": accuracy}
    plan = build_plan(load_study(study, "test"), Catalogue.model_validate(CATALOGUE))
    return next(s for s in plan.sessions if s.model == "toy")


def test_the_answers_are_stored_whole_with_their_provenance(tmp_path):
    asked = session(prompts=5, output_tokens=3, top_logprobs=4)
    with serving("--model", "toy") as server:
        said = observe(server.url, asked, tmp_path)
    assert said["observed"] is True
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    table, metadata = read_answers(tmp_path / FILE)
    rows = table.to_pylist()
    assert len(rows) == 2 * 5 * 3
    assert {row["repeat"] for row in rows} == {1, 2}
    assert {len(row["top_tokens"]) for row in rows} == {4}
    for row in rows:
        assert row["token"].startswith("token_id:")
        assert row["token"] == row["top_tokens"][0]
        assert row["logprob"] == row["top_logprobs"][0] < 0
        assert row["top_logprobs"] == sorted(row["top_logprobs"], reverse=True)
    assert metadata["schema"] == "ablation.accuracy/1"
    assert metadata["prompt_set"] == said["prompt_set"] == prompt_set(asked.questions)
    assert metadata["settings"]["concurrency"] == 5


def test_the_simulated_server_repeats_itself_unless_told_otherwise(tmp_path):
    asked = session(prompts=4)
    logprobs = {}
    for arguments in ((), ("--logprob-noise", "0.1"), ("--logprob-error", "0.5")):
        with serving("--model", "toy", *arguments) as server:
            observe(server.url, asked, tmp_path)
        rows = read_answers(tmp_path / FILE)[0].to_pylist()
        logprobs[arguments] = [
            [row["logprob"] for row in rows if row["repeat"] == repeat] for repeat in (1, 2)
        ]
    exact, noisy, wrong = logprobs.values()
    assert exact[0] == exact[1]
    assert noisy[0] != noisy[1]
    assert wrong[0] == wrong[1] != exact[0]


def test_every_session_of_a_model_is_asked_the_same():
    from ablation.plan.build import build_plan

    plan = build_plan(load_study(STUDY, "test"), Catalogue.model_validate(CATALOGUE))
    sets = {(s.model, prompt_set(s.questions)) for s in plan.sessions}
    assert len(sets) == 2
    prompts = draw_prompts(plan.sessions[0].questions)
    assert len(prompts) == 16
    assert {len(prompt) for prompt in prompts} == {64}


def test_changing_the_step_measures_nothing_anew():
    one, other = session(), session(prompts=40, output_tokens=16, noise_ratio=3)
    assert one.session_hash == other.session_hash
    assert [level.run_hash for level in one.levels] == [level.run_hash for level in other.levels]
    assert session(enabled=False).questions is None
    assert other.expected_s > one.expected_s > session(enabled=False).expected_s
    assert prompt_set(one.questions) != prompt_set(other.questions)


def test_a_prompt_file(tmp_path):
    path = tmp_path / "prompts.jsonl"
    lines = [{"prompt": f"the number {n} is", "output_tokens": 1} for n in range(6)]
    path.write_text("\n".join(map(json.dumps, lines)))
    asked = session(file=str(path))
    assert draw_prompts(asked.questions) == [line["prompt"] for line in lines]
    with serving("--model", "toy") as server:
        assert observe(server.url, asked, tmp_path)["observed"]
    assert len(read_answers(tmp_path / FILE)[0]) == 2 * 6 * 4


@pytest.mark.parametrize(
    ("model", "why"), [("toy", "ConnectError"), ("other", "HTTP 404: .*does not exist")]
)
def test_what_goes_wrong_is_recorded_and_nothing_is_kept(tmp_path, model, why):
    with serving("--model", model) as server:
        url = "http://127.0.0.1:9" if model == "toy" else server.url
        said = observe(url, session(), tmp_path)
    assert said["observed"] is False
    assert re.search(f"accuracy: not observed: .*{why}", said["text"])
    assert list(tmp_path.iterdir()) == []


def test_secrets_stand_in_no_message(tmp_path):
    with serving("--model", "s3cret") as server:
        said = observe(server.url, replace(session(), model="s3cret2"), tmp_path, ["s3cret2"])
    assert "s3cret" not in said["text"]


def test_an_answer_without_numbers_is_kept_as_one():
    found = {"tokens": ["a"], "token_logprobs": [None], "top_logprobs": [{"a": None, "b": -1.0}]}
    (row,) = parse({"logprobs": found}, 1)
    assert math.isnan(row["logprob"])
    assert row["top_tokens"] == ["b", "a"]


@pytest.mark.parametrize(
    "choice",
    [
        {"logprobs": None},
        {},
        None,
        {"logprobs": {"tokens": ["a"], "token_logprobs": [-1.0, -2.0], "top_logprobs": None}},
        {"logprobs": {"tokens": ["a", "b"], "token_logprobs": [-1.0, -2.0]}},
        {"logprobs": {"tokens": ["a"], "token_logprobs": ["x"]}},
        {"logprobs": {"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": [["b"]]}},
    ],
)
def test_a_strange_answer_is_refused(choice):
    with pytest.raises(AccuracyError):
        parse(choice, 1)
