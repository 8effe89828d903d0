"""Every registered figure stands in the report's section that the registry names."""

from ablation.audit.judge import audit
from ablation.audit.read import read_published
from ablation.figures.registry import FIGURES
from ablation.report import build_context
from ablation.statistics import compare, summarise
from ablation.statistics.variability import variability
from tests.figures.drawn import PUBLISHED
from tests.synthetic import make_plan, make_runs, make_sessions

# Sections that a study without telemetry does not have.
MEASURED_ONLY = {"energy", "roofline"}


def test_every_figure_is_shown_in_its_section(tmp_path):
    figures = {name: tmp_path / f"{name}.svg" for name in FIGURES}
    for path in figures.values():
        path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    plan = make_plan()
    runs = make_runs(plan)
    context = build_context(
        plan, make_sessions(plan), runs, summarise(runs, plan), compare(runs, plan), figures,
        variability=variability(runs, plan), audit=audit(read_published(PUBLISHED)),
        audit_source="a table",
    )  # fmt: skip
    shown = {
        figure.name: section.id for section in context["sections"] for figure in section.figures
    }
    wanted = {name: entry.section for name, entry in FIGURES.items()}
    assert wanted.items() >= shown.items()
    assert {wanted[name] for name in set(wanted) - set(shown)} <= MEASURED_ONLY
