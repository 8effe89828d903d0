"""The audit of a published table: what it finds on its own, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ablation.audit import COLUMNS, AuditError, audit, read_published, welch

PUBLISHED = Path(__file__).parents[2] / "config" / "published" / "aiter-ablation.csv"


@pytest.fixture(scope="module")
def published():
    return audit(read_published(PUBLISHED))


def said(result, topic):
    return [s for s in result.statements if s.topic == topic]


def test_levels_that_the_requests_never_reached(published):
    never, brief, same = said(published, "reach")
    assert never.levels == [200, 500]
    assert "concurrency 200 and 500 were never reached" in never.text
    assert brief.levels == [50, 100]
    assert "50 % of the requests at 50, 0 % of the requests at 100" in brief.text
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
    rows = published.rows
    rng = np.random.default_rng(0)
    for end in ("low", "high"):
        ca, cb = (rows.loc[0, f"cov_{arm}_{end}_percent"] / 100 for arm in ("arm", "baseline"))
        x, y = (stats.zscore(rng.normal(size=5), ddof=1) * c for c in (ca, cb))
        limits = stats.ttest_ind(x, y, equal_var=False).confidence_interval(0.95)
        half = (limits.high - limits.low) / 2
        assert rows.loc[0, f"half_width_{end}_percent"] == pytest.approx(100 * half, rel=1e-9)
    (text,) = (s.text for s in said(published, "half-width"))
    assert "1.2 to 6.2 percentage points" in text


def test_welch_agrees_with_scipy_on_random_input():
    rng = np.random.default_rng(1)
    for _ in range(200):
        n = int(rng.integers(2, 12))
        a, b = rng.uniform(0.001, 0.05, 2)
        x, y = (stats.zscore(rng.normal(size=n), ddof=1) * c for c in (a, b))
        shift = rng.normal(0, 0.03)
        m, df = welch(np.array([shift]), np.array([a]), np.array([b]), np.array([float(n)]))
        expected = stats.ttest_ind(x + shift, y, equal_var=False)
        p = 2 * stats.t.sf(abs(shift) / m.error, df)
        assert p[0] == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-12)


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


def table(**changes):
    return read_published(PUBLISHED).assign(**changes)


def test_a_well_designed_table_is_not_faulted():
    good = table(
        requests=5000, n=12, cov_arm_low_percent=0.2, cov_arm_high_percent=0.4,
        difference_percent=lambda t: (100 * (t["arm_tok_s"] / t["baseline_tok_s"] - 1)).round(2),
    )  # fmt: skip
    topics = {s.topic for s in audit(good).statements}
    assert topics == {"half-width", "difference"}
    words = {s.text.split("): ")[1] for s in audit(good).statements if s.topic == "difference"}
    assert words == {
        "the difference is shown at any CoV stated.",
        "equality within ±2 % is shown at any CoV stated.",
    }


def test_a_difference_that_does_not_follow_from_its_means_is_found():
    bad = read_published(PUBLISHED)
    bad.loc[4, "difference_percent"] = 5.08
    texts = [s.text for s in audit(bad).statements if s.topic == "rounding"]
    assert any("does not follow from the printed means" in text for text in texts)


def test_equality_only_if_quiet():
    rows = table(difference_percent=0.1, cov_arm_low_percent=0.1)
    texts = [s.text for s in audit(rows).statements if s.topic == "difference"]
    assert len(texts) == 1
    assert "equality within ±2 % is shown only if the CoV" in texts[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("n,requests", "m,requests"), "lacks the columns n"),
        (lambda t: t.replace(",137,", ",many,"), "line 2: baseline_tok_s must be a number"),
        (lambda t: t.replace(",554,", ",-1,"), "line 3: baseline_tok_s must be a number above 0"),
        (lambda t: t.replace(",10.01,5,", ",10.01,1,"), "n below 2"),
        (lambda t: "", "cannot be read as a table"),
    ],
)
def test_a_table_that_cannot_be_audited_is_refused(change, message, tmp_path):
    path = tmp_path / "published.csv"
    path.write_text(change(PUBLISHED.read_text()))
    with pytest.raises(AuditError, match=message):
        read_published(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(AuditError, match="cannot be read"):
        read_published(tmp_path / "none.csv")


def test_the_published_file_has_the_documented_columns():
    assert PUBLISHED.read_text().splitlines()[0].split(",") == COLUMNS
