"""Audit a published table: what its numbers support, from the table alone."""

import sys
from pathlib import Path

from ablation.audit.judge import audit
from ablation.audit.read import read_published
from ablation.files import write_text
from ablation.job import job
from ablation.report import render_html, render_markdown
from ablation.report.audit import build_context

if __name__ == "__main__":
    with job(snakemake):
        path = Path(snakemake.input.table)
        context = build_context(audit(read_published(path)), snakemake.params.source)
        write_text(Path(snakemake.output.html), render_html(context))
        write_text(Path(snakemake.output.markdown), render_markdown(context))
        print(f"\naudit: {snakemake.output.html}\n", file=sys.stderr)
