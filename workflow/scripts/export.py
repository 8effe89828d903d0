"""Export the runs in long form, as parquet and CSV."""

from pathlib import Path

import pyarrow.parquet as pq

from ablation.export.tidy import tidy, write_tidy
from ablation.job import job
from ablation.plan.schedule import Schedule

if __name__ == "__main__":
    with job(snakemake):
        write_tidy(
            tidy(pq.read_table(snakemake.input[0]), Schedule.from_config(snakemake.config).plan),
            Path(snakemake.output.parquet),
            Path(snakemake.output.csv),
        )
