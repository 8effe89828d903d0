"""Probes stand beside the catalogue's claims; one that contradicts a claim is said first."""

from ablation.report import build_context, render_html, render_markdown
from ablation.report.doubt import constraints
from ablation.statistics import compare, summarise
from tests.synthetic import make_plan, make_runs

PROBE = {
    "model": "mla-small",
    "arm": "on",
    "text": "145.27 GiB loaded, died at graph capture: AITER has no kernel for this shape",
    "failure": {"id": "aiter-no-kernel"},
    "stale": False,
    "log": "results/mini/store/launch-1/server.log",
    "claim": {"status": "incompatible", "reason": "no kernel", "source": "s", "condition": "c"},
}
STALE = PROBE | {
    "text": "was ready after 9 s and answered 6 requests",
    "failure": None,
    "stale": True,
}
OTHER = PROBE | {"model": "gqa-small", "arm": "on", "claim": None}


def test_each_row_quotes_its_probe():
    table = constraints(make_plan(), [PROBE, OTHER]).tables[0]
    assert [column.title for column in table.columns][-1] == "Probe"
    assert all(len(row) == len(table.columns) for row in table.rows)
    first, *_, last = table.rows
    assert first[-1].text == PROBE["text"]
    assert first[-1].detail == "class aiter-no-kernel (results/mini/store/launch-1/server.log)"
    assert [cell.text for cell in last[:3]] == ["GQA small", "AITER on", "probed"]


def test_without_probes_there_is_no_column():
    assert [c.title for c in constraints(make_plan()).tables[0].columns][-1] == "Source"


def test_a_stale_entry_is_said():
    section = constraints(make_plan(), [STALE])
    (sentence,) = section.sentences
    assert sentence.startswith("The catalogue's entry on MLA small with AITER on is stale")
    assert section.tables[0].rows[0][-1].kind == "bad"


def test_a_probe_is_text_in_the_report():
    plan, attack = make_plan(), "<script>alert(1)</script>"
    runs = make_runs(plan)
    probe = PROBE | {"text": attack, "log": attack}
    context = build_context(
        plan, [], runs, summarise(runs, plan), compare(runs, plan), {}, probes=[probe]
    )
    assert "<script>alert" not in render_html(context)
    assert "<script" not in render_markdown(context)
