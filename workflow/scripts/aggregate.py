"""Gather all runs in one table, and their latencies' distributions in another."""

from pathlib import Path

from ablation.aggregate.aggregate import aggregate, write_aggregate
from ablation.aggregate.distributions import Distributions
from ablation.job import job
from ablation.plan.schedule import Schedule

if __name__ == "__main__":
    with job(snakemake):
        plan = Schedule.from_config(snakemake.config).plan
        distributions = Distributions()
        table = aggregate([Path(p) for p in snakemake.input.runs], plan, distributions)
        write_aggregate(table, Path(snakemake.output.runs), plan)
        distributions.write(Path(snakemake.output.distributions), plan)
