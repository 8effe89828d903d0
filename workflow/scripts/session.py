"""Measure what the store lacks of one session; write the session's evidence."""

from pathlib import Path

from ablation.job import end_with, job
from ablation.plan.schedule import Schedule
from ablation.session.progress import Progress, open_streams, position
from ablation.session.server import snakemake_ancestors
from ablation.session.session import run_session
from ablation.session.store import Store, write_json

if __name__ == "__main__":
    with job(snakemake) as log:
        watched = snakemake_ancestors()
        end_with(watched)
        schedule = Schedule.from_config(snakemake.config)
        session = schedule.session(snakemake.wildcards)
        store = Store(schedule.results / "store")
        progress = Progress(open_streams(log), position(schedule.plan, session.id, store))
        evidence = run_session(
            schedule.study, session, store, progress, watched=watched, launch=not schedule.stored
        )
        write_json(Path(snakemake.output[0]), evidence)
