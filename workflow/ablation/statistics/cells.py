"""Cells: one metric of one (model, arm, concurrency) as a row of values by block.

Turns ``aggregate/runs.parquet`` into matrices of shape (cells, blocks), and says for every value
that is not there why not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from ablation.plan.plan import Plan
from ablation.statistics.exclusions import Pairs, returnable
from ablation.statistics.metrics import METRICS, Metric, observations_needed
from ablation.statistics.paired import Floats
from ablation.statistics.premises import pairs_apart

KEY = ["model", "arm", "concurrency", "block"]


class Absent(IntEnum):
    """Why a value takes no part. Ordered: of a pair, the larger one is said."""

    NO = 0
    TOO_FEW = 1
    NO_VALUE = 2
    GATE = 3
    APART = 4
    NOT_RUN = 5


WHY = {
    Absent.TOO_FEW: "too few observations for this quantile",
    Absent.NO_VALUE: "no positive finite value",
    Absent.GATE: "a failed gate",
    Absent.APART: "launches that were not measured together",
    Absent.NOT_RUN: "no run",
}


@dataclass(frozen=True)
class Cells:
    """``values``, ``absent`` and ``returned``: shape (cells, blocks); ``keys`` are (model, arm, level)."""

    keys: list[tuple[str, str, int]]
    blocks: NDArray[np.int64]
    values: Floats
    absent: NDArray[np.int64]
    row: dict[tuple[str, str, int], int]
    fewest: NDArray[np.int64]
    """Fewest observations behind a quantile of the cell's runs; -1 where there is no count."""
    observations: NDArray[np.int64]
    """Fewest observations behind a quantile of the runs that count; -1 where there is no count."""
    apart: NDArray[np.bool_]
    """Runs that are no pair with the baseline's of their block (``premises.pairs_apart``)."""
    returned: Floats
    """``values`` with the runs put back that only gates of timing took out (``exclusions.returnable``)."""

    def pairs(self, ours: Sequence[int], theirs: Sequence[int]) -> Pairs:
        """Log ratios of the cells ``ours`` over ``theirs``, by block, with what gates took out of them."""
        gate = self.absent == Absent.GATE
        no_pair = np.where(self.apart[ours], np.nan, 0.0)
        return Pairs(
            np.log(self.values[ours]) - np.log(self.values[theirs]) + no_pair,
            np.log(self.returned[ours]) - np.log(self.returned[theirs]) + no_pair,
            gate[ours] & ~self.apart[ours],
            gate[theirs] & ~self.apart[ours],
        )

    def absent_pairs(self, ours: Sequence[int], theirs: Sequence[int]) -> NDArray[np.int64]:
        """Why the cells ``ours`` over ``theirs`` have no pair in a block, ``Absent``: shape (comparisons, blocks)."""
        absent = np.maximum(self.absent[ours], self.absent[theirs])
        apart = self.apart[ours] & (absent < Absent.APART)
        return np.asarray(np.where(apart, int(Absent.APART), absent))


def planned(runs: DataFrame, plan: Plan) -> list[tuple[str, str, int, int]]:
    """(model, arm, concurrency, planned blocks) of every cell, in the plan's order.

    Runs of arms or levels that the plan does not have are refused: they would silently be left out.
    """
    cells = [
        (model, arm, int(level), int(entry.blocks))
        for model, entry in plan.models.items()
        for arm in entry.arms
        for level in plan.levels
    ]
    known = {cell[:3] for cell in cells}
    seen = runs[["model", "arm", "concurrency"]].drop_duplicates()
    for model, arm, level in seen.itertuples(index=False):
        if (model, arm, int(level)) not in known:
            raise ValueError(f"a run of {model}/{arm} at concurrency {level} is not in the plan")
    return cells


def build(runs: DataFrame, plan: Plan, metric: Metric) -> Cells:
    """The cells of one metric. Raises ValueError when a run stands in the frame twice."""
    return Grid(runs, plan).cells(metric)


