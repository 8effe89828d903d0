"""Figures: one module each, with ``draw``; the registry knows them all, ``style.save`` writes them.

To add one: a module with ``draw(plan, *, table, ...)`` that returns a Figure, an entry of its name in
``registry.FIGURES``, a rule in workflow/rules/figures.smk and a caption in workflow/report/{name}.rst.
"""
