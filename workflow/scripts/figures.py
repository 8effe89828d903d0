"""Draw one figure; which one is the name of the output."""

from pathlib import Path

from ablation.figures import draw_difference, draw_throughput, save
from ablation.job import job
from ablation.plan.schedule import Schedule
from ablation.statistics import tables


def main(plan: dict, arms: Path, comparisons: Path, output: Path) -> None:
    table = tables.read(comparisons)
    if output.stem == "throughput":
        figure = draw_throughput(tables.read(arms), table, plan)
    else:
        figure = draw_difference(table, plan)
    save(figure, output)


if __name__ == "__main__":
    with job(snakemake):
        main(
            Schedule.from_config(snakemake.config).plan,
            Path(snakemake.input.arms),
            Path(snakemake.input.comparisons),
            Path(snakemake.output[0]),
        )
