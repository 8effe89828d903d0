"""Make a miniature model with random weights."""

from pathlib import Path

from ablation.job import job
from ablation.model.make import make_model
from ablation.places import executable
from ablation.plan.schedule import Schedule

if __name__ == "__main__":
    with job(snakemake) as log:
        schedule = Schedule.from_config(snakemake.config)
        make_model(
            executable(schedule.study.server.python),
            schedule.recipes()[snakemake.wildcards.recipe],
            Path(snakemake.output[0]).parent,
            Path(log.name),
        )
