"""Derive one run's parquet from its raw record; where its launch failed, from the failure."""

from pathlib import Path

from ablation.job import job
from ablation.plan.schedule import Schedule
from ablation.run.derive import derive_failed, derive_run
from ablation.session.session import record_of
from ablation.session.store import Store

if __name__ == "__main__":
    with job(snakemake):
        schedule = Schedule.from_config(snakemake.config)
        study, wildcards = schedule.study, snakemake.wildcards
        run_hash, path = snakemake.params.run_hash, Path(snakemake.output[0])
        found = record_of(Path(snakemake.input[0]), run_hash)
        if isinstance(found, str):
            derive_run(
                Store(schedule.results / "store"),
                found,
                path,
                study=study.study,
                gates=snakemake.params.gates,
                slo=snakemake.params.slo,
                claim=schedule.session(wildcards).claim,
            )
        else:
            identity = {
                "study": study.study,
                "model": wildcards.model,
                "arm": wildcards.arm,
                "block": int(wildcards.block),
                "concurrency": int(wildcards.level),
                "run_hash": run_hash,
            }
            derive_failed(path, found, identity=identity)
