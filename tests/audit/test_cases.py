"""Public tables, each with what can rightly be said of it and what cannot."""

from pathlib import Path

import pytest

from ablation.audit.by_row import can, cannot
from ablation.audit.judge import audit
from ablation.audit.read import read_published
from ablation.audit.statements import statements
from ablation.report import render_html, render_markdown
from ablation.report.audit import build_context, tally
from tests.report.test_report import check

CASES = Path(__file__).parent / "cases"
PUBLISHED = Path(__file__).parents[2] / "config" / "published"


def audited(path):
    return audit(read_published(path))


def case(name):
    return audited(CASES / f"{name}.csv")


def texts(result):
    return " ".join(statement.text for statement in statements(result))


@pytest.mark.parametrize(
    "path", sorted([*CASES.glob("*.csv"), *PUBLISHED.glob("*.csv")]), ids=lambda path: path.stem
)
def test_no_correct_rounding_is_called_a_contradiction(path):
    result = audited(path)
    assert [row for row in result.rows if row.agrees is False] == []
    assert "does not follow" not in texts(result)


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.csv")), ids=lambda path: path.stem)
def test_each_row_of_a_shipped_table_says_what_it_supports_or_what_it_does_not(path):
    result = audited(path)
    assert result.table.title
    assert result.table.source
    for row in result.rows:
        assert can(row, result) or cannot(row, result)
        assert bool(row.why_not) == (row.verdict == ("", ""))


def test_three_runs_without_a_spread_say_which_spread_would_decide():  # a1
    result = case("a1-inferencex-1531")
    assert tally(result) == "All 6 rows: not to be decided from what is printed."
    # Welch with two CoVs of this size, at the strictest step of Holm over six levels, is just significant.
    last = result.rows[-1]
    assert last.resolving_cov_percent == pytest.approx(4.99, abs=0.02)
    assert "3 runs an arm, and no spread is printed" in cannot(last, result)
    assert "the number of requests is not printed" in texts(result)
    assert "not observed" in texts(result)


def test_medians_of_three_scatter_more_than_means_of_three():
    mean, median = case("a1-inferencex-1531"), audited(PUBLISHED / "inferencex-1531.csv")
    ratios = [
        a.noise_cov_percent / b.noise_cov_percent
        for a, b in zip(mean.rows, median.rows, strict=True)
    ]
    # The variance of the median of three normal values is 0.4487 (David and Nagaraja 2003), of their mean 1/3.
    assert ratios == pytest.approx([(0.4487 * 3) ** 0.5] * 6, rel=1e-3)
    assert "medians of 3 runs" in texts(median)


def test_with_an_assumed_spread_the_large_differences_stand():  # a1b
    words = [row.verdict for row in case("a1b-inferencex-1531-assumed").rows]
    assert words[:2] == [("inconclusive", "inconclusive"), ("faster", "inconclusive")]
    assert set(words[2:]) == {("faster", "faster")}


@pytest.mark.parametrize("name", ["a2-vllm-54742", "a2b-vllm-54742-row1"])
def test_two_runs_are_never_judged_and_it_is_said(name):
    result = case(name)
    assert {row.verdict for row in result.rows} == {("", "")}
    assert "two runs of an arm are never judged" in texts(result)


def test_raw_repeats_and_unequal_n_are_taken():  # a2, as it was printed
    two, one = audited(PUBLISHED / "vllm-54742.csv").rows
    assert [printed.text for printed in two.row.baseline.repeats] == ["9.11", "9.21"]
    assert two.difference_percent == pytest.approx(100 * (9.485 / 9.16 - 1), abs=0.01)
    assert (one.row.baseline.n, one.row.arm.n) == (1, 2)
    assert (two.why_not, one.why_not) == ("two runs", "one run")


@pytest.mark.parametrize("name", ["a3-sglang-39273", "a3b-sglang-39273-n1"])
def test_one_run_supports_nothing_whatever_spread_is_assumed(name):
    result = case(name)
    assert {row.why_not for row in result.rows} == {"one run"}
    assert "All 7 rows: one run of an arm supports nothing beyond itself" in texts(result)


def test_pairs_are_used():  # a7
    (row,) = audited(PUBLISHED / "aiter-5586.csv").rows
    assert row.verdict == ("faster", "faster")
    # Two degrees of freedom; the spread of the ratios lies between 1.449 - 0.309 and 1.449 + 0.309 %.
    assert row.half_width_percent == pytest.approx(
        (4.3027 * 1.140 / 3**0.5, 4.3027 * 1.758 / 3**0.5), rel=1e-3
    )
    assert "3 pairs cannot go below p = 0.25" in texts(audited(PUBLISHED / "aiter-5586.csv"))
    (unpaired,) = case("a7-aiter-5586").rows
    assert unpaired.verdict == ("faster", "faster")
    assert not unpaired.paired_by


def test_equal_runs_say_what_they_could_resolve():  # a9
    assert "6 runs with this spread resolve differences above 3.0 %" in texts(
        case("a9-noise-floor")
    )
    result = audited(PUBLISHED / "qwen38-noise-floor.csv")
    (row,) = result.rows
    assert "differ by up to 3.0 points without any effect" in can(row, result)
    assert "no second arm" in cannot(row, result)


def test_ratios_alone_are_read_and_decide_nothing():
    result = audited(PUBLISHED / "vllm-blog-mha.csv")
    assert len(result.rows) == 18
    assert {row.why_not for row in result.rows} == {"n not printed"}
    (equal,) = (row for row in result.rows if row.row.slowdown.text == "1.00")
    assert equal.direction_open
    assert equal.rounding_percent == pytest.approx((-0.498, 0.503), abs=0.001)
    slow = max(result.rows, key=lambda row: row.noise_cov_percent)
    assert slow.row.slowdown.text == "4.36"
    assert slow.difference_percent == pytest.approx(100 * (1 / 4.36 - 1))


ATTACK = "<script>alert(1)</script>|`x`"


def test_the_page_says_it_and_what_comes_in_stays_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f'# title: {ATTACK}\nmodel,baseline_tok_s,arm_tok_s\n"{ATTACK}",100,101\n')
    context = build_context(audited(path), "t.csv")
    html, markdown = render_html(context), render_markdown(context)
    check(html)
    assert "<script>alert" not in html
    assert "<script" not in markdown
    for text in (html, markdown):
        assert "The one row: not to be decided from what is printed" in text
        assert "no concurrency is printed" in text
        assert "factor" not in text.split("What this table supports")[0].split("<body>")[-1]


def test_differences_alone_are_read_as_printed():
    result = audited(PUBLISHED / "inferencex-1951.csv")
    assert [row.difference_percent for row in result.rows] == [5.6, 7.1, 6.6, 10.8, 17.5, 4.9]
    assert "neither the number of runs nor their spread is printed" in texts(result)
    assert all(row.agrees is None for row in result.rows)


def test_two_rows_are_both():
    assert tally(case("a2-vllm-54742")) == "Both rows: not to be decided from what is printed."
