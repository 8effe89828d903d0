"""Say what failed, and fail with it."""

import json
from pathlib import Path

from ablation.job import job
from ablation.sitting.failures import check_outcome

if __name__ == "__main__":
    with job(snakemake):
        sittings = snakemake.input.sittings
        check_outcome(
            [json.loads(Path(path).read_text(encoding="utf-8")) for path in sittings],
            Path(snakemake.output[0]).parent,
        )
