"""Audit a published table: what its numbers support, from the table alone."""

import sys
from pathlib import Path

from ablation.audit.judge import audit
from ablation.audit.read import read_published
from ablation.job import job
from ablation.report import render_html, render_markdown
from ablation.report.audit import build_context

if __name__ == "__main__":
    with job(snakemake):
        path = Path(snakemake.input.table)
        context = build_context(audit(read_published(path)), snakemake.params.source)
        Path(snakemake.output.html).write_text(render_html(context), encoding="utf-8")
        Path(snakemake.output.markdown).write_text(render_markdown(context), encoding="utf-8")
        print(f"\naudit: {snakemake.output.html}\n", file=sys.stderr)
