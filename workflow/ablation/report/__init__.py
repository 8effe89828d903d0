"""Report: verdict first, then all that is needed to doubt it; one HTML file, and as Markdown."""

from ablation.report.context import build_context
from ablation.report.render import render_html, render_markdown

__all__ = ["build_context", "render_html", "render_markdown"]
