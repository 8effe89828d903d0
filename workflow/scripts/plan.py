"""Write the plan of the study, as JSON and as text."""

from pathlib import Path

from ablation.files import write_text
from ablation.job import job
from ablation.plan.plan import plan_json
from ablation.plan.schedule import Schedule
from ablation.plan.text import plan_text


def main(schedule: Schedule, plan: Path, text: Path) -> None:
    write_text(plan, plan_json(schedule.plan))
    write_text(text, plan_text(schedule.plan))


if __name__ == "__main__":
    with job(snakemake):
        main(
            Schedule.from_config(snakemake.config),
            Path(snakemake.output.plan),
            Path(snakemake.output.text),
        )
