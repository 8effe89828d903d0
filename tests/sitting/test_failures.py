"""A failed launch is a result: the others go on, it is tried again, and only it."""

import pytest

from ablation.sitting.failures import LaunchesFailed, check_outcome
from tests.sitting.simulated import DAY_S, Host, study

TWO = study({"off": {}, "on": {"env": {"X": "1"}}})


@pytest.fixture
def host(tmp_path) -> Host:
    return Host(tmp_path / "store")


def of_arm(host: Host, arm: str) -> int:
    return sum(f"/{arm}/" in launch for launch in host.launches)


def test_an_arm_that_always_dies_costs_two_launches_and_stops_nothing(host, monkeypatch, tmp_path):
    host.failing = {"on"}
    _, evidence = host.run(monkeypatch, TWO)
    assert (of_arm(host, "off"), of_arm(host, "on")) == (6, 2)
    told = [block["failures"] for block in evidence]
    assert all(len(failures) == 1 for failures in told)
    assert [failures[0]["launch_id"] is None for failures in told] == [False] * 2 + [True] * 4
    assert (
        "had failed 2 times in the same way: no such kernel: no kernel image" in told[-1][0]["text"]
    )
    assert all(list(block["levels"][0]["runs"]) == ["off"] for block in evidence)
    with pytest.raises(
        LaunchesFailed, match=r"6 launches failed; .*(?s:.*)m/on/block-1: no such kernel"
    ):
        check_outcome(evidence, tmp_path)


def test_the_same_command_tries_again_what_failed_and_only_that(host, monkeypatch):
    host.failing = {"on"}
    host.run(monkeypatch, TWO)
    host.now_s += DAY_S
    _, evidence = host.run(monkeypatch, TWO)
    assert (of_arm(host, "off"), of_arm(host, "on")) == (6, 4)
    assert all(list(block["levels"][0]["runs"]) == ["off"] for block in evidence)


def test_mended_it_is_measured_with_a_baseline_beside_it(host, monkeypatch, tmp_path):
    host.failing = {"on"}
    host.run(monkeypatch, TWO)
    host.now_s += DAY_S
    host.failing = set()
    _, evidence = host.run(monkeypatch, TWO)
    assert (of_arm(host, "off"), of_arm(host, "on")) == (12, 2 + 6)
    assert all(block["failures"] == [] for block in evidence)
    assert all(set(block["levels"][0]["runs"]) == {"off", "on"} for block in evidence)
    check_outcome(evidence, tmp_path)
    count = len(host.launches)
    host.run(monkeypatch, TWO)
    assert len(host.launches) == count


def test_failures_of_two_kinds_are_not_the_same(host, monkeypatch):
    host.failing = {"on"}
    kinds = iter("abcdef")
    launch = host.measure_launch

    def measure_launch(study, session, *args, **kwargs):
        if session.arm == "on":
            host.dies_of = next(kinds)
        launch(study, session, *args, **kwargs)

    monkeypatch.setattr(host, "measure_launch", measure_launch)
    host.run(monkeypatch, TWO)
    assert of_arm(host, "on") == 6


def test_how_often_is_the_studys(host, monkeypatch):
    host.failing = {"on"}
    host.run(monkeypatch, study({"off": {}, "on": {"env": {"X": "1"}}}, give_up_after=4))
    assert of_arm(host, "on") == 4


def test_the_baseline_that_dies_leaves_the_others_their_numbers(host, monkeypatch):
    host.failing = {"off"}
    _, evidence = host.run(monkeypatch, TWO)
    assert all(list(block["levels"][0]["runs"]) == ["on"] for block in evidence)
    assert of_arm(host, "on") == 6
