"""Which GPUs a server uses."""

import pytest

from ablation.telemetry.devices import used
from ablation.telemetry.reading import NotObserved

UUIDS = ["GPU-0a", "GPU-1b", "GPU-2c", "GPU-3d"]


@pytest.mark.parametrize(
    ("platform", "environment", "count", "expected"),
    [
        ("cuda", {}, 1, [0]),
        ("cuda", {}, 4, [0, 1, 2, 3]),
        ("cuda", {"CUDA_VISIBLE_DEVICES": "2,3"}, 2, [2, 3]),
        ("cuda", {"CUDA_VISIBLE_DEVICES": "3,1"}, 1, [3]),
        ("cuda", {"CUDA_VISIBLE_DEVICES": "GPU-2c"}, 1, [2]),
        ("cuda", {"HIP_VISIBLE_DEVICES": "3"}, 1, [0]),
        ("rocm", {"HIP_VISIBLE_DEVICES": "3"}, 1, [3]),
        ("rocm", {"CUDA_VISIBLE_DEVICES": "3"}, 1, [3]),
        ("rocm", {"CUDA_VISIBLE_DEVICES": "3", "HIP_VISIBLE_DEVICES": "1"}, 1, [1]),
        ("rocm", {"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "1"}, 1, [3]),
    ],
)
def test_those_that_it_sees_and_no_more_than_it_takes(platform, environment, count, expected):
    assert used(platform, environment, UUIDS, count) == expected


@pytest.mark.parametrize("listed", ["", "1", "1,9,2", "1,1", "GPU-unknown,1"])
def test_too_few_to_be_seen(listed):
    with pytest.raises(
        NotObserved, match=r"takes 2 GPUs and its environment lets [01] of 4 be seen"
    ):
        used("cuda", {"CUDA_VISIBLE_DEVICES": listed}, UUIDS, 2)


def test_a_mig_slice_has_no_power():
    with pytest.raises(NotObserved, match="no power or clock of its own"):
        used("cuda", {"CUDA_VISIBLE_DEVICES": "MIG-1234"}, UUIDS, 1)
