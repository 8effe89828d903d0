"""Check the study against this machine, before any server starts."""

import os
import sys
from pathlib import Path

from ablation.files import write_json
from ablation.job import job
from ablation.plan.schedule import Schedule
from ablation.session.preflight import preflight
from ablation.study.oversights import shell_oversights

if __name__ == "__main__":
    with job(snakemake) as log:
        schedule = Schedule.from_config(snakemake.config)
        found = preflight(schedule.study, schedule.plan, schedule.entries)
        warnings = shell_oversights(schedule.study, os.environ)
        if warning := found.get("arguments", {}).get("warning"):
            warnings.append(warning)
        for warning in warnings:
            for stream in (log, sys.stderr):
                print(warning, file=stream, flush=True)
        write_json(Path(snakemake.output[0]), found)
