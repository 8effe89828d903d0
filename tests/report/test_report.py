"""The report: its numbers are the tables' rows, its text is only text, and odd studies are readable."""

import base64
import re
from dataclasses import replace
from html import escape as html_escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

import ablation
from ablation.audit.judge import audit
from ablation.audit.read import read_published
from ablation.figures.registry import FIGURES
from ablation.report import build_context, render_html, render_markdown
from ablation.report.content import seconds, significant
from ablation.report.limit import limit_figures
from ablation.report.render import escape_markdown, fence
from ablation.statistics import PRIMARY, compare, summarise, tables
from ablation.statistics.sequential import decide
from ablation.statistics.variability import variability
from tests.synthetic import make_plan, make_runs, make_sessions, relaunch, remodel, restudy

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
ATTACK = '<script>alert("1")</script>'
VOID = {"meta", "link", "img", "br", "hr", "input"}


@pytest.fixture
def figures(tmp_path):
    paths = {name: tmp_path / "figures" / f"{name}.svg" for name in ("difference", "throughput")}
    for path in paths.values():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(SVG)
    return paths


def reported(plan, runs, sessions, figures, tmp_path):
    """HTML and Markdown from tables that went through parquet, as in the workflow."""
    tables.write(summarise(runs, plan), tables.ARMS, tmp_path / "a.parquet")
    tables.write(compare(runs, plan), tables.COMPARISONS, tmp_path / "c.parquet")
    arms, comparisons = tables.read(tmp_path / "a.parquet"), tables.read(tmp_path / "c.parquet")
    context = build_context(plan, sessions, runs, arms, comparisons, figures)
    return render_html(context), render_markdown(context)


