"""The metric table, and what a quantile takes."""

import pytest

from ablation.statistics.comparison import compare
from ablation.statistics.metrics import ENERGY, METRICS, PRIMARY, measured, observations_needed
from tests.synthetic import make_plan, make_runs


@pytest.mark.parametrize(("quantile", "needed"), [(0.5, 5), (0.9, 29), (0.99, 299)])
def test_observations_needed(quantile, needed):
    assert observations_needed(quantile) == needed
    assert 1 - quantile**needed >= 0.95 > 1 - quantile ** (needed - 1)


@pytest.mark.parametrize("quantile", [0, 1, -0.5, 99])
def test_a_quantile_outside_0_to_1_is_refused(quantile):
    with pytest.raises(ValueError, match="between 0 and 1"):
        observations_needed(quantile)


def test_direction_and_units():
    assert METRICS[PRIMARY].better(0.01)
    assert METRICS["ttft_p50_s"].better(-0.01)
    assert not METRICS["ttft_p50_s"].better(0.01)
    assert METRICS["itl_mean_s"].display_unit == "ms"


def test_goodput_without_slos_is_not_a_metric_of_the_study():
    runs = make_runs(make_plan())
    assert "goodput_req_s" not in {m.name for m in measured(runs)}
    assert PRIMARY in {m.name for m in measured(runs.iloc[:0])}


def test_energy_is_compared_where_it_was_observed_and_less_is_better():
    plan = make_plan()
    runs = make_runs(plan, effect_percent=10.0, cov_percent=0.1)
    assert ENERGY not in {m.name for m in measured(runs)}
    runs[ENERGY] = 300 / runs[PRIMARY]
    rows = compare(runs, plan)
    rows = rows[rows["metric"] == ENERGY]
    assert set(rows["verdict"]) == {"faster"}
    assert (rows["difference_percent"] < 0).all()
    for text in rows["text"]:
        assert "energy per output token, on against off: -9." in text
        assert "blocks): less energy (p" in text
        assert "faster" not in text
