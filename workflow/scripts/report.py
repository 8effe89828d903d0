"""Write the report, as one HTML file and as Markdown."""

import sys
from pathlib import Path

import pandas as pd

from ablation.audit.judge import audit
from ablation.audit.read import read_published
from ablation.files import read_json, write_text
from ablation.job import job
from ablation.places import here_or_home
from ablation.plan.plan import read_plan
from ablation.plan.schedule import Schedule
from ablation.report import build_context, render_html, render_markdown
from ablation.statistics import tables
from ablation.study.config import Study


def audit_of(study: Study) -> dict:
    """The audit of the published table that the study names, for the report; nothing where it names none."""
    if study.published is None:
        return {}
    design = study.design
    table = read_published(here_or_home(study.published))
    found = audit(
        table, margin_percent=design.equivalence_margin_percent, confidence=design.confidence
    )
    return {"audit": found, "audit_source": study.published}


if __name__ == "__main__":
    with job(snakemake):
        context = build_context(
            read_plan(Path(snakemake.input.plan)),
            [read_json(Path(path)) for path in snakemake.input.sessions],
            pd.read_parquet(snakemake.input.runs),
            tables.read(Path(snakemake.input.arms)),
            tables.read(Path(snakemake.input.comparisons)),
            {Path(path).stem: Path(path) for path in snakemake.input.figures},
            variability=tables.read(Path(snakemake.input.variability)),
            position=tables.read(Path(snakemake.input.position)),
            decisions=tables.read(Path(snakemake.input.decisions)),
            accuracy=tables.read(Path(snakemake.input.accuracy)),
            probes=[read_json(Path(path)) for path in snakemake.params.probes],
            **audit_of(Schedule.from_config(snakemake.config).study),
        )
        write_text(Path(snakemake.output.html), render_html(context))
        write_text(Path(snakemake.output.markdown), render_markdown(context))
        print(f"\nreport: {snakemake.output.html}\n", file=sys.stderr)
