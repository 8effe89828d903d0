"""Compare the arms."""

from pathlib import Path

import pandas as pd

from ablation.job import job
from ablation.plan.schedule import Schedule
from ablation.statistics import compare, summarise, tables

if __name__ == "__main__":
    with job(snakemake):
        plan = Schedule.from_config(snakemake.config).plan
        runs = pd.read_parquet(snakemake.input[0])
        names = {"study": plan["study"], "config_hash": plan["config_hash"]}
        tables.write(summarise(runs, plan), tables.ARMS, Path(snakemake.output.arms), **names)
        tables.write(
            compare(runs, plan), tables.COMPARISONS, Path(snakemake.output.comparisons), **names
        )
