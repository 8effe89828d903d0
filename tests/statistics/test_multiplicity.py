"""Step-down max-t: its bounds on every data set, what it is for one level, and the error that it holds."""

import itertools

import numpy as np
import pytest
from scipy import stats

from ablation.statistics import multiplicity, paired
from ablation.statistics.family import judge
from ablation.statistics.multiplicity import level_alpha, step_down
from ablation.statistics.simulate import Cell, simulate
from ablation.statistics.verdict import log_margin

MARGIN = log_margin(2.0)
SHARED = Cell("", launch=(1.0, 1.0), run=0.1)
ALONE = Cell("", launch=(0.0, 0.0), run=1.0)


def t_tests(x):
    return paired.t_test(paired.moments(x.reshape(-1, x.shape[2]))).reshape(x.shape[:2])


def made(cell, studies=40, blocks=6, effect=1.0, seed=0):
    return simulate(cell, studies, blocks, effect, np.random.default_rng(seed)).ratios


@pytest.mark.parametrize("blocks", [2, 3, 6, 12])
@pytest.mark.parametrize("cell", [SHARED, ALONE])
def test_between_the_tests_own_p_and_holms_on_every_data_set(cell, blocks):
    x = made(cell, blocks=blocks)
    p = t_tests(x)
    adjusted = step_down(x, p, 0.05, two_sided=True)
    assert (adjusted >= p).all()
    assert (adjusted <= paired.holm(p)).all()
    # In the order of the tests' own p.
    order = np.argsort(p, axis=1)
    assert (np.diff(np.take_along_axis(adjusted, order, axis=1), axis=1) >= 0).all()


def test_one_level_keeps_the_p_of_its_t_test_and_twice_the_same_level_too():
    x = made(ALONE, effect=0.5)
    one = x[:, :1]
    assert step_down(one, t_tests(one), 0.05, two_sided=True) == pytest.approx(t_tests(one))
    # Levels that say the same are one test: nothing is paid for the second.
    twice = np.repeat(one, 2, axis=1)
    p = t_tests(twice)
    adjusted = step_down(twice, p, 0.05, two_sided=True)
    near = (p > 0.02) & (p < 0.1)
    assert near.any()
    assert adjusted[near] == pytest.approx(p[near], abs=0.004)
    assert adjusted == pytest.approx(p, abs=0.03)
    assert (paired.holm(p)[:, 0] > 1.9 * np.minimum(p[:, 0], 0.5)).all()


def by_definition(x, draws, rng):
    """Adjusted p as a closed test with rotation matrices as such: the worst p of all sets that hold a level."""
    levels, blocks = x.shape
    turns = stats.ortho_group.rvs(blocks, size=draws, random_state=rng)
    t = np.abs(paired._t(*[(m := paired.moments(x)).mean, m]))
    turned = np.einsum("dij,lj->dli", turns, x)
    reference = np.abs(turned.mean(axis=2) / (turned.std(axis=2, ddof=1) / np.sqrt(blocks)))
    worst = []
    for level in range(levels):
        sets = (
            list(subset)
            for size in range(1, levels + 1)
            for subset in itertools.combinations(range(levels), size)
            if level in subset
        )
        worst.append(max(np.mean(reference[:, s].max(axis=1) >= t[s].max()) for s in sets))
    return np.array(worst)


def test_agrees_with_the_closed_test_by_rotation_matrices():
    rng = np.random.default_rng(5)
    for seed in range(4):
        x = made(SHARED if seed % 2 else Cell("", launch=(0.5, 0.5), run=0.7), 1, 5, 1.0, seed)
        x = x[:, :4]
        expected = by_definition(x[0], 20_000, rng)
        # Judged at 0.3, so that all of these are computed closely.
        adjusted = step_down(x, t_tests(x), 0.3, two_sided=True)[0]
        assert adjusted == pytest.approx(expected, abs=0.012)


