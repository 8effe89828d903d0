"""Error rates of the accuracy gate's rule on simulated launches with known truth.

    PYTHONPATH=workflow .venv/bin/python benchmarks/accuracy.py [STUDIES]

For each kind of noise and number of launches an arm: how often identical arms are called different, and how often a
planted error is found. No floor is used (1e-9): what the floors add is safety. Writes benchmarks/results/accuracy.json,
flat records: noise, launches, studies, false_alarms, found_2x, found_5x, found_few_prompts.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np

from ablation.accuracy.compare import Rule
from ablation.accuracy.simulate import Noise, rate_of_different

RESULTS = Path(__file__).resolve().parent / "results" / "accuracy.json"
KINDS = {
    "requests": Noise(request=0.02),
    "requests and launches": Noise(request=0.01, launch=0.02),
    "launches in two modes": Noise(request=0.01, mode=0.03),
}
SIZE = 0.02  # SD of the noise in nats, to which planted errors are stated
LAUNCHES = (2, 3, 4, 6)


def main(studies: int) -> None:
    rule = Rule(1e-9, 1e-9)
    rng = np.random.default_rng(20260311)
    records = []
    for kind, noise in KINDS.items():
        for launches in LAUNCHES:
            rate = partial(rate_of_different, rng, launches=launches, noise=noise, rule=rule)
            record = {
                "noise": kind,
                "launches": launches,
                "studies": studies,
                "false_alarms": rate(studies),
                "found_2x": rate(studies // 4, error=2 * SIZE),
                "found_5x": rate(studies // 4, error=5 * SIZE),
                "found_few_prompts": rate(studies // 4, error=0.5, share=1 / 8),
            }
            records.append(record)
            print(", ".join(f"{name} {value}" for name, value in record.items()), flush=True)
    RESULTS.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
