"""Compare the answers of the arms."""

from pathlib import Path

from ablation.accuracy.verdicts import gather, judge, write_verdicts
from ablation.files import read_json
from ablation.job import job
from ablation.plan.schedule import Schedule

if __name__ == "__main__":
    with job(snakemake):
        schedule = Schedule.from_config(snakemake.config)
        plan = schedule.plan
        sessions = [read_json(Path(path)) for path in snakemake.input.sessions]
        verdicts = judge(plan, *gather(sessions, schedule.results / "store"))
        write_verdicts(
            verdicts,
            Path(snakemake.output[0]),
            study=plan.name,
            config_hash=plan.config_hash,
            settings=plan.study.accuracy.model_dump(),
        )