class Page(HTMLParser):
    """Checks nesting; collects ids, links, texts, and what would be fetched."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.ids, self.links, self.fetched, self.words = [], [], [], [], []
        self.scripts = 0
        self.feed(text)
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a":
            self.links.append(attrs["href"])
        self.scripts += tag == "script"
        self.fetched += [v for k, v in attrs.items() if k in ("src", "srcset", "data", "action")]
        assert not any(k.startswith("on") for k in attrs)
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def check(html):
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert all(url.startswith("data:image/") for url in page.fetched)
    assert page.scripts == 1
    return page


def test_every_number_of_the_level_table_is_a_row(figures, tmp_path):
    plan = make_plan()
    runs = make_runs(plan)
    html, markdown = reported(plan, runs, make_sessions(plan), figures, tmp_path)
    check(html)
    arms, comparisons = summarise(runs, plan), compare(runs, plan)
    for row in arms[arms["metric"] == PRIMARY].to_dict("records"):
        mean, low, high = (significant(row[name]) for name in ("mean", "low", "high"))
        assert f"{mean} <small>[{low}, {high}]</small>" in html
        assert escape_markdown(f"{mean} [{low}, {high}]") in markdown
    for row in comparisons[comparisons["metric"] == PRIMARY].to_dict("records"):
        size = f"{row['difference_percent']:+.2f} %"
        limits = f"[{row['low_percent']:+.2f}, {row['high_percent']:+.2f}]"
        assert f"{size} <small>{limits}</small>" in html
        assert escape_markdown(f"{size} {limits}") in markdown
        assert html_escape(row["text"]) in html
    assert "results/mini/statistics/comparisons.parquet" in html


def test_the_verdict_comes_first(figures, tmp_path):
    plan = make_plan()
    html, markdown = reported(plan, make_runs(plan), make_sessions(plan), figures, tmp_path)
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", html)
    assert titles[:2] == ["Verdict", "Throughput by model and concurrency"]
    assert re.findall(r"^## (.*)$", markdown, re.M) == titles
    first = html.index('class="verdict"')
    assert first < html.index('id="figure-difference"') < html.index('id="figure-throughput"')
    assert f"data:image/svg+xml;base64,{base64.b64encode(SVG).decode()}" in html
    assert "](../figures/throughput.svg)" in markdown


def poisoned():
    plan = remodel(make_plan(title=ATTACK, description=ATTACK), "gqa-small", title=ATTACK)
    arm = {"label": ATTACK, "env": {"NAME": ATTACK}, "args": {"name": ATTACK}}
    plan = restudy(plan, factor={"arms": {"on": arm}})
    first = replace(plan.excluded[0], reason=ATTACK, source=ATTACK, condition=ATTACK)
    plan = replace(plan, warnings=[ATTACK], excluded=[first, *plan.excluded[1:]])
    sessions = make_sessions(plan)
    for session in sessions:
        launch = session["launches"][0]
        launch |= {"warnings": [ATTACK], "backends": [f"| {ATTACK} ``` \n# no heading"]}
        launch["treatment"] |= {"found": [ATTACK], "passed": False, "text": ATTACK}
        launch["versions"] = {ATTACK: ATTACK}
        launch["stages"] = {ATTACK: 1.0}
        launch["exit"] = {"how": ATTACK, "code": None}
    plan = relaunch(plan, lambda _: {"command": ["vllm", ATTACK, "```"]})
    runs = make_runs(plan)
    runs.loc[0, "usable"] = False
    runs.at[0, "gates_failed"] = [ATTACK]
    runs.at[0, "gate_texts"] = [ATTACK]
    return plan, runs, sessions


def test_text_from_logs_and_config_stays_text(figures, tmp_path):
    html, markdown = reported(*poisoned(), figures, tmp_path)
    page = check(html)
    assert "<script>alert" not in html
    assert ATTACK in "".join(page.words)
    outside = re.sub(r"(`{3,})\n.*?\n\1", "", markdown, flags=re.S)
    assert "<script" not in outside
    # One line a row: nothing breaks out of its table.
    assert "\n# no heading" not in outside


def test_only_the_own_script_may_run(figures, tmp_path):
    plan = make_plan()
    html, _ = reported(plan, make_runs(plan), [], figures, tmp_path)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert "script-src 'sha256-" in policy[1]
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "https://" not in html


def test_failed_gates_and_missing_runs_are_shown(figures, tmp_path):
    plan = make_plan()
    runs = make_runs(plan)
    runs.loc[3, "usable"] = False
    runs.at[3, "gates_failed"] = ["concurrency", "client"]
    runs.at[3, "gate_texts"] = ["held 3.1 of 4 in flight", "the client took 97 % of a core"]
    html, markdown = reported(plan, runs.drop(index=[5, 6]), [], figures, tmp_path)
    check(html)
    for text in (html, markdown):
        assert "held 3.1 of 4 in flight" in text
        assert "the client took 97 % of a core" in text
        assert "51 of 52 runs count: no gate failed" in text
        assert "2 planned runs are missing" in text


def test_simulated_is_said_in_large_letters(figures, tmp_path):
    for simulated in (True, False):
        plan = make_plan(simulated=simulated)
        html, markdown = reported(plan, make_runs(plan), [], figures, tmp_path)
        assert ("<strong>SIMULATED</strong>" in html) is simulated
        assert ("> # SIMULATED" in markdown) is simulated


ODD = {
    "no comparison": make_plan(single_only=True),
    "one block": make_plan(blocks=1),
    "one level": make_plan(levels=(4,)),
    "three arms": make_plan(arms=("off", "on", "fa")),
    "200 levels": make_plan(levels=tuple(range(1, 201)), blocks=3),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_studies_have_readable_reports(odd, figures, tmp_path):
    plan = ODD[odd]
    html, markdown = reported(plan, make_runs(plan), make_sessions(plan), figures, tmp_path)
    page = check(html)
    assert "nan" not in re.findall(r"[a-z]+", " ".join(page.words).lower())
    assert len(html) < 5_000_000
    table_lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert table_lines
    if odd == "no comparison":
        assert "No verdict: no model ran the baseline and another arm" in html


def test_nothing_measured_yet(figures, tmp_path):
    plan = make_plan()
    html, _ = reported(plan, make_runs(plan).iloc[:0], [], figures, tmp_path)
    check(html)
    assert "0 of 54 planned runs are here" in html


def test_an_unproved_treatment_is_marked(figures, tmp_path):
    plan = make_plan()
    sessions = make_sessions(plan)
    sessions[1]["launches"][0]["treatment"] |= {"passed": False, "text": "fell back to TRITON"}
    html, _ = reported(plan, make_runs(plan), sessions, figures, tmp_path)
    assert "17 of 18 server launches proved their treatment" in html
    assert "fell back to TRITON" in html
    assert "5 of 6 launches" in html


def test_versions_that_changed_during_the_study_are_said(figures, tmp_path):
    plan = make_plan()
    sessions = make_sessions(plan)
    sessions[-1]["launches"][0]["versions"]["torch"] = "2.14.1"
    html, _ = reported(plan, make_runs(plan), sessions, figures, tmp_path)
    assert "Not the same in all launches: torch" in html


def test_runs_of_a_client_that_did_not_tell_its_version_are_told_apart(figures, tmp_path):
    """A study begun before the client's version was recorded, and resumed after."""
    plan = make_plan()
    sessions = make_sessions(plan)
    sessions[-1]["launches"][0]["versions"]["client"] = "3"
    html, _ = reported(plan, make_runs(plan), sessions, figures, tmp_path)
    assert "Not the same in all launches: client" in html


