"""How long a study takes, and what its number of blocks can resolve."""

from __future__ import annotations

import math

import numpy as np

from ablation.study.config import Expect


def expected_output_tok_s(expect: Expect, concurrency: int) -> float:
    """Throughput expected at a level: linear between the stated levels on log-log axes, flat outside them."""
    known = sorted(expect.output_tok_s.items())
    x = [math.log(level) for level, _ in known]
    y = [math.log(rate) for _, rate in known]
    return float(np.exp(np.interp(math.log(concurrency), x, y)))


def expected_level_s(
    expect: Expect, concurrency: int, requests: int, output_tokens: float, ramp_s: float
) -> float:
    """Seconds that so many requests take at a level."""
    return requests * output_tokens / expected_output_tok_s(expect, concurrency) + ramp_s


def detectable_percent(
    blocks: int, cov_percent: float, confidence: float, power: float = 0.8
) -> float:
    """Smallest difference in percent that a paired comparison finds with the given power.

    Both arms are assumed to vary by `cov_percent` between launches, independently, so a pair's log ratio
    has sd sqrt(2) x CoV. Found by bisection on the noncentral t distribution (Cohen 1988, section 2.3).
    """
    # Here, not above: it takes half a second to import, and every job reads the plan.
    from scipy import stats

    if blocks < 2:
        return math.inf
    df = blocks - 1
    critical = stats.t.ppf(0.5 + confidence / 2, df)
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        found = stats.nct.sf(critical, df, middle) + stats.nct.cdf(-critical, df, middle)
        low, high = (middle, high) if found < power else (low, middle)
    sd = math.sqrt(2) * cov_percent / 100
    return float(100 * np.expm1(high * sd / math.sqrt(blocks)))


def sign_flip_floor(blocks: int) -> float:
    """Smallest two-sided p that an exact sign-flip test of so many pairs can reach."""
    return float(min(1.0, 2.0 ** (1 - blocks)))


def duration_text(seconds: float) -> str:
    """Seconds in the unit that a person would use."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
