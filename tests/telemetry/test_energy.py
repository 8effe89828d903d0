"""Energy of a stretch, against truth that can be computed by hand."""

import math

import numpy as np
import pyarrow as pa
import pytest

from ablation.telemetry.energy import energy, inside, series, summed, throttles
from ablation.telemetry.file import TELEMETRY
from ablation.telemetry.reading import NotObserved

ZERO = 5_000_000_000


def table(at, *, power=None, counter=None, device=0, throttle=None) -> pa.Table:
    n = len(at)
    columns = {name: [None] * n for name in TELEMETRY.names}
    columns |= {
        "monotonic_ns": [ZERO + round(t * 1e9) for t in at],
        "unix_ns": [0] * n,
        "kind": ["gpu"] * n,
        "device": [device] * n,
        "name": [f"GPU {device}"] * n,
        "power_w": power,
        "energy_j": counter,
        "throttle": throttle,
    }
    filled = {k: v if v is not None else [None] * n for k, v in columns.items()}
    return pa.table(filled, schema=TELEMETRY)


def one(*args, **kw):
    return series(table(*args, **kw), ZERO)[0]


AT = np.arange(-1, 12, 0.5).tolist()


def test_constant_power_for_ten_seconds():
    found = energy(one(AT, power=[300.0] * len(AT)), 0.0, 10.0, 0.5)
    assert (found.joules, found.source) == (pytest.approx(3000.0), "power")


def test_the_counter_is_preferred_and_read_between_samples():
    counter = [1e6 + 250.0 * t for t in AT]
    found = energy(one(AT, power=[300.0] * len(AT), counter=counter), 0.25, 9.85, 0.5)
    assert (found.joules, found.source) == (pytest.approx(250 * 9.6), "counter")


def test_a_ramp_of_power_by_the_trapezoid_rule():
    found = energy(one(AT, power=[100.0 * (t + 1) for t in AT]), 0.1, 9.9, 0.5)
    truth = 50 * (10.9**2 - 1.1**2)
    assert found.joules == pytest.approx(truth)


def test_a_counter_that_was_reset_is_not_used():
    counter = [1000 + 300 * t if t < 5 else 300 * t for t in AT]
    found = energy(one(AT, power=[300.0] * len(AT), counter=counter), 0.0, 10.0, 0.5)
    assert (found.joules, found.source) == (pytest.approx(3000.0), "power")
    with pytest.raises(NotObserved, match="GPU 0: the energy counter was reset"):
        energy(one(AT, counter=counter), 0.0, 10.0, 0.5)
    # outside the stretch it does no harm
    assert energy(one(AT, counter=counter), 6.0, 10.0, 0.5).source == "counter"


def test_a_window_shorter_than_the_period():
    found = energy(one([0.0, 0.5, 1.0], power=[200.0] * 3), 0.6, 0.7, 0.5)
    assert found.joules == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("at", "seconds"), [([0, 1, 2, 3], 7.0), ([7, 8, 9, 10], 7.0), ([-1, 0, 1, 9, 10, 11], 8.0)]
)
def test_a_hole_is_not_filled(at, seconds):
    with pytest.raises(NotObserved, match=f"leave {seconds:.1f} s of the window without one"):
        energy(one(at, power=[300.0] * len(at)), 0.0, 10.0, 0.5)


def test_nothing_told():
    with pytest.raises(NotObserved, match="neither energy nor power is told"):
        energy(one(AT), 0.0, 10.0, 0.5)


def test_missing_values_between_others():
    power = [300.0 if i % 3 else None for i in range(len(AT))]
    assert energy(one(AT, power=power), 0.0, 10.0, 0.5).joules == pytest.approx(3000.0)


def test_devices_are_summed_though_not_sampled_together():
    both = pa.concat_tables(
        [
            table(AT, power=[100.0 + t for t in AT]),
            table([t + 0.1 for t in AT], power=[200.0 - (t + 0.1) for t in AT], device=1),
        ]
    )
    every = series(both, ZERO)
    assert [s.device for s in every] == [0, 1]
    assert summed(every, "power_w", 1.0, 9.0) == pytest.approx(300.0)
    assert len(inside(every, "power_w", 1.0, 9.0)) == 33
    assert not len(summed(every, "clock_mhz", 1.0, 9.0))


def test_reasons_inside_only():
    words = ["hw_thermal" if t < 0 else None if t > 9 else "" for t in AT]
    found = list(throttles([one(AT, power=[1.0] * len(AT), throttle=words)], 0.0, 10.0))
    assert found == [""] * 19
    assert math.isnan(one(AT, throttle=words).columns["power_w"][0])
