"""The calibration in small: the generator plants what it says, and the statistics keep their word."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from ablation.statistics.simulate import (
    CELLS,
    LEVELS,
    Cell,
    calibrate,
    calibrate_sequential,
    log_ratios,
)

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "calibration.py"


def test_the_generator_plants_what_it_says():
    rng = np.random.default_rng(0)
    x = log_ratios(Cell("x", launch=(1.0, 2.0), run=0.5), 20_000, 4, 5.0, rng)
    assert x.shape == (20_000, LEVELS, 4)
    assert x.mean() == pytest.approx(np.log(1.05), abs=2e-4)
    assert x.std() == pytest.approx(np.sqrt(1 + 4 + 2 * 0.25) / 100, rel=0.01)


@pytest.mark.parametrize("tails", [None, 3.0])
def test_tails_do_not_change_the_spread(tails):
    rng = np.random.default_rng(1)
    x = log_ratios(Cell("x", run=0.0, tails=tails), 50_000, 3, 0.0, rng)[:, 0]
    assert x.std() == pytest.approx(np.sqrt(2) / 100, rel=0.05)


def test_drift_biases_only_the_order_that_ignores_it():
    rng = np.random.default_rng(2)
    blocked, first = (
        log_ratios(Cell("x", drift=5.0, blocked=blocked), 5000, 6, 0.0, rng).mean()
        for blocked in (True, False)
    )
    assert blocked == pytest.approx(0.0, abs=5e-4)
    assert first == pytest.approx(0.05 * 6 / 11, rel=0.05)


@pytest.fixture(scope="module")
def calibrated():
    return {cell.name: calibrate(cell, 6, 2000, 7) for cell in CELLS}


def test_where_the_assumptions_hold_the_statistics_keep_their_word(calibrated):
    for name in ("launches vary by 1 %", "levels vary by 1 % each on its own"):
        got = calibrated[name]
        assert got["coverage"] == pytest.approx(0.95, abs=0.01)
        assert got["family_false_positive_rate"] <= 0.06
        assert got["false_equivalent_rate"] <= 0.05
        assert got["family_false_equivalent_rate"] <= 0.06


def test_one_arm_first_is_fooled_by_drift_and_blocks_are_not(calibrated):
    assert calibrated["drift of 5 %, blocked order"]["family_false_positive_rate"] <= 0.05
    assert calibrated["drift of 5 %, one arm first"]["family_false_positive_rate"] >= 0.5


def test_stopping_early_holds_its_error_rate_and_saves_launches():
    got = calibrate_sequential(CELLS[0], 10, 400, 7)
    assert got["family_false_positive_rate"] <= 0.05
    assert got["family_false_equivalent_rate"] <= 0.05
    assert got["launches_saved"] >= 0.3
    assert got["power"] >= 0.9


def test_the_calibration_writes_the_same_files(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("calibration", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for copy in ("a", "b"):
        arguments = ["calibration", "--studies", "20", "--results", str(tmp_path / copy)]
        monkeypatch.setattr("sys.argv", arguments)
        module.main()
    for name in ("calibration.json", "calibration.md", "calibration.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    rows = json.loads((tmp_path / "a" / "calibration.json").read_text())
    wanted = {
        "cell", "n_blocks", "studies", "coverage", "false_positive_rate", "family_false_positive_rate",
        "false_equivalent_rate", "power", "launches_saved",
    }  # fmt: skip
    assert all(wanted <= set(row) for row in rows)
    assert all(not isinstance(v, dict | list) for row in rows for v in row.values())
