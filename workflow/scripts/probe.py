"""Try one arm; write what happened, as JSON and as text."""

from pathlib import Path

from ablation.files import write_json, write_text
from ablation.job import end_with, job
from ablation.plan.schedule import Schedule
from ablation.probe.run import run_probe
from ablation.probe.text import probe_text
from ablation.session.progress import Progress, open_streams
from ablation.session.server import snakemake_ancestors
from ablation.session.store import Store

if __name__ == "__main__":
    with job(snakemake) as log:
        watched = snakemake_ancestors()
        end_with(watched)
        schedule = Schedule.from_config(snakemake.config)
        probe = schedule.probe(snakemake.wildcards)
        progress = Progress(open_streams(log), f"probe {probe.id}:")
        store = Store(schedule.results / "store")
        record = run_probe(schedule.study, probe, store, progress, watched=watched)
        write_text(Path(snakemake.output.text), probe_text(record))
        write_json(Path(snakemake.output.record), record)
