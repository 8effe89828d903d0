"""The order of launches: randomised complete blocks.

Every block launches each (model, arm) once; inside a block the order is shuffled with the study's seed.
Interleaving the arms is what keeps slow drift (temperature, neighbours, a filling disk) from being taken
for an effect of the treatment.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

Cell = tuple[str, str, int]


def launch_order(
    arms: Mapping[str, Sequence[str]], blocks: Mapping[str, int], seed: int
) -> list[Cell]:
    """All (model, arm, block) in the order in which they are launched.

    `arms` gives the arms that run for each model, `blocks` the replicates. A block's shuffle depends on the
    seed and the block's number only, so adding blocks leaves the order of those before as it was; the same
    holds inside a model's arms when a model is added (each model's arms are shuffled by themselves first).
    """
    order: list[Cell] = []
    for block in range(1, max(blocks.values(), default=0) + 1):
        models = sorted(model for model in arms if block <= blocks[model])
        random.Random(f"{seed}/{block}").shuffle(models)
        for model in models:
            # A model's arms stand together in the block: the pair is compared, so the less time lies
            # between its launches the less drift enters the difference.
            pair = sorted(arms[model])
            random.Random(f"{seed}/{block}/{model}").shuffle(pair)
            order += [(model, arm, block) for arm in pair]
    return order
