"""Write the report, as one HTML file and as Markdown."""

import json
import sys
from pathlib import Path

import pandas as pd

from ablation.job import job
from ablation.report import build_context, render_html, render_markdown
from ablation.statistics import tables

if __name__ == "__main__":
    with job(snakemake):
        context = build_context(
            json.loads(Path(snakemake.input.plan).read_text(encoding="utf-8")),
            [
                json.loads(Path(path).read_text(encoding="utf-8"))
                for path in snakemake.input.sessions
            ],
            pd.read_parquet(snakemake.input.runs),
            tables.read(Path(snakemake.input.arms)),
            tables.read(Path(snakemake.input.comparisons)),
            {Path(path).stem: Path(path) for path in snakemake.input.figures},
        )
        Path(snakemake.output.html).write_text(render_html(context), encoding="utf-8")
        Path(snakemake.output.markdown).write_text(render_markdown(context), encoding="utf-8")
        print(f"\nreport: {snakemake.output.html}\n", file=sys.stderr)
