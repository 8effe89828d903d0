"""Write the evidence of one launch of a sitting."""

from pathlib import Path

from ablation.files import read_json, write_json
from ablation.job import job
from ablation.plan.schedule import Schedule
from ablation.session.session import session_evidence
from ablation.session.store import Store

if __name__ == "__main__":
    with job(snakemake):
        schedule = Schedule.from_config(snakemake.config)
        sitting = read_json(Path(snakemake.input[0]))
        evidence = session_evidence(
            schedule.study,
            schedule.session(snakemake.wildcards),
            Store(schedule.results / "store"),
            sitting,
        )
        write_json(Path(snakemake.output[0]), evidence)