def test_the_same_input_gives_the_same_report(figures, tmp_path):
    plan = make_plan()
    runs = make_runs(plan)
    first = reported(plan, runs, make_sessions(plan), figures, tmp_path)
    assert first == reported(plan, runs, make_sessions(plan), figures, tmp_path)


@pytest.mark.parametrize(
    ("value", "text"),
    [(6682.4, "6,682"), (137.25, "137.2"), (0.0123456, "0.01235"), (0, "0"), (12345678.9, "12,345,679"),
     (float("inf"), "∞"), (-0.5, "-0.5000")],
)  # fmt: skip
def test_significant(value, text):
    assert significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(4.25, "4.2 s"), (45, "45 s"), (720, "12 min"), (12240, "3.4 h")]
)
def test_seconds(value, text):
    assert seconds(value) == text


def test_a_fence_cannot_be_closed_from_within():
    text = "a\n```\n````\nb"
    fenced = fence(text)
    marks = fenced.splitlines()[0]
    assert len(marks) == 5
    assert marks not in text


def test_spread_early_stopping_and_audit_have_sections(figures, tmp_path):
    plan = make_plan(arms=("off", "on", "off-again"), blocks=10)
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.5)
    slow = (runs["arm"] == "on") & (runs["block"].isin([2, 5])) & (runs["concurrency"] == 4)
    runs.loc[slow, PRIMARY] *= 0.8
    published = Path(__file__).parents[2] / "config" / "published" / "aiter-ablation.csv"
    tables.write(variability(runs, plan), tables.VARIABILITY, tmp_path / "v.parquet")
    context = build_context(
        plan, make_sessions(plan), runs, summarise(runs, plan), compare(runs, plan), figures,
        variability=tables.read(tmp_path / "v.parquet"), decisions=decide(runs, plan),
        audit=audit(read_published(published)), audit_source="config/published/aiter-ablation.csv",
    )  # fmt: skip
    html, markdown = render_html(context), render_markdown(context)
    check(html)
    for text in (html, markdown):
        assert "blocks 2, 5 form a slower mode" in text
        assert "A/A floor, GQA small" in text
        assert "launches saved" in text
        assert "concurrency 200 and 500 were never reached" in text
        assert "not a regression, and not shown to be equal" in text


def test_every_claim_about_a_published_table_is_text_only(figures, tmp_path):
    published = Path(__file__).parents[2] / "config" / "published" / "aiter-ablation.csv"
    known = read_published(published)
    rows = tuple(replace(row, group=(ATTACK,)) for row in known.rows)
    table = replace(known, rows=rows)
    plan = make_plan()
    runs = make_runs(plan)
    context = build_context(
        plan, [], runs, summarise(runs, plan), compare(runs, plan), figures, audit=audit(table)
    )
    assert "<script>alert" not in render_html(context)
    assert "<script" not in render_markdown(context)


def test_blocks_saved_by_stopping_early_are_not_missing(figures, tmp_path):
    plan = make_plan(blocks=10, sequential=True)
    runs = make_runs(plan, effect_percent=6.0, cov_percent=0.3)
    runs = runs[(runs["block"] <= 6) | (runs["model"] != "gqa-small")]
    context = build_context(
        plan, [], runs, summarise(runs, plan), compare(runs, plan), figures,
        decisions=decide(runs, plan),
    )  # fmt: skip
    text = render_markdown(context)
    assert "planned runs are missing" not in text
    assert "66 of 66 planned runs are here" in text
    assert "8 launches saved" in text
    check(render_html(context))


def test_a_figure_too_large_for_the_page_is_named_with_its_file(figures, tmp_path, monkeypatch):
    monkeypatch.setattr(limit_figures, "__defaults__", (10,))
    plan = make_plan()
    html, markdown = reported(plan, make_runs(plan), [], figures, tmp_path)
    check(html)
    assert "<img" not in html
    assert "see <code>../figures/throughput.svg</code>" in html
    assert "](../figures/throughput.svg)" in markdown


def test_every_figure_names_a_section_that_there_is(figures, tmp_path):
    source = "".join(path.read_text() for path in Path(ablation.__path__[0]).rglob("*.py"))
    known = set(re.findall(r"""Section\(\s*"(\w+)",""", source))
    assert {"verdict", "levels", "latency", "gates"} <= known
    assert {entry.section for entry in FIGURES.values()} <= known
