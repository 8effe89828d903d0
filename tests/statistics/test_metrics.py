"""The metric table, and what a quantile takes."""

import numpy as np
import pytest
from scipy import stats

from ablation.statistics.comparison import compare
from ablation.statistics.metrics import (
    ENERGY,
    METRICS,
    PRIMARY,
    measured,
    observations_needed,
    quantile_confidence,
)
from tests.synthetic import make_plan, make_runs


@pytest.mark.parametrize(("quantile", "needed"), [(0.5, 5), (0.9, 29), (0.99, 299)])
def test_observations_needed(quantile, needed):
    assert observations_needed(quantile) == needed
    assert 1 - quantile**needed >= 0.95 > 1 - quantile ** (needed - 1)


@pytest.mark.parametrize(("quantile", "needed"), [(0.9, 64), (0.99, 662), (0.999, 6636)])
def test_mlperf_asks_for_two_observations_above_at_99_percent(quantile, needed):
    """The floors of LoadGen's early stopping, as mlcommons/endpoints states them."""
    assert observations_needed(quantile, 0.99, 2) == needed


@pytest.mark.parametrize("beyond", [1, 2, 3])
def test_the_confidence_of_an_order_statistic_is_binomial(beyond):
    for n in (1, 5, 300, 5000):
        expected = stats.binom.sf(beyond - 1, n, 0.01)
        assert quantile_confidence(0.99, n, beyond) == pytest.approx(expected, abs=1e-9)
    assert quantile_confidence(0.99, 0, beyond) == 0.0


def test_the_confidence_of_a_printed_quantile_stands_in_its_row():
    plan = make_plan(levels=(4,))
    runs = make_runs(plan, requests=400)
    runs.loc[(runs["arm"] == "on") & (runs["block"] == 2), "ttft_count"] = 320
    # One with too few does not count, and is not the fewest of those that do.
    runs.loc[(runs["arm"] == "on") & (runs["block"] == 3), "ttft_count"] = 120
    rows = compare(runs, plan).set_index("metric")
    row = rows.loc["ttft_p99_s"]
    assert (row["n_pairs"], row["observations"]) == (5, 320)
    assert row["quantile_confidence"] == pytest.approx(1 - 0.99**320)
    assert np.isnan(rows.loc[PRIMARY, "quantile_confidence"])


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
