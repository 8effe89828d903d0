"""Each test against an independent computation, and on input without a proper answer."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from ablation.statistics import paired

RANDOM = 240


def rows(seed=0):
    """Random log ratios of 2 to 9 blocks; some with ties, some far from 0, some with hardly any spread."""
    rng = np.random.default_rng(seed)
    result = []
    for i in range(RANDOM):
        n = int(rng.integers(2, 10))
        x = rng.normal(rng.normal(0, 0.05), rng.uniform(0.001, 0.05), n)
        if i % 6 == 0:
            x = np.round(x, 2) + rng.choice([0, 0.01])
        if i % 7 == 0:
            x[-1] = x[0]
        if np.ptp(x) == 0:
            x[0] += 0.01
        result.append(x)
    return result


def padded(values):
    width = max(map(len, values))
    table = np.full((len(values), width), np.nan)
    for i, x in enumerate(values):
        # Blocks without a pair may stand anywhere.
        table[i, width - len(x) :] = x
    return table


@pytest.fixture(scope="module")
def sample():
    values = rows()
    return values, padded(values), paired.moments(padded(values))


def test_t_test_and_interval_agree_with_scipy(sample):
    values, _, m = sample
    p, (low, high) = paired.t_test(m), paired.interval(m, 0.95)
    for i, x in enumerate(values):
        reference = stats.ttest_1samp(x, 0.0)
        limits = reference.confidence_interval(0.95)
        assert p[i] == pytest.approx(reference.pvalue, rel=1e-9, abs=1e-12)
        assert (low[i], high[i]) == pytest.approx((limits.low, limits.high), rel=1e-9, abs=1e-12)
        assert (m.mean[i], m.sd[i]) == pytest.approx((np.mean(x), np.std(x, ddof=1)), rel=1e-9)


@pytest.mark.parametrize("margin", [0.005, 0.02, 0.1])
def test_equivalence_agrees_with_two_one_sided_scipy_tests(sample, margin):
    values, _, m = sample
    p = paired.equivalence_test(m, margin)
    for i, x in enumerate(values):
        above = stats.ttest_1samp(x, -margin, alternative="greater").pvalue
        below = stats.ttest_1samp(x, margin, alternative="less").pvalue
        assert p[i] == pytest.approx(max(above, below), rel=1e-9, abs=1e-12)


def test_sign_flip_agrees_with_scipy(sample):
    values, table, _ = sample
    p = paired.sign_flip_test(table)
    for i, x in enumerate(values):
        reference = stats.permutation_test(
            (x,), lambda d, axis: np.mean(d, axis=axis), permutation_type="samples",
            n_resamples=np.inf, vectorized=True,
        ).pvalue  # fmt: skip
        assert p[i] == pytest.approx(reference, abs=1e-9)


def test_hedges_g_agrees_with_its_definition(sample):
    values, _, m = sample
    g = paired.hedges_g(m)
    for i, x in enumerate(values):
        f = len(x) - 1
        if f == 1:
            assert math.isnan(g[i])
            continue
        correction = math.gamma(f / 2) / (math.sqrt(f / 2) * math.gamma((f - 1) / 2))
        assert g[i] == pytest.approx(correction * np.mean(x) / np.std(x, ddof=1), rel=1e-9)


def closed_bonferroni(p):
    """Holm by its definition as a closed test: the worst Bonferroni p of all sets that hold i."""
    adjusted = []
    for i in range(len(p)):
        sets = (
            subset
            for size in range(1, len(p) + 1)
            for subset in itertools.combinations(range(len(p)), size)
            if i in subset
        )
        adjusted.append(max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets))
    return adjusted


def test_holm_agrees_with_the_closed_test():
    rng = np.random.default_rng(1)
    for _ in range(RANDOM):
        p = rng.uniform(0, 1, int(rng.integers(1, 8))) ** 3
        p[rng.uniform(size=len(p)) < 0.2] = p[0]
        assert paired.holm(p) == pytest.approx(closed_bonferroni(p.tolist()), abs=1e-9)


def test_holm_does_not_count_what_was_not_tested():
    adjusted = paired.holm(np.array([0.01, np.nan, 0.03]))
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.03])
    assert math.isnan(adjusted[1])
    assert paired.holm(np.array([])).size == 0


def test_sign_flip_floor():
    floor = paired.sign_flip_floor(np.array([0, 1, 5, 6, 10]))
    assert math.isnan(floor[0])
    assert floor[1:] == pytest.approx([1.0, 0.0625, 0.03125, 2 / 1024])
    # The floor is what a unanimous sample reaches.
    assert paired.sign_flip_test(np.full((1, 6), 0.04))[0] == pytest.approx(0.03125)


def test_sign_flip_of_many_blocks_is_seeded_and_close_to_the_t_test():
    x = np.random.default_rng(3).normal(0.01, 0.02, (1, 24))
    p = paired.sign_flip_test(x)
    assert p == paired.sign_flip_test(x)
    assert p[0] == pytest.approx(paired.t_test(paired.moments(x))[0], abs=0.01)
    assert p[0] >= paired.sign_flip_floor(np.array([24]))[0]


DEGENERATE = {
    "no pair": [np.nan] * 4,
    "one pair": [0.04, np.nan, np.nan, np.nan],
    "zero variance": [0.04] * 4,
    "no difference at all": [0.0] * 4,
    "rounding only": [0.1, 0.1 + 2e-17, 0.1, 0.1],
    "infinite": [np.inf, 0.04, 0.05, np.nan],
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_input_has_a_defined_result(name):
    table = np.array([DEGENERATE[name]])
    m = paired.moments(table)
    p, tost = paired.t_test(m)[0], paired.equivalence_test(m, 0.02)[0]
    low, high = (x[0] for x in paired.interval(m, 0.95))
    g, flip = paired.hedges_g(m)[0], paired.sign_flip_test(table)[0]
    if name == "no pair":
        assert np.isnan([p, tost, low, high, g, flip, m.mean[0], m.sd[0]]).all()
    elif name == "one pair":
        assert np.isnan([p, tost, low, high, g, m.sd[0]]).all()
        assert (m.mean[0], flip) == (0.04, 1.0)
    elif name in ("zero variance", "rounding only"):
        assert (p, tost, g, flip) == (0.0, 1.0, math.inf, 0.125)
        assert low == high == m.mean[0]
    elif name == "no difference at all":
        assert (p, tost, g, flip, low, high) == (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    else:
        # An infinite log ratio is no measurement: it is left out like a missing one.
        assert m.n[0] == 2
        assert m.mean[0] == pytest.approx(0.045)


def test_equivalence_on_the_margin_is_not_equivalence():
    m = paired.moments(np.full((1, 5), 0.02))
    assert paired.equivalence_test(m, 0.02)[0] == 1.0
