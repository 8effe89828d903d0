"""Measure what the store lacks of one block; write which sitting and which records hold for it."""

from pathlib import Path

from ablation.files import write_json
from ablation.job import end_with, job
from ablation.plan.schedule import Schedule
from ablation.session.progress import Position, Progress, open_streams
from ablation.session.server import began, snakemake_ancestors
from ablation.session.store import Store
from ablation.sitting.measure import run_sitting
from ablation.sitting.outlook import outlook

if __name__ == "__main__":
    with job(snakemake) as log:
        watched = snakemake_ancestors()
        end_with(watched)
        schedule = Schedule.from_config(snakemake.config)
        store = Store(schedule.results / "store")
        position = Position(schedule.plan, store, outlook(schedule.plan, store))
        evidence = run_sitting(
            schedule.study,
            schedule.block(snakemake.wildcards),
            store,
            lambda session: Progress(open_streams(log), position.head(session)),
            watched=watched,
            launch=not schedule.stored,
            same_arm=[s for s in schedule.plan.sessions if s.model == snakemake.wildcards.model],
            since_s=began(watched),
        )
        write_json(Path(snakemake.output[0]), evidence | {"attempt": snakemake.params.attempt})