class Grid:
    """The layout that the cells of all metrics of a study share."""

    def __init__(self, runs: DataFrame, plan: Plan) -> None:
        if runs.duplicated(KEY).any():
            first = runs.loc[runs.duplicated(KEY), KEY].iloc[0].tolist()
            raise ValueError(f"the run {first} stands in the aggregate more than once")
        cells = planned(runs, plan)
        self.runs = runs
        self.keys = [cell[:3] for cell in cells]
        self.row = {key: i for i, key in enumerate(self.keys)}
        most = max([cell[3] for cell in cells], default=0)
        seen = runs["block"].astype(int).tolist()
        self.blocks = np.array(sorted({*range(1, most + 1), *seen}), dtype=np.int64)
        self.absent = np.full((len(cells), len(self.blocks)), int(Absent.NOT_RUN))
        self.planned = np.array([cell[3] for cell in cells], dtype=np.int64)
        keys = zip(runs["model"], runs["arm"], runs["concurrency"].astype(int), strict=True)
        self._cell = np.array([self.row[key] for key in keys], dtype=np.int64)
        self._column = np.searchsorted(self.blocks, np.array(seen, dtype=np.int64))
        usable = runs["usable"].to_numpy(dtype=bool)
        self.absent[self._cell, self._column] = np.where(usable, Absent.NO, Absent.GATE)
        self._returnable = ~usable & returnable(runs)
        self.apart = np.zeros(self.absent.shape, dtype=bool)
        if not plan.study.design.reuse:
            for model, arm, block, level in pairs_apart(runs, plan):
                column = int(np.searchsorted(self.blocks, block))
                self.apart[self.row[model, arm, level], column] = True

    def cells(self, metric: Metric) -> Cells:
        """The values of one metric, NaN where one takes no part."""
        value = self.runs[metric.name].to_numpy(dtype=np.float64, na_value=np.nan)
        why = self.absent[self._cell, self._column]
        good = np.isfinite(value) & (value > 0)
        why = np.where((why == Absent.NO) & ~good, Absent.NO_VALUE, why)
        few = np.zeros(len(value), dtype=bool)
        fewest = observations = np.full(len(self.keys), -1)
        if metric.quantile is not None and metric.count is not None and metric.count in self.runs:
            count = self.runs[metric.count].to_numpy(dtype=np.float64, na_value=0.0)
            few = count < observations_needed(metric.quantile)
            why = np.where((why <= Absent.NO_VALUE) & few, Absent.TOO_FEW, why)
            fewest = self._smallest(count, np.ones(len(count), dtype=bool))
            observations = self._smallest(count, why == Absent.NO)
        values = np.full(self.absent.shape, np.nan)
        values[self._cell, self._column] = np.where(why == Absent.NO, value, np.nan)
        returned = values.copy()
        back = self._returnable & good & ~few
        returned[self._cell[back], self._column[back]] = value[back]
        absent = self.absent.copy()
        absent[self._cell, self._column] = why
        return Cells(
            keys=self.keys,
            blocks=self.blocks,
            values=values,
            absent=absent,
            row=self.row,
            fewest=fewest,
            observations=observations,
            apart=self.apart,
            returned=returned,
        )

    def _smallest(self, count: Floats, of: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The smallest count of each cell among some runs; -1 where it has none."""
        smallest = np.full(len(self.keys), np.inf)
        np.minimum.at(smallest, self._cell[of], count[of])
        return np.where(np.isfinite(smallest), smallest, -1).astype(np.int64)


def explain(absent: Sequence[int], metric: Metric, fewest: int) -> str:
    """Why values of a cell are missing, as words: ``"1 with a failed gate, 2 with no run"``."""
    parts = []
    for reason, words in WHY.items():
        count = sum(1 for code in absent if code == reason)
        if not count:
            continue
        if reason is Absent.TOO_FEW and metric.quantile is not None:
            need = observations_needed(metric.quantile)
            words = f"too few observations (a {_order(metric)} takes {need}, here {fewest})"
        parts.append(f"{count} with {words}")
    return ", ".join(parts)


def _order(metric: Metric) -> str:
    return f"p{metric.quantile * 100:g}" if metric.quantile else metric.title


def metric_of(name: str) -> Metric:
    """The metric of a statistics row."""
    return METRICS[name]
