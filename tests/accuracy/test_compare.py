"""The rule of the accuracy gate: what it passes, what it catches, what it cannot know."""

import math

import numpy as np
import pytest
from scipy import stats

from ablation.accuracy.compare import Rule, compare_launches, permutation
from ablation.accuracy.distance import Answer, Launch, answer_distance, position_distance
from ablation.accuracy.simulate import Asked, Noise, rate_of_different, simulate

NO_FLOOR = Rule(1e-9, 1e-9)


def test_a_distance_by_hand():
    one, other = {"a": -1.0, "b": -2.0}, {"a": -1.5, "c": -1.8}
    # a: 0.5; b is below c in the other (at most -1.8): 0; c is below b in the one (at most -2): 0.2
    assert position_distance(one, other) == pytest.approx((0.5 + 0 + 0.2) / 3)
    assert position_distance(one, one) == 0
    assert position_distance({"a": -0.1}, {"b": -0.1}) == 0  # nothing is known of either token
    assert position_distance({"a": -0.1, "x": -9.0}, {"b": -0.1, "y": -9.0}) == pytest.approx(4.45)
    assert position_distance(one, {"a": math.nan}) == math.inf


def test_later_tokens_count_only_after_the_same_beginning():
    def answer(*tokens: str) -> Answer:
        return Answer(tokens, tuple({token: -0.5, "z": -1.0} for token in tokens))

    first, later = answer_distance(answer("a", "b", "c"), answer("a", "x", "c"))
    assert first == 0
    assert later == pytest.approx(1 / 3 * (0.5 + 0.5 + 0))  # c follows another beginning
    first, later = answer_distance(answer("a", "b"), answer("x", "b"))
    assert first > 0
    assert math.isnan(later)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_permutation_test_is_scipys(n):
    rng = np.random.default_rng(n)
    for _ in range(20):
        # In a plane: on a line splits tie, and scipy's tolerance for ties is finer than a sum's rounding.
        points = rng.normal(size=(2 * n, 2))
        points[:n] += rng.uniform(0, 2)
        matrix = np.linalg.norm(points[:, None] - points, axis=-1)
        p, least = permutation(matrix, n)
        assert p == pytest.approx(expected_p(matrix, n), abs=1e-12)
        assert least == 2 / math.comb(2 * n, n) <= p


def expected_p(matrix, n: int) -> float:
    def inside(group):
        return matrix[np.ix_(group, group)][np.triu_indices(len(group), 1)]

    def statistic(ours, theirs):
        within = np.concatenate([inside(ours), inside(theirs)]).mean()
        return matrix[np.ix_(ours, theirs)].mean() - within

    labels = (np.arange(n), np.arange(n, 2 * n))
    options = {"alternative": "greater", "vectorized": False, "n_resamples": np.inf}
    return float(stats.permutation_test(labels, statistic, **options).pvalue)


def test_identical_arms_pass_20_of_20():
    """Also where launches differ, and where there is no floor to hide behind."""
    rng = np.random.default_rng(7)
    for noise in (Noise(0.0), Noise(0.02), Noise(0.01, launch=0.02)):
        assert rate_of_different(rng, 20, 3, noise, NO_FLOOR) == 0


def test_launches_that_fall_into_modes_keep_the_rate():
    rng = np.random.default_rng(8)
    assert rate_of_different(rng, 60, 4, Noise(0.01, mode=0.05), NO_FLOOR) <= 0.1


@pytest.mark.parametrize("share", [1.0, 0.125])
@pytest.mark.parametrize("launches", [1, 2, 4])
def test_an_error_is_caught_on_all_prompts_and_on_few(launches, share):
    rng = np.random.default_rng(9)
    rule = Rule(0.05, 0.2)
    rate = rate_of_different(rng, 10, launches, Noise(0.02), rule, error=0.6, share=share)
    assert rate == 1


def test_an_error_in_decode_only_is_caught():
    arm, baseline = simulate(np.random.default_rng(1), 2, Noise(0.01))
    wrong, _ = simulate(np.random.default_rng(2), 2, Noise(0.01))

    def later_tokens_from(one: Answer, other: Answer) -> Answer:
        return Answer(one.tokens[:1] + other.tokens[1:], one.tops[:1] + other.tops[1:])

    mixed = [
        Launch(a.launch_id, a.model, a.arm, a.block, a.prompt_set, [
            [later_tokens_from(x, y) for x, y in zip(r, s, strict=True)]
            for r, s in zip(a.answers, w.answers, strict=True)
        ])
        for a, w in zip(arm, wrong, strict=True)
    ]  # fmt: skip
    result = compare_launches(mixed, baseline, Rule(0.05, 0.2))
    assert [phase.verdict for phase in result.phases] == ["same", "different"]
    assert result.verdict == "different"


def test_a_kernel_that_does_not_repeat_itself_cannot_raise_its_own_limit():
    rng = np.random.default_rng(3)
    baseline, _ = simulate(rng, 3, Noise(0.0))
    truth = baseline[0].answers[0]
    unsteady = []
    for number in range(3):
        other, _ = simulate(rng, 1, Noise(0.0))
        unsteady.append(
            Launch(f"u{number}", "m", "arm", number, "set", [other[0].answers[0], truth])
        )
    assert compare_launches(unsteady, baseline, Rule(0.05, 0.2)).verdict == "different"


def test_one_bad_launch_of_many_is_named():
    rng = np.random.default_rng(4)
    arm, baseline = simulate(rng, 6, Noise(0.001))
    stranger, _ = simulate(rng, 1, Noise(0.001))
    arm[2] = Launch("x", "m", "arm", 3, "set", stranger[0].answers)
    result = compare_launches(arm, baseline, Rule(0.05, 0.2))
    assert result.apart == [3]


def test_exact_launches_that_differ_by_rounding_are_the_same():
    """Two deterministic kernels that round differently: no noise at all, and a floor for it."""
    rng = np.random.default_rng(5)
    arm, baseline = simulate(rng, 4, Noise(0.0), error=1e-5)
    result = compare_launches(arm, baseline, Rule(0.001, 0.004))
    assert result.verdict == "same"
    assert result.phases[0].p_permutation < 0.05  # it is seen, and is too small to matter
    assert result.phases[0].noise_median == 0


def test_nothing_to_compare():
    arm, baseline = simulate(np.random.default_rng(6), 1, Noise(0.01), asked=Asked(tokens=1))
    assert compare_launches(arm, [], NO_FLOOR).verdict == "not observed"
    assert compare_launches([], baseline, NO_FLOOR).verdict == "not observed"
    result = compare_launches(arm, baseline, Rule(1, 1))
    assert [phase.verdict for phase in result.phases] == ["same", "not observed"]
    assert result.verdict == "same"
    assert result.noise_from == "repeats"


def test_an_arm_that_answers_no_numbers_is_different():
    arm, baseline = simulate(np.random.default_rng(6), 2, Noise(0.01))
    broken = [
        Launch(a.launch_id, a.model, a.arm, a.block, a.prompt_set, [
            [Answer(x.tokens, tuple(dict.fromkeys(top, math.nan) for top in x.tops)) for x in repeat]
            for repeat in a.answers
        ])
        for a in arm
    ]  # fmt: skip
    assert compare_launches(broken, baseline, Rule(0.05, 0.2)).verdict == "different"
    assert compare_launches(arm, broken, Rule(0.05, 0.2)).verdict == "not observed"
