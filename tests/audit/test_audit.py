"""The audit of the published AITER study: what it finds from the table alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ablation.audit.judge import audit
from ablation.audit.read import read_published
from ablation.audit.spread import welch
from ablation.audit.statements import statements
from ablation.audit.table import parse

PUBLISHED = Path(__file__).parents[2] / "config" / "published" / "aiter-ablation.csv"


@pytest.fixture(scope="module")
def published():
    return audit(read_published(PUBLISHED))


def said(result, topic):
    return [s for s in statements(result) if s.topic == topic]


def test_levels_that_the_requests_never_reached(published):
    never, brief, same = said(published, "reach")
    assert never.levels == [200, 500]
    assert "concurrency 200 and 500 were never reached" in never.text
    assert brief.levels == [50, 100]
    assert "50 % of the requests at 50 and 0 % of the requests at 100" in brief.text
    assert same.levels == [100, 200, 500]
    assert "6,682 / 6,663 / 6,676 tok/s are one operating point" in same.text


def test_minus_one_percent_is_neither_a_regression_nor_equal(published):
    open_ = [s for s in said(published, "difference") if s.levels == [5, 10, 50]]
    assert len(open_) == 1
    assert "not a regression, and not shown to be equal" in open_[0].text


def test_what_is_resolved_only_if_launches_were_quiet(published):
    quiet = [
        s for s in said(published, "difference") if "only if the CoV lies at the low" in s.text
    ]
    assert quiet[0].levels == [1, 100, 200, 500]


def test_half_widths_agree_with_a_welch_test_on_data_with_these_moments(published):
    row = published.rows[0]
    rng = np.random.default_rng(0)
    for end in (0, 1):
        ca, cb = (arm.cov_percent[end] / 100 for arm in (row.row.arm, row.row.baseline))
        # The CoV off is stated as 0.1 to 0.3 %, less than what rounding to 137 alone scatters.
        cb = max(cb, 0.5 / np.sqrt(3) / 137)
        x, y = (stats.zscore(rng.normal(size=5), ddof=1) * c for c in (ca, cb))
        limits = stats.ttest_ind(x, y, equal_var=False).confidence_interval(0.95)
        half = (limits.high - limits.low) / 2
        assert row.half_width_percent[end] == pytest.approx(100 * half, rel=1e-9)
    (text,) = (s.text for s in said(published, "half-width"))
    assert "1.2 to 6.2 percentage points" in text


def test_welch_agrees_with_scipy_on_random_input_of_unequal_n():
    rng = np.random.default_rng(1)
    for _ in range(200):
        n_a, n_b = (int(n) for n in rng.integers(2, 12, 2))
        a, b = rng.uniform(0.001, 0.05, 2)
        x = stats.zscore(rng.normal(size=n_a), ddof=1) * a
        y = stats.zscore(rng.normal(size=n_b), ddof=1) * b
        shift = rng.normal(0, 0.03)
        error, df = welch(a, b, n_a, n_b)
        expected = stats.ttest_ind(x + shift, y, equal_var=False)
        p = 2 * stats.t.sf(abs(shift) / error, df)
        assert p == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-12)


def test_what_n_could_have_shown(published):
    (text,) = (s.text for s in said(published, "n"))
    assert "cannot go below p = 0.0625" in text
    assert "6 pairs" in text


def test_quantiles_and_rounding(published):
    assert "takes 299" in said(published, "quantiles")[0].text
    (rounding,) = said(published, "rounding")
    assert rounding.levels == [1]
    assert "+9.49 %" in rounding.text
    assert "which rounding explains" in rounding.text


def table(change):
    known = read_published(PUBLISHED)
    return replace(known, rows=tuple(change(row) for row in known.rows))


def test_a_well_designed_table_is_not_faulted():
    def good(row):
        exact = 100 * (row.arm.value / row.baseline.value - 1)
        return replace(
            row, requests=5000, difference_percent=parse(f"{exact:.2f}"),
            arm=replace(row.arm, n=12, cov_percent=(0.2, 0.4)), baseline=replace(row.baseline, n=12),
        )  # fmt: skip

    result = audit(table(good))
    assert {s.topic for s in statements(result)} == {"half-width", "difference"}
    words = {s.text.split("): ")[1] for s in said(result, "difference")}
    assert words == {
        "the difference is shown at any CoV stated.",
        "equality within ±2 % is shown at any CoV stated.",
    }


def test_a_difference_that_does_not_follow_from_its_means_is_found():
    bad = audit(table(lambda row: replace(row, difference_percent=parse("5.08"))))
    (wrong,) = (s for s in said(bad, "rounding") if "does not follow" in s.text)
    assert wrong.levels == [1, 5, 10, 50, 100, 200, 500]


def test_equality_only_if_quiet():
    same = audit(
        table(
            lambda row: replace(
                row,
                baseline=replace(row.baseline, center=parse("1000.0")),
                arm=replace(row.arm, center=parse("1001.0"), cov_percent=(0.1, 5.0)),
                difference_percent=parse("0.1"),
            )
        )
    )
    (text,) = (s.text for s in said(same, "difference"))
    assert "equality within ±2 % is shown only if the CoV" in text


def test_a_median_with_a_spread_has_the_wider_interval_of_a_median(tmp_path):
    path = tmp_path / "t.csv"
    text = "concurrency,baseline_{0}_tok_s,arm_{0}_tok_s,n,cov_percent\n1,1000.0,1100.0,3,1.0\n"
    halves = []
    for statistic in ("mean", "median"):
        path.write_text(text.format(statistic))
        halves.append(audit(read_published(path)).rows[0].half_width_percent[0])
    # The variance of the median of three normal values is 0.4487 (David and Nagaraja 2003), of their mean 1/3.
    assert halves[1] / halves[0] == pytest.approx((3 * 0.4487) ** 0.5, rel=1e-3)


def test_a_table_of_thousands_of_rows_says_so_in_sentences_that_can_be_read(tmp_path):
    path = tmp_path / "t.csv"
    rows = "".join(f"{i},1000,1010,5,10,1\n" for i in range(1, 3001))
    path.write_text("concurrency,baseline_tok_s,arm_tok_s,n,requests,cov_percent\n" + rows)
    said_ = statements(audit(read_published(path)))
    assert max(len(statement.text) for statement in said_) < 1000
    (never, *_) = (s for s in said_ if s.topic == "reach")
    assert "and 2971 more were never reached" in never.text


def test_unequal_n_stands_with_the_arm_that_it_belongs_to(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("concurrency,off,on\n1,100.0/102.0/99.0/101.0/103.0/98.0,110.0/118.0/104.0\n")
    off, on = np.log([100, 102, 99, 101, 103, 98]), np.log([110, 118, 104])
    limits = stats.ttest_ind(on, off, equal_var=False).confidence_interval(0.95)
    (row,) = audit(read_published(path)).rows
    half = 50 * (limits.high - limits.low)
    assert row.half_width_percent == pytest.approx((half, half), rel=1e-9)
