"""From the launches' files to the verdicts' table, on the simulated server."""

import itertools
import json
from dataclasses import replace

import pandas as pd
import pyarrow.parquet as pq
import pytest

from ablation.accuracy.collect import observe
from ablation.accuracy.compare import Rule, compare_launches
from ablation.accuracy.limits import coarsest, dtype_of, floors
from ablation.accuracy.store import FILE
from ablation.accuracy.verdicts import VERDICTS, carry, gather, judge, write_verdicts
from ablation.plan.build import build_plan
from ablation.plan.plan import Plan
from ablation.statistics import tables
from ablation.study.catalogue import Catalogue
from ablation.study.load import load_study
from tests.reference_server import serving
from tests.workflow.conftest import CATALOGUE, STUDY

NOISE = ("--logprob-noise", "0.02", "--logprob-launch", "0.01")
ERROR = ("--logprob-error", "0.5")


@pytest.fixture(scope="module")
def plan() -> Plan:
    study = json.loads(json.dumps(STUDY)) | {"accuracy": {"prompts": 12}}
    return build_plan(load_study(study, "test"), Catalogue.model_validate(CATALOGUE))


def evidence(plan: Plan, store, arm: str, block: int, *arguments: str, **more: object) -> dict:
    """A session's evidence with one launch of the reference server."""
    session = next(
        s for s in plan.sessions if (s.model, s.arm, s.block) == ("toy", arm, min(block, 3))
    )
    launch_id = f"launch-{arm}-{block}"
    (store / launch_id).mkdir(parents=True)
    with serving("--model", "toy", *arguments) as server:
        said = observe(server.url, session, store / launch_id)
    launch = {"launch_id": launch_id, "accuracy": said, "treatment": {"passed": True}} | more
    return {"model": "toy", "arm": arm, "block": block, "launches": [launch]}


@pytest.fixture(scope="module")
def measured(plan, tmp_path_factory):
    """Six identical launches with noise, and three with a planted error; and the store."""
    store = tmp_path_factory.mktemp("store")
    same = [evidence(plan, store, "slow", n, *NOISE) for n in range(1, 7)]
    wrong = [evidence(plan, store, "fast", n, *NOISE, *ERROR) for n in range(1, 4)]
    return store, same, wrong


def test_identical_arms_pass_20_of_20(measured):
    store, same, _ = measured
    launches, without = gather(same, store)
    assert without == []
    splits = list(itertools.combinations(range(6), 3))
    assert len(splits) == 20
    verdicts = [
        compare_launches(
            [launches[i] for i in split],
            [launches[i] for i in range(6) if i not in split],
            Rule(1e-6, 1e-6),
        ).verdict
        for split in splits
    ]
    assert verdicts == ["same"] * 20


def test_the_planted_error_is_caught_and_said(plan, measured, tmp_path):
    store, same, wrong = measured
    table = judge(plan, *gather([*same[:3], *wrong], store))
    assert set(table["model"]) == {"toy"}
    assert list(table["phase"]) == ["prefill", "decode"]
    assert set(table["verdict"]) == {"different"}
    prefill = table.iloc[0]
    assert prefill["median"] > prefill["limit_median"] > prefill["noise_median"] > 0
    assert (prefill["n_arm"], prefill["n_baseline"], prefill["missing"]) == (3, 3, 0)
    assert "toy: answers of fast against slow: different (3 and 3 launches)" in prefill["text"]
    path = tmp_path / "accuracy.parquet"
    write_verdicts(table, path, study="small")
    back = tables.read(path)
    assert back.attrs["ablation"]["schema"] == "ablation.accuracy-verdict/1"
    assert list(back.columns) == VERDICTS.names
    assert list(back["median"]) == list(table["median"])
    assert pq.read_schema(path).field("median").metadata[b"unit"] == b"nat"


def test_the_same_answers_are_the_same(plan, measured):
    store, same, _ = measured
    renamed = [session | {"arm": "fast"} for session in same[3:]]
    table = judge(plan, *gather([*same[:3], *renamed], store))
    assert set(table["verdict"]) == {"same"}


def test_launches_without_answers_are_counted_with_their_reason(plan, measured):
    store, same, wrong = measured
    launch = wrong[0]["launches"][0]
    off = {"observed": False, "text": "accuracy: not observed: HTTP 500: no"}
    lost = [
        {**launch, "accuracy": None},
        {**launch, "accuracy": off},
        {**launch, "treatment": {"passed": False}},
        {**launch, "launch_id": "launch-gone"},
    ]
    sessions = [{**wrong[0], "launches": [one]} for one in lost]
    table = judge(plan, *gather([*same[:2], *sessions], store))
    assert set(table["verdict"]) == {"not observed"}
    assert list(table["missing"]) == [4, 4]
    text = table["text"].iloc[0]
    assert "no launch of both arms has answers to compare" in text
    assert "1 of fast: HTTP 500: no" in text
    assert "1 other reasons" in text


def test_only_launches_that_answered_the_same_are_compared(plan, measured, tmp_path):
    store, same, wrong = measured
    study = json.loads(json.dumps(STUDY)) | {"accuracy": {"prompts": 8}}
    other = build_plan(load_study(study, "test"), Catalogue.model_validate(CATALOGUE))
    stranger = evidence(other, store, "fast", 9)
    table = judge(plan, *gather([*same[:2], *wrong[:2], stranger], store))
    assert (table["n_arm"].iloc[0], table["missing"].iloc[0]) == (2, 1)
    assert "1 that answered another prompt set" in table["text"].iloc[0]
    assert (store / "launch-fast-9" / FILE).is_file()


def test_a_study_without_any_comparison_gives_an_empty_table(plan, tmp_path):
    alone = replace(plan, models={"fixed": plan.models["fixed"]})
    table = judge(alone, [], [])
    write_verdicts(table, tmp_path / "a.parquet")
    assert tables.read(tmp_path / "a.parquet").empty


def test_a_comparison_carries_the_verdict():
    rows = pd.DataFrame(
        {"model": ["a", "b"], "arm": ["x", "x"], "text": ["a: faster.", "b: faster."]}
    )
    verdicts = pd.DataFrame({"model": ["a"], "arm": ["x"], "verdict": ["different"]})
    carried = carry(rows, verdicts)
    assert list(carried["accuracy"]) == ["different", ""]
    assert list(carried["text"]) == [
        "a: faster. Its answers differ from the baseline's.",
        "b: faster.",
    ]
    assert list(carry(rows, None)["text"]) == list(rows["text"])


@pytest.mark.parametrize(
    ("words", "dtype"),
    [
        (["--dtype", "float32"], "float32"),
        (["--dtype", "half"], "float16"),
        (["--dtype", "auto"], "bfloat16"),
        (["--dtype"], "bfloat16"),
        ([], "bfloat16"),
    ],
)
def test_the_floor_follows_the_data_type(words, dtype):
    assert dtype_of(["python", *words]) == dtype
    assert coarsest([dtype, "float32"]) == dtype
    assert floors(dtype, None, None)[1] == 3 * floors(dtype, None, None)[0]
    assert floors(dtype, 0.5, None) == (0.5, 1.5)
    assert floors(dtype, 0.5, 0.7) == (0.5, 0.7)
