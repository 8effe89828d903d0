"""Compare the arms."""

from pathlib import Path

import pandas as pd

from ablation.job import job
from ablation.plan.schedule import Schedule
from ablation.statistics import compare, summarise, tables
from ablation.statistics.multiplicity import PROCEDURE
from ablation.statistics.position import position
from ablation.statistics.sequential import decide
from ablation.statistics.variability import variability

if __name__ == "__main__":
    with job(snakemake):
        plan = Schedule.from_config(snakemake.config).plan
        runs = pd.read_parquet(snakemake.input[0])
        names = {"study": plan.name, "config_hash": plan.config_hash}
        out = {name: Path(path) for name, path in snakemake.output.items()}
        tables.write(summarise(runs, plan), tables.ARMS, out["arms"], **names)
        adjusted = names | {"adjusted_by": PROCEDURE}
        tables.write(compare(runs, plan), tables.COMPARISONS, out["comparisons"], **adjusted)
        tables.write(variability(runs, plan), tables.VARIABILITY, out["variability"], **names)
        tables.write(position(runs, plan), tables.POSITION, out["position"], **names)
        looks = decide(runs, plan) if plan.study.design.sequential is not None else pd.DataFrame()
        tables.write(looks, tables.DECISIONS, out["decisions"], **adjusted)
