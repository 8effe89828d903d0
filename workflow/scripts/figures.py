"""Draw one figure; which one is the rule's parameter."""

from pathlib import Path

from ablation.figures.registry import draw
from ablation.figures.style import save
from ablation.job import job
from ablation.plan.schedule import Schedule

if __name__ == "__main__":
    with job(snakemake):
        plan = Schedule.from_config(snakemake.config).plan
        figure = draw(snakemake.params.figure, plan, dict(snakemake.input.items()))
        for path in snakemake.output:
            save(figure, Path(path))
