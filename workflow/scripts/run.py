"""Derive one run's parquet from its raw record."""

from pathlib import Path

from ablation.job import job
from ablation.plan.schedule import Schedule
from ablation.run.derive import derive_run
from ablation.session.session import record_of
from ablation.session.store import Store

if __name__ == "__main__":
    with job(snakemake):
        schedule = Schedule.from_config(snakemake.config)
        derive_run(
            Store(schedule.results / "store"),
            record_of(Path(snakemake.input[0]), snakemake.params.run_hash),
            Path(snakemake.output[0]),
            study=schedule.study.study,
            gates=snakemake.params.gates,
            slo=snakemake.params.slo,
            claim=schedule.session(snakemake.wildcards).claim,
        )
