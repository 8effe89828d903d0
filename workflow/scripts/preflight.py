"""Check the study against this machine, before any server starts."""

from pathlib import Path

from ablation.job import job
from ablation.plan.schedule import Schedule
from ablation.session.preflight import preflight
from ablation.session.store import write_json

if __name__ == "__main__":
    with job(snakemake):
        schedule = Schedule.from_config(snakemake.config)
        write_json(Path(snakemake.output[0]), preflight(schedule.study, schedule.plan))
