"""A warm launch fills caches once, and is no data."""

import json

import pytest

from ablation.plan.schedule import Schedule
from ablation.session.server import ServerError
from ablation.session.store import Store
from ablation.study.catalogue import Catalogue
from ablation.study.load import load_study
from tests.session.sittings import measure_block
from tests.workflow.conftest import CATALOGUE, STUDY


def schedule(**args: object) -> Schedule:
    study = json.loads(json.dumps(STUDY))
    study["models"] = {"toy": study["models"]["toy"]}
    study["server"]["warm_launch"] = True
    study["server"]["args"] |= args
    return Schedule(load_study(study, "test"), Catalogue.model_validate(CATALOGUE))


def test_once_for_a_model_and_arm_before_the_first_block(tmp_path):
    plan, store = schedule(), Store(tmp_path / "store")
    for block in (1, 2):
        evidence, words = measure_block(plan, store, block=block)
        assert words.count("warm launch: done") == (2 if block == 1 else 0)
        assert [len(session["launches"]) for session in evidence.values()] == [1, 1]
    # Both before the first that counts, so that nothing lies between the launches of a pair.
    warm, other = sorted(store.folder.glob("warm-*"))
    launches = sorted(store.folder.glob("launch-*"))
    assert other.name.removeprefix("warm-") < launches[0].name.removeprefix("launch-")
    record = json.loads((warm / "launch.json").read_text())
    assert record["levels"] == [1, 4]
    assert "reference server" in (warm / "server.log").read_text()
    assert json.loads((warm / "exit.json").read_text())["how"] == "stopped by the session"
    assert len(list(store.folder.glob("*/run.json"))) == 8  # two levels of four sessions


def test_a_warm_launch_that_failed_is_told_and_tried_again(tmp_path):
    plan, store = schedule(fault="death:5"), Store(tmp_path / "store")
    for attempt in (1, 2):
        with pytest.raises(ServerError, match="warm launch: the server's process ended"):
            measure_block(plan, store)
        assert len(list(store.folder.glob("warm-*"))) == attempt
    assert not list(store.folder.glob("launch-*"))


def test_it_is_no_part_of_what_is_hashed():
    plain = json.loads(json.dumps(STUDY))
    plain["models"] = {"toy": plain["models"]["toy"]}
    without = Schedule(load_study(plain, "test"), Catalogue.model_validate(CATALOGUE))
    assert without.all_run_hashes() == schedule().all_run_hashes()
