"""What the report says of verdicts that are withheld, of exclusions, of places in a block and of tail quantiles."""

import re

import pandas as pd
import pytest

from ablation.report import build_context, render_html, render_markdown
from ablation.report.content import NONE
from ablation.statistics import PRIMARY, compare, summarise, tables
from ablation.statistics.position import position
from ablation.statistics.sequential import decide
from ablation.statistics.variability import variability
from ablation.statistics.verdict import Doubt
from tests.synthetic import make_plan, make_runs


def reported(plan, runs, tmp_path, doubts=(), **more):
    """The report as HTML and Markdown, its tables through parquet as in the workflow."""
    made = {
        "arms": (summarise(runs, plan), tables.ARMS),
        "comparisons": (compare(runs, plan, doubts), tables.COMPARISONS),
        "variability": (variability(runs, plan), tables.VARIABILITY),
        "position": (position(runs, plan), tables.POSITION),
    }
    read = {}
    for name, (frame, schema) in made.items():
        tables.write(frame, schema, tmp_path / f"{name}.parquet")
        read[name] = tables.read(tmp_path / f"{name}.parquet")
    arms, comparisons = read.pop("arms"), read.pop("comparisons")
    context = build_context(plan, [], runs, arms, comparisons, {}, **read, **more)
    return render_html(context), render_markdown(context)


def lost(runs, arm, blocks, gate, level=4, factor=1.0):
    runs = runs.copy()
    rows = runs.index[
        (runs["model"] == "gqa-small")
        & (runs["arm"] == arm)
        & (runs["concurrency"] == level)
        & runs["block"].isin(blocks)
    ]
    runs.loc[rows, PRIMARY] *= factor
    for i in rows:
        runs.at[i, "usable"] = False
        runs.at[i, "gates_failed"] = [gate]
        runs.at[i, "gate_texts"] = [f"{gate} failed"]
    return runs


def first_lines(markdown):
    """The section of the verdict."""
    return re.search(r"^## Verdict\n(.*?)^## ", markdown, re.M | re.S)[1]


def test_a_withheld_verdict_says_why_in_the_first_lines_with_both_numbers(tmp_path):
    plan = make_plan(blocks=8)
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.3)
    html, markdown = reported(plan, lost(runs, "off", [2, 5], "throttling", factor=1.5), tmp_path)
    said = first_lines(markdown)
    assert (
        "no verdict at concurrency 4, withheld: gates took out no runs of the arm and 2 of the"
        in said
    )
    assert re.search(r"faster at \+\d\.\d % .* without them, inconclusive at -", said)
    assert "with both put back" in said
    assert "use AITER on at concurrency 1 and 16" in said
    assert '<td class="withheld' in html.replace('<td class="num withheld', '<td class="withheld')
    assert "5 of 6" not in said
    # A withheld verdict is not one of those that are settled.
    assert "2 of 3 throughput comparisons have a verdict" in markdown


def test_exclusions_that_decide_nothing_are_said_beside_the_verdict(tmp_path):
    plan = make_plan(blocks=8)
    runs = lost(make_runs(plan, effect_percent=9.0, cov_percent=0.4), "on", [2], "steady_state")
    html, markdown = reported(plan, runs, tmp_path)
    words = (
        "GQA small, AITER on at concurrency 4: gates took out 1 run of the arm and none of the baseline's; "
        "with it put back it is faster at"
    )
    assert words in first_lines(markdown)
    assert "excluded: 1 of the arm, 0 of the baseline" in html
    assert words in html.replace("&#39;", "'")


def test_a_doubt_of_the_caller_stands_in_the_first_lines(tmp_path):
    plan = make_plan()
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.3)
    doubt = Doubt("gqa-small", "on", "two builds of the server")
    said = first_lines(reported(plan, runs, tmp_path, [doubt])[1])
    assert (
        "GQA small: no verdict at every concurrency measured, withheld: two builds of the server."
        in said
    )
    assert "use AITER" not in said


def test_one_launch_of_two_reads_as_such(tmp_path):
    """It read "1 1 left out"."""
    plan = make_plan(blocks=2)
    _, markdown = reported(plan, lost(make_runs(plan), "on", [1], "failures"), tmp_path)
    assert "| 1 (1 left out) |" in markdown
    assert "1 1 left out" not in markdown


def test_the_procedure_has_its_name(tmp_path):
    html, markdown = reported(make_plan(), make_runs(make_plan()), tmp_path)
    for text in (html, markdown):
        assert "adjusted over the levels by step-down max-t" in text
        assert "p (adjusted)" in text
        assert "Holm" not in text


@pytest.mark.parametrize("slower", [0.0, 3.0])
def test_the_place_in_the_block_has_its_table_and_a_warning_where_it_is_large(tmp_path, slower):
    plan = make_plan(blocks=8)
    runs = make_runs(plan, cov_percent=0.3)
    for block in range(1, 9):
        first, second = ("on", "off") if block % 2 else ("off", "on")
        for arm, minute in ((first, 0), (second, 10)):
            rows = (runs["block"] == block) & (runs["arm"] == arm) & (runs["model"] == "gqa-small")
            at = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(hours=block, minutes=minute)
            runs.loc[rows, "started_at"] = at
            runs.loc[rows, "ended_at"] = at + pd.Timedelta(minutes=4)
            if not minute:
                runs.loc[rows, PRIMARY] *= 1 - slower / 100
    _, markdown = reported(plan, runs, tmp_path)
    assert "Output throughput by the launch's place in its block, against the first" in markdown
    assert re.search(
        r"\| GQA small \| 2 \| 8 \| [+-]\d\.\d\d % .* \| AITER off 4, AITER on 4 \| yes \|",
        markdown,
    )
    warned = "launches in place 2 of a block differ from the first ones by +3." in markdown
    assert warned is (slower > 0)


def test_a_study_that_cannot_tell_places_says_so_in_its_table(tmp_path):
    plan = make_plan()
    _, markdown = reported(plan, make_runs(plan), tmp_path)
    row = (
        rf"\| GQA small \| 2 \| 6 \| {NONE} \| {NONE} \| AITER off 6, AITER on 0 \| no \| {NONE} \|"
    )
    assert re.search(row, markdown)


def test_a_tail_quantile_is_printed_with_the_confidence_of_its_observations(tmp_path):
    plan = make_plan(levels=(4,))
    _, markdown = reported(plan, make_runs(plan, requests=400), tmp_path)
    assert "| p99 time to first token (400 a run: 98.2 %) |" in markdown
    assert "| p90 end-to-end latency (400 a run: &gt; 99.9 %) |" in markdown
    assert "| p50 time to first token |" in markdown
    assert "where 95 % confidence can be had" in markdown
    assert "29 observations for a p90, 299 for a p99" in markdown
    assert "662 for a p99" in markdown
    _, few = reported(plan, make_runs(plan, requests=200), tmp_path)
    assert "| p99 time to first token |" in few
    assert "not printed: 6 with too few observations (a p99 takes 299, here 200)" in few


def test_a_study_of_a_a_alone_says_that_nothing_could_be_decided_early(tmp_path):
    plan = make_plan(arms=("off", "off-again"), blocks=8, sequential=True)
    runs = make_runs(plan)
    _, markdown = reported(plan, runs, tmp_path, decisions=decide(runs, plan))
    assert (
        "GQA small: all blocks were measured, since nothing about it can be decided early: every other arm "
        "repeats the baseline's settings (A/A)."
    ) in markdown
    plain = make_plan()
    _, markdown = reported(plain, make_runs(plain), tmp_path, decisions=pd.DataFrame())
    assert "Stopping early" not in markdown
