"""Compare two finished studies, from their results folders."""

import sys
from pathlib import Path

from ablation.compare.content import build_context
from ablation.compare.contrast import absolute, contrast, write
from ablation.compare.finished import read_finished
from ablation.compare.folders import split_pair
from ablation.files import write_text
from ablation.job import job
from ablation.report import render_html, render_markdown

if __name__ == "__main__":
    with job(snakemake):
        first, second = map(read_finished, split_pair(snakemake.wildcards.pair, Path("results")))
        table = contrast(first, second)
        context = build_context(first, second, table, absolute(first, second))
        write(table, Path(snakemake.output.parquet), first, second)
        write_text(Path(snakemake.output.html), render_html(context))
        write_text(Path(snakemake.output.markdown), render_markdown(context))
        print(f"\ncomparison: {snakemake.output.html}\n", file=sys.stderr)
