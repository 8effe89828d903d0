"""Gather all runs in one table."""

from pathlib import Path

from ablation.aggregate.aggregate import aggregate, write_aggregate
from ablation.job import job
from ablation.plan.schedule import Schedule

if __name__ == "__main__":
    with job(snakemake):
        plan = Schedule.from_config(snakemake.config).plan
        write_aggregate(
            aggregate([Path(p) for p in snakemake.input.runs], plan),
            Path(snakemake.output[0]),
            plan,
        )
