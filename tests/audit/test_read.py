"""Reading a published table: the forms that people print, and what is refused, with its place and the remedy."""

import random
from pathlib import Path

import pytest

from ablation.audit.columns import column
from ablation.audit.judge import audit
from ablation.audit.read import read_published
from ablation.audit.statements import statements
from ablation.audit.table import AuditError, parse
from ablation.report import render_markdown
from ablation.report.audit import build_context

PUBLISHED = Path(__file__).parents[2] / "config" / "published"


def read(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_published(path)


@pytest.mark.parametrize(
    ("text", "value", "half"),
    [
        ("137", 137, 0.5), ("9.10", 9.1, 0.005), ("13,186", 13186, 0.5), ("1 653.5", 1653.5, 0.05),
        ("+4.1", 4.1, 0.05), ("\u22120.6", -0.6, 0.05), ("1e3", 1000, 500), (".5", 0.5, 0.05), (" 7 ", 7, 0.5),
    ],
)  # fmt: skip
def test_a_number_keeps_the_decimals_that_are_printed(text, value, half):
    printed = parse(text)
    assert printed.value == value
    assert printed.half_unit == pytest.approx(half)


def test_units_are_known():
    assert parse("6.35 req/s", ("req/s", "s")).value == 6.35
    assert parse("1.05x", ("x",)).value == 1.05


@pytest.mark.parametrize(
    ("heading", "kind", "side"),
    [
        ("baseline_tok_s", "value", "baseline"), ("Off (tok/s)", "value", "baseline"), ("AITER on", None, None),
        ("on", "value", "arm"), ("Throughput before", "value", "baseline"), ("cov_arm_high_percent", "cov", "arm"),
        ("sd_baseline", "sd", "baseline"), ("n_arm", "n", "arm"), ("arm_3", "value", "arm"),
        ("\u0394 %", "difference", ""),
        ("Concurrency", "level", ""), ("num_prompts", "requests", ""), ("slowdown", "slowdown", ""), ("m", None, None),
        ("output", None, None), ("tokens", None, None), ("baseline_s", None, None), ("p99_ttft_ms_new", "value", "arm"),
    ],
)  # fmt: skip
def test_headings_are_understood_or_not(heading, kind, side):
    found = column(heading)
    assert (found and found.kind, found and found.side) == (kind, side)


def test_forms_of_the_same_table_are_read_alike(tmp_path):
    wide = read(
        tmp_path,
        "concurrency,baseline_1,baseline_2,baseline_3,arm_1,arm_2,arm_3\n8,10.0,10.2,10.1,11.0,11.1,\n",
    )
    cells = read(tmp_path, "concurrency;off;on\n8;10.0 / 10.2 / 10.1;11.0 / 11.1\n")
    long = "concurrency,arm,run,tok_s\n" + "".join(
        f"8,{arm},{i},{value}\n"
        for arm, values in (("off", ("10.0", "10.2", "10.1")), ("on", ("11.0", "11.1")))
        for i, value in enumerate(values)
    )
    markdown = "| c | baseline | arm |\n|---|---:|---:|\n| c8 | 10.0/10.2/10.1 | 11.0/11.1 |\n"
    for other in (cells, read(tmp_path, long), read(tmp_path, markdown)):
        (row,), (expected,) = other.rows, wide.rows
        assert (row.level, row.baseline.repeats, row.arm.repeats) == (
            8, expected.baseline.repeats, expected.arm.repeats,
        )  # fmt: skip
    (judged,) = audit(wide).rows
    assert judged.why_not == "two runs"


def test_pairs_in_turn_are_compared_pair_by_pair(tmp_path):
    lines = ["concurrency,pair,baseline_tok_s,arm_tok_s"]
    lines += [f"8,{i},{100 + 10 * i}.0,{105 + 10.5 * i:.1f}" for i in range(4)]
    paired = read(tmp_path, "\n".join(lines))
    (row,) = audit(paired).rows
    assert row.verdict == ("faster", "faster")
    assert row.paired_by == "each pair"
    assert row.half_width_percent[1] < 0.2
    # The same numbers as independent runs: the drift of 10 a run drowns the 5 %.
    (independent,) = audit(read(tmp_path, "\n".join(lines).replace("pair", "run"))).rows
    assert independent.verdict == ("inconclusive", "inconclusive")


def test_pairs_without_partner_are_left_out_and_said(tmp_path):
    text = "concurrency,arm,pair,tok_s\n" + "".join(
        f"8,{arm},{i},{value}\n"
        for arm, pairs in (("off", (1, 2, 3, 4)), ("on", (2, 3, 4)))
        for i, value in ((i, 100 + i + (5 if arm == "on" else 0)) for i in pairs)
    )
    table = read(tmp_path, text)
    (row,) = table.rows
    assert [p.value for p in row.baseline.repeats] == [102, 103, 104]
    assert row.unpaired == 1
    assert any("have no partner" in s.text for s in statements(audit(table)))


def test_several_arms_against_a_named_baseline(tmp_path):
    text = "# baseline: fa\narm,concurrency,tok_s,sd_tok_s,n\ntriton,64,90,1,5\nfa,64,100,1,5\nunified,64,99,1,5\n"
    table = read(tmp_path, text)
    assert [row.group for row in table.rows] == [("triton",), ("unified",)]
    assert {row.baseline.value for row in table.rows} == {100}
    assert "The baseline is 'fa', as the comment says." in table.reading
    first, second = audit(table).rows
    assert first.verdict[1] == "slower"
    assert second.verdict[1] == "inconclusive"


def test_less_is_better_for_a_latency(tmp_path):
    table = read(
        tmp_path,
        "concurrency,baseline_ttft_ms,arm_ttft_ms,n,sd_baseline,sd_arm\n8,100.0,80.0,5,1.0,1.0\n",
    )
    assert audit(table).rows[0].verdict == ("faster", "faster")


def test_a_spread_that_rounding_hides_is_not_none(tmp_path):
    (row,) = audit(read(tmp_path, "concurrency,off,on\n1,10/10/10,11/11/11\n")).rows
    assert row.half_width_percent[0] > 5


def test_a_cov_printed_as_nought_is_what_rounds_to_it(tmp_path):
    text = "concurrency,off,on,n,cov_off_percent,cov_on_percent\n1,1000.0,1001.0,3,0.0,0.0\n"
    (row,) = audit(read(tmp_path, text)).rows
    assert row.row.arm.cov_percent == (0.0, 0.05)
    assert row.half_width_percent[0] < row.half_width_percent[1]


def test_the_digits_that_do_not_tell_the_direction(tmp_path):
    table = read(tmp_path, "concurrency,off,on,n\n1,57,57,1\n")
    assert any("do not even say which arm was ahead" in s.text for s in statements(audit(table)))


REFUSED = [
    ("", "is empty"),
    ("# source: nowhere\n", "is empty"),
    ("off,on\n", "line 1: the heading has no row"),
    (b"off,on\n\xff,1\n", "is not UTF-8 text"),
    (b"off,on\n1,\0\n", "NUL bytes"),
    ("model,off,on,m\na,1,2,3\n", "line 1: the column 'm' is not understood; rename it"),
    ("off,baseline,on\n1,2,3\n", "'off' and 'baseline' say the same"),
    ("off,on\n1,653,1,662\n", "line 2: 4 cells where the heading has 2; quote a number"),
    ("off,on\n137,many\n", "line 2, column 'on': 'many' is not a number"),
    ("off;on\n9,1;9,2\n", "line 2, column 'off': '9,1' is not a number; a decimal comma must be a point"),
    ("off,on\n-1,2\n", "line 2, column 'off': '-1' must be a number above 0"),
    ("off,on\nnan,2\n", "column 'off': 'nan' is not a number"),
    ("off,on\ninf,2\n", "column 'off': 'inf' is not a number"),
    ("off,on\n1e300,2\n", "beyond 1e\\+12"),
    (f"off,on\n{'9' * 300},2\n", "longer than 40 characters"),
    ("off,on\n35.68 ± 0.84,36\n", "a column of its own"),
    ("off,on,n\n1,2,0\n", "line 2, column 'n': '0' must be a whole number of at least 1"),
    ("off,on,n\n1,2,2.5\n", "column 'n': '2.5' must be a whole number"),
    ("off,on,n\n1/2,2/3,3\n", "column 'n': '3' does not agree with the 2 runs"),
    ("concurrency,off,on\n0,1,2\n", "column 'concurrency': '0' must be a whole number"),
    ("off,on,difference\n1,2,0.05\n", "may be a share or a percentage; rename the column to difference_percent"),
    ("off,on,difference_percent\n1,2,-100\n", "must be above -100 %"),
    ("off,on,cov_off\n1,2,0.01\n", "rename the column to cov_off_percent"),
    ("off,on,cov_off_percent\n1,2,-1\n", "must be at least 0"),
    ("off,on,cov_off_low_percent,cov_off_high_percent\n1,2,3,1\n", "above the high end"),
    ("off,on,cov_off_low_percent,cov_off_high_percent\n1,2,3,\n", "one end of a range"),
    ("off,on,sd_off\n1,2,99999\n", "column 'sd_off': '99999' is a CoV above 1000 %"),
    ("off,on,paired\n1,2,perhaps\n", "'perhaps' is neither yes nor no"),
    ("model,off,on\na,1,2\na,1,2\n", "line 3: repeats line 2"),
    ("model,off,on\na,,\n", "line 2: holds no value of either arm"),
    ("run,off,on\n1,1,2\n1,3,4\n", "line 3, column 'run': '1' stands in line 2 too"),
    ("arm,tok_s\n,1\n", "names no arm"),
    ("# baseline: c\narm,tok_s\na,1\nb,2\n", "'# baseline: c' is none of the arms a, b"),
    ("# baseline: a\noff,on\n1,2\n", "no column 'arm' holds names"),
    ("off_tok_s,on_ms\n1,2\n", "different metrics"),
    ('off,on\n"1,2\n', "line 2: cannot be split into cells"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_what_cannot_be_understood_is_refused_with_its_place(tmp_path, text, message):
    with pytest.raises(AuditError, match=message) as found:
        read(tmp_path, text)
    assert str(found.value).startswith(str(tmp_path / "t.csv"))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(AuditError, match="cannot be read"):
            read_published(path)


WORDS = [
    "",
    "0",
    "-1",
    "1e9",
    "nan",
    "x",
    "1,5",
    "±",
    "\u2028",
    "\0",
    '"',
    "|",
    "/",
    "1/2/3",
    "99999",
    "c4",
    "%",
    "yes",
    "\ud7ff",
]


@pytest.mark.parametrize("seed", range(300))
def test_a_mutated_table_is_read_or_refused_and_never_a_traceback(seed, tmp_path):
    """Cells replaced, lines doubled, lost, joined or cut, headings exchanged, from a seed."""
    rng = random.Random(seed)
    path = rng.choice(sorted(PUBLISHED.glob("*.csv")))
    lines = [line.split(",") for line in path.read_text().splitlines() if not line.startswith("#")]
    for _ in range(rng.randint(1, 3)):
        row = rng.randrange(len(lines))
        kind = rng.choice(["cell", "cell", "cell", "double", "lose", "cut", "heading"])
        if kind == "cell":
            lines[row][rng.randrange(len(lines[row]))] = rng.choice(WORDS)
        elif kind == "double":
            lines.insert(row, list(lines[row]))
        elif kind == "lose" and len(lines) > 1:
            del lines[row]
        elif kind == "cut":
            lines[row] = lines[row][: rng.randint(1, len(lines[row]))]
        else:
            rng.shuffle(lines[0])
    refused = ""
    try:
        table = read(tmp_path, "\n".join(",".join(line) for line in lines))
    except AuditError as error:
        refused = str(error)
    if refused:
        assert refused.startswith(str(tmp_path / "t.csv"))
        assert len(refused) < 700
        return
    result = audit(table)
    context = build_context(result, "t.csv")
    assert seed % 20 or render_markdown(context)
    for row in result.rows:
        # Nothing is decided without n, a spread and three runs.
        assert row.verdict == ("", "") or (row.n >= 3 and row.half_width_percent[1] > 0)


def test_a_pair_that_lacks_one_run_is_left_out_on_wide_lines_too(tmp_path):
    text = "pair,off,on\n1,100,105\n2,101,106\n3,150,\n4,102,107\n"
    (row,) = read(tmp_path, text).rows
    assert [p.value for p in row.baseline.repeats] == [100, 101, 102]
    assert (row.arm.n, row.unpaired) == (3, 1)
