"""Say what failed, and fail with it."""

from pathlib import Path

from ablation.files import read_json
from ablation.job import job
from ablation.sitting.failures import check_outcome

if __name__ == "__main__":
    with job(snakemake):
        sittings = snakemake.input.sittings
        check_outcome(
            [read_json(Path(path)) for path in sittings],
            Path(snakemake.output[0]).parent,
        )
