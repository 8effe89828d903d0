"""Sketches: any quantile of any pool to within the stated accuracy."""

import numpy as np
import pytest

from ablation.run.metrics import mark_window, sketches, summarise
from ablation.run.sketch import ACCURACY, SMALLEST, pool, quantiles, sketch
from tests.run_rows import closed_loop, run_json, table

ORDERS = [0.001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999]


@pytest.mark.parametrize("sigma", [0.01, 0.3, 3.0])
def test_quantiles_of_a_pool_are_those_of_all_observations(sigma):
    rng = np.random.default_rng(1)
    parts = [np.exp(rng.normal(-3 + i, sigma, 300 + 500 * i)) for i in range(4)]
    pooled = pool(sketch(part) for part in parts)
    truth = np.quantile(np.concatenate(parts), ORDERS, method="inverted_cdf")
    assert np.allclose(quantiles(pooled, ORDERS), truth, rtol=1.01 * ACCURACY)


def test_weights_count_as_often():
    values, weights = np.array([0.01, 0.02, 0.04]), np.array([1.0, 8.0, 1.5])
    whole = pool([sketch(values, weights)])
    assert sum(whole.values()) == 10.5
    assert quantiles(whole, [0.5])[0] == pytest.approx(0.02, rel=ACCURACY)


def test_nothing_and_zero():
    assert sketch([]) == {"bins": [], "counts": []}
    assert np.isnan(quantiles({}, [0.5])).all()
    assert quantiles(pool([sketch([0.0, 0.0])]), [0.5])[0] == pytest.approx(SMALLEST, rel=ACCURACY)


def test_a_summary_holds_the_sketches_that_its_rows_give():
    rows = table(closed_loop(4, 40, ttft=0.1, gap=0.01))
    summary = summarise(rows, run_json(4))
    again = sketches(mark_window(rows, summary), summary)
    assert again == {name: summary[name] for name in again}
    assert sorted(again) == ["e2e_sketch", "itl_sketch", "tpot_sketch", "ttft_sketch"]
    assert quantiles(pool([summary["ttft_sketch"]]), [0.5])[0] == pytest.approx(0.1, rel=ACCURACY)
    assert quantiles(pool([summary["itl_sketch"]]), [0.5])[0] == pytest.approx(0.01, rel=ACCURACY)
    assert sum(summary["ttft_sketch"]["counts"]) == summary["ttft_count"]
