"""Look at one model's verdicts after so many blocks: settled, or more blocks?"""

from pathlib import Path

from ablation.aggregate.aggregate import aggregate
from ablation.files import write_json
from ablation.job import job
from ablation.plan.schedule import Schedule
from ablation.statistics.sequential import decide, stops

if __name__ == "__main__":
    with job(snakemake):
        schedule = Schedule.from_config(snakemake.config)
        runs = aggregate([Path(path) for path in snakemake.input.runs], schedule.plan).to_pandas()
        table = decide(runs, schedule.plan)
        model = snakemake.wildcards.model
        rows = table[table["model"] == model] if len(table) else table
        outcome = {
            "schema": "ablation.decision/1",
            "model": model,
            "blocks": int(snakemake.wildcards.block),
            "stop": stops(table, model),
            "levels": [
                {"arm": row.arm, "concurrency": int(row.concurrency), "verdict": row.verdict}
                for row in rows.itertuples()
            ],
        }
        write_json(Path(snakemake.output[0]), outcome)
