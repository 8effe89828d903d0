"""Tests, one folder a room of workflow/ablation; `tests.synthetic` makes studies with known truth."""
