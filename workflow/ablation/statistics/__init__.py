"""Statistics: from the aggregate to arms, comparisons and verdicts. Pure functions on DataFrames.

``summarise(runs, plan)`` gives each arm's table, ``compare(runs, plan)`` arm against baseline;
``tables.write`` stores them.
"""

from ablation.statistics.arms import summarise
from ablation.statistics.comparison import compare
from ablation.statistics.metrics import METRICS, PRIMARY, Metric

__all__ = ["METRICS", "PRIMARY", "Metric", "compare", "summarise"]
