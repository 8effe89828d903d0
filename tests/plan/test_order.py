"""Launch order: complete blocks, shuffled by the seed, stable when the study grows."""

from collections import Counter

from ablation.plan.order import launch_order

ARMS = {"a": ["off", "on"], "b": ["on"], "c": []}


def test_every_cell_once_and_blocks_in_sequence():
    order = launch_order(ARMS, {"a": 6, "b": 2, "c": 6}, seed=1)
    assert Counter(order) == Counter(
        [("a", arm, block) for arm in ("off", "on") for block in range(1, 7)]
        + [("b", "on", block) for block in (1, 2)]
    )
    assert [block for _, _, block in order] == sorted(block for _, _, block in order)


def test_the_seed_decides():
    blocks = dict.fromkeys(ARMS, 6)
    assert launch_order(ARMS, blocks, 1) == launch_order(ARMS, blocks, 1)
    assert launch_order(ARMS, blocks, 1) != launch_order(ARMS, blocks, 2)


def test_more_blocks_leave_the_earlier_ones_alone():
    few = launch_order(ARMS, dict.fromkeys(ARMS, 3), 7)
    many = launch_order(ARMS, dict.fromkeys(ARMS, 9), 7)
    assert many[: len(few)] == few


def test_neither_arm_always_goes_first():
    order = launch_order({"a": ["off", "on"]}, {"a": 200}, seed=3)
    first = Counter(arm for _, arm, _ in order[::2])
    assert 70 <= first["off"] <= 130  # 200 fair coins leave this range about once in 50,000 seeds
