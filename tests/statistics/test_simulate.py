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
    blocks_needed,
    calibrate,
    calibrate_sequential,
    simulate,
)


def log_ratios(cell, studies, blocks, effect, rng):
    return simulate(cell, studies, blocks, effect, rng).ratios


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
        log_ratios(Cell("x", drift=5.0, order=order), 5000, 6, 0.0, rng).mean()
        for order in ("random", "apart")
    )
    assert blocked == pytest.approx(0.0, abs=5e-4)
    assert first == pytest.approx(0.05 * 6 / 11, rel=0.05)


def test_a_slower_first_launch_biases_only_the_order_that_is_always_the_same():
    rng = np.random.default_rng(3)
    made = {
        order: log_ratios(Cell("x", first_slower=1.0, order=order), 5000, 6, 0.0, rng)
        for order in ("random", "balanced", "baseline first")
    }
    assert made["random"].mean() == pytest.approx(0.0, abs=5e-4)
    assert made["balanced"].mean() == pytest.approx(0.0, abs=5e-4)
    assert made["baseline first"].mean() == pytest.approx(0.01, abs=5e-4)
    # Balance takes the places out of the mean of every study, not only of the mean over studies.
    spread = {order: x.mean(axis=(1, 2)).std() for order, x in made.items()}
    assert spread["balanced"] == pytest.approx(spread["baseline first"], rel=0.05)
    assert spread["random"] > 1.15 * spread["balanced"]


def test_a_gate_takes_out_the_slow_launches_of_the_arm_and_no_others():
    cell = Cell("x", launch=(2.0, 2.0), gate=0.25)
    made = simulate(cell, 4000, 10, 0.0, np.random.default_rng(4))
    lost = np.isnan(made.ratios)
    assert (lost == (made.tilt == 1)).all()
    assert lost.mean() == pytest.approx(0.40, abs=0.01)
    # What the issue saw: a bias of 1.3 %. Put back, nothing is left of it.
    assert np.nanmean(made.ratios) == pytest.approx(0.013, abs=0.001)
    assert made.put_back.mean() == pytest.approx(0.0, abs=0.001)


def test_disturbed_launches_are_of_both_arms_and_slow():
    cell = Cell("x", disturbed=0.1, disturbed_by=20.0)
    made = simulate(cell, 4000, 10, 0.0, np.random.default_rng(5))
    assert np.isfinite(made.put_back).all()
    assert np.nanmean(made.ratios) == pytest.approx(0.0, abs=0.001)
    one = np.broadcast_to(made.tilt == 1, made.ratios.shape)
    assert made.put_back[one].mean() == pytest.approx(np.log(0.8), abs=0.005)
    assert (made.tilt == 1).mean() == pytest.approx((made.tilt == -1).mean(), abs=0.01)


@pytest.fixture(scope="module")
def calibrated():
    return {cell.name: calibrate(cell, 6, 4000, 7) for cell in CELLS}


def test_where_the_assumptions_hold_the_statistics_keep_their_word(calibrated):
    for name in ("launches vary by 1 %", "levels vary by 1 % each on its own"):
        got = calibrated[name]
        assert got["coverage"] == pytest.approx(0.95, abs=0.01)
        assert got["family_false_positive_rate"] <= 0.06
        assert got["false_equivalent_rate"] <= 0.05
        assert got["family_false_equivalent_rate"] <= 0.06


def test_one_arm_first_is_fooled_by_drift_and_blocks_are_not(calibrated):
    assert calibrated["drift of 5 %, blocked order"]["family_false_positive_rate"] <= 0.06
    assert calibrated["drift of 5 %, one arm first"]["family_false_positive_rate"] >= 0.5


def test_max_t_holds_the_family_error_wherever_holm_does(calibrated):
    """Within the error of 4,000 studies; where the order or the gates are at fault neither does."""
    at_fault = ("one arm first", "baseline first", "counted")
    for name, got in calibrated.items():
        if name.endswith(at_fault):
            continue
        for kind in ("family_false_positive_rate", "family_false_equivalent_rate"):
            assert got[f"{kind}_holm"] <= got[kind] + 0.01, name
            assert got[kind] <= 0.06, name
        assert got["power"] >= got["power_holm"], name


def test_max_t_gains_where_levels_share_their_noise(calibrated):
    got = calibrated["launches vary by 1 % (t, 4 df), runs by 0.1 %"]
    assert got["family_false_positive_rate_holm"] < 0.02
    assert got["family_false_positive_rate"] > 0.03
    assert got["power"] > got["power_holm"] + 0.03
    needed = blocks_needed(CELLS[2], 400, 7)
    assert needed["blocks_needed"] < needed["blocks_needed_holm"]
    assert needed["launches_saved"] > 0


def test_the_safeguard_brings_the_error_of_selective_exclusion_down(calibrated):
    counted, safe = (
        calibrated[f"slow launches of one arm excluded, {how}"] for how in ("counted", "safeguard")
    )
    assert counted["family_false_positive_rate"] > 0.07
    assert safe["family_false_positive_rate"] < 0.055
    assert (counted["withheld"], safe["withheld"] > 0) == (0.0, True)


def test_the_safeguard_costs_little_where_runs_were_excluded_for_a_good_reason(calibrated):
    counted, safe = (
        calibrated[f"1 run in 30 disturbed and excluded, {how}"] for how in ("counted", "safeguard")
    )
    assert safe["withheld"] < 0.04
    assert safe["power"] > counted["power"] - 0.04


def test_stopping_early_holds_its_error_rate_and_saves_launches():
    for cell in (CELLS[0], CELLS[2]):
        got = calibrate_sequential(cell, 10, 3000, 7)
        assert got["family_false_positive_rate"] <= 0.05
        assert got["family_false_equivalent_rate"] <= 0.055
        assert got["launches_saved"] >= 0.3
        assert got["launches_saved"] >= got["launches_saved_holm"]
        assert got["power"] >= 0.9


def test_stopping_early_does_not_settle_on_what_one_sided_gates_left():
    cell = next(c for c in CELLS if c.name == "slow launches of one arm excluded, safeguard")
    got = calibrate_sequential(cell, 10, 2000, 7)
    assert got["family_false_positive_rate"] <= 0.055
    assert got["withheld"] > 0


def test_the_calibration_writes_the_same_files(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("calibration", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for copy in ("a", "b"):
        arguments = [
            "calibration",
            "--studies",
            "20",
            "--jobs",
            "1",
            "--results",
            str(tmp_path / copy),
        ]
        monkeypatch.setattr("sys.argv", arguments)
        module.main()
    for name in ("calibration.json", "calibration.md", "calibration.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    rows = json.loads((tmp_path / "a" / "calibration.json").read_text())
    wanted = {
        "cell", "n_blocks", "studies", "coverage", "false_positive_rate", "family_false_positive_rate",
        "false_equivalent_rate", "power", "launches_saved", "family_false_positive_rate_holm", "power_holm",
        "withheld",
    }  # fmt: skip
    needed = [row for row in rows if "blocks_needed" in row]
    assert all(wanted <= set(row) for row in rows if row not in needed)
    assert [row["cell"] for row in needed] == [cell.name for cell in CELLS]
    said = (tmp_path / "a" / "calibration.md").read_text()
    assert "standard error" in said
    assert "Blocks for a power of 90 %" in said
    assert all(not isinstance(v, dict | list) for row in rows for v in row.values())
