"""Cautions of the support catalogue stand in the report's constraints, as text."""

from dataclasses import replace

from ablation.plan.plan import Cautioned
from ablation.report.doubt import constraints
from tests.synthetic import make_plan


def test_a_caution_stands_with_its_arms_and_its_source():
    caution = Cautioned(
        model="gqa-small",
        arms=["on"],
        reason="Attention stays what it is.",
        source="pull request 36702",
        condition="vLLM >=0.19",
    )
    plan = replace(make_plan(), cautions=[caution])
    rows = [[cell.text for cell in row] for row in constraints(plan).tables[0].rows]
    assert rows[-1] == [
        "GQA small", "AITER on", "caution", "Attention stays what it is.", "vLLM >=0.19", "pull request 36702",
    ]  # fmt: skip
    assert len(rows) == len([r for r in rows if r[2] != "caution"]) + 1


def test_a_plan_without_cautions_reads_as_before():
    assert all(row[2].text != "caution" for row in constraints(make_plan()).tables[0].rows)
