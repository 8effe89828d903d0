"""Sittings: a block is measured together, or its pairs do not count.

A sitting is one execution of a block: every arm of a model launched once, in one random order, on one host and one set
of GPUs, with one build and one client, near in time. What was measured is kept for ever, but a *pair* of launches is
only a pair when both come from one sitting.
"""