@pytest.mark.parametrize("blocks", [6, 10])
@pytest.mark.parametrize("cell", [SHARED, ALONE, Cell("", run=0.1, tails=4.0)])
def test_the_family_error_is_held_and_used(cell, blocks):
    """No true difference, then differences of just the margin, half of them down: 5 % or less is wrong in any level."""
    x = made(cell, 6000, blocks, 0.0)
    edge = x + MARGIN * np.array([1, -1, 1, -1, 1, -1, 1])[:, None]
    wrong = judge(x, 0.05, MARGIN, decisions_only=True).p_adjusted < 0.05
    same = judge(edge, 0.05, MARGIN, decisions_only=True).p_tost_adjusted < 0.05
    for found in (wrong, same):
        assert 0.035 < found.any(axis=1).mean() < 0.058


def test_the_error_is_held_where_pairs_are_missing():
    rng = np.random.default_rng(3)
    x = made(SHARED, 6000, 8, 0.0)
    x[rng.random(x.shape) < 0.2] = np.nan
    wrong = judge(x, 0.05, MARGIN, decisions_only=True).p_adjusted < 0.05
    assert 0.03 < wrong.any(axis=1).mean() < 0.058


def test_true_differences_at_some_levels_do_not_spoil_the_others():
    """Strong control: levels without a difference are called different as rarely where others have one."""
    x = made(SHARED, 6000, 6, 0.0)
    x[:, :4] += 0.05
    wrong = judge(x, 0.05, MARGIN, decisions_only=True).p_adjusted[:, 4:] < 0.05
    assert wrong.any(axis=1).mean() < 0.058


def test_no_verdict_of_holm_is_lost_and_many_are_won():
    x = made(Cell(""), 1000, 6, 3.0)
    ours, holm = (judge(x, 0.05, MARGIN, joint=joint) for joint in (True, False))
    assert not ((holm.p_adjusted < 0.05) & (ours.p_adjusted >= 0.05)).any()
    assert (ours.verdict == "faster").mean() > (holm.verdict == "faster").mean() + 0.1


def test_a_quick_answer_makes_the_same_decisions():
    x = made(Cell(""), 500, 6, 2.0)
    slow, quick = (judge(x, 0.05, MARGIN, decisions_only=only) for only in (False, True))
    assert np.mean(slow.verdict != quick.verdict) < 0.02


def test_levels_without_a_test_are_not_counted_and_zeros_do_no_harm():
    x = made(ALONE, 1)
    x[0, 1] = np.nan
    x[0, 2, 1:] = np.nan
    x[0, 3] = 0.0
    x[0, 4] = 0.04
    p = t_tests(x)
    adjusted = step_down(x, p, 0.05, two_sided=True)
    assert np.isnan(adjusted[0, [1, 2]]).all()
    assert (adjusted[0, 3], adjusted[0, 4]) == (1.0, 0.0)
    four = step_down(x[:, [0, 3, 4, 5, 6]], p[:, [0, 3, 4, 5, 6]], 0.05, two_sided=True)
    assert adjusted[0, [0, 5, 6]] == pytest.approx(four[0, [0, 3, 4]], abs=0.01)


def test_nothing_to_adjust():
    assert step_down(np.empty((0, 3, 6)), np.empty((0, 3)), 0.05, two_sided=True).shape == (0, 3)
    none = np.full((2, 3, 0), np.nan)
    assert np.isnan(step_down(none, np.full((2, 3), np.nan), 0.05, two_sided=True)).all()


def test_very_many_blocks_keep_holms_p():
    x = made(SHARED, 1, multiplicity.MOST_BLOCKS + 1, 0.05)
    p = t_tests(x)
    assert (step_down(x, p, 0.05, two_sided=True) == paired.holm(p)).all()


def test_the_same_data_give_the_same_p():
    x = made(SHARED)
    first, again = (step_down(x, t_tests(x), 0.05, two_sided=True) for _ in range(2))
    assert (first == again).all()


def test_the_level_of_a_single_test_follows_from_the_correlation():
    levels = 7
    alone, shared = (level_alpha(made(c, 50, 40, 0.0), 0.05).mean() for c in (ALONE, SHARED))
    assert alone == pytest.approx(0.05 / levels, rel=0.1)
    assert 0.025 < shared <= 0.05
