"""Figures: one function each, from the statistics to a Figure; ``save`` writes SVG or PNG."""

from ablation.figures.difference import draw_difference
from ablation.figures.style import save
from ablation.figures.throughput import draw_throughput

__all__ = ["draw_difference", "draw_throughput", "save"]
