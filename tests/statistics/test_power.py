"""Power against an integral that knows nothing of the noncentral t, and against simulation."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from ablation.statistics import paired, power


def integrated_power(effect, sd, n, alpha):
    """P(|T| > t): the normal mean, averaged over the chi distribution of the sample's sd."""
    critical, shift = stats.t.isf(alpha / 2, n - 1), effect * math.sqrt(n) / sd

    def given(s):
        reach = critical * s
        return (stats.norm.sf(reach - shift) + stats.norm.cdf(-reach - shift)) * stats.chi.pdf(
            s * math.sqrt(n - 1), n - 1
        )

    value, _ = integrate.quad(given, 0, 12, epsabs=1e-12, epsrel=1e-12, limit=400)
    return value * math.sqrt(n - 1)


def test_power_agrees_with_an_integral():
    rng = np.random.default_rng(0)
    for _ in range(200):
        n, effect = int(rng.integers(3, 30)), rng.uniform(0, 3)
        alpha = float(rng.choice([0.05, 0.01, 0.05 / 7]))
        expected = integrated_power(effect, 1.0, n, alpha)
        assert power.t_test_power(effect, 1.0, n, alpha) == pytest.approx(expected, abs=1e-9)


def test_no_effect_has_the_power_alpha_and_a_huge_one_is_certain():
    assert power.t_test_power(0.0, 1.0, 6, 0.05) == pytest.approx(0.05, abs=1e-9)
    assert power.t_test_power(1e6, 1.0, 6, 0.05) == 1.0
    assert power.t_test_power(-2.0, 1.0, 6, 0.05) == power.t_test_power(2.0, 1.0, 6, 0.05)


@pytest.mark.parametrize("n", [3, 5, 6, 10, 40])
def test_detectable_effect_has_the_power_it_promises(n):
    effect = power.detectable_in_sd(n, 0.05)
    assert integrated_power(effect, 1.0, n, 0.05) == pytest.approx(0.8, abs=1e-8)
    assert math.isnan(power.detectable_in_sd(1, 0.05))


@pytest.mark.parametrize(("n", "effect"), [(6, 0.0), (6, 0.005), (10, 0.01)])
def test_equivalence_power_agrees_with_simulation(n, effect):
    rng = np.random.default_rng(1)
    margin, sd = math.log(1.02), 0.013
    x = rng.normal(effect, sd, (20_000, n))
    shown = np.mean(paired.equivalence_test(paired.moments(x), margin) < 0.05)
    expected = float(power.equivalence_power(effect, sd, n, 0.05, margin))
    # The formula is a lower bound.
    assert expected - 0.01 <= shown
    if expected > 0.5:
        assert shown == pytest.approx(expected, abs=0.01)


MARGIN = math.log(1.02)


def more(mean, sd, n, alpha=0.05):
    one = np.array([[mean], [sd], [n], [alpha]], dtype=float)
    return power.more_blocks(one[0], one[1], one[2], alpha=one[3], margin=MARGIN)[0]


def test_more_blocks_is_the_smallest_that_suffices():
    mean, sd, n = 0.03, 0.03, 6
    extra = more(mean, sd, n)
    total = n + extra
    assert power.t_test_power(mean, sd, total, 0.05) >= 0.8
    assert power.t_test_power(mean, sd, total - 1, 0.05) < 0.8


def test_more_blocks_aims_at_equivalence_when_there_is_hardly_a_difference():
    extra = more(0.0, 0.03, 6)
    margin = math.log(1.02)
    assert power.equivalence_power(0.0, 0.03, 6 + extra, 0.05, margin) >= 0.8
    assert power.equivalence_power(0.0, 0.03, 5 + extra, 0.05, margin) < 0.8


def test_more_blocks_says_nothing_when_hopeless_or_unknown():
    # On the margin's edge with a large spread nothing up to 1,000 blocks settles it.
    assert math.isnan(more(0.0198, 2.0, 6))
    assert math.isnan(more(0.01, math.nan, 1))
    assert math.isnan(more(0.01, 0.0, 6))
