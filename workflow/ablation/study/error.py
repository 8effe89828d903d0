"""The error of everything that reads what a user wrote."""

from __future__ import annotations

from ablation.errors import UserError


class StudyError(UserError):
    """Something that the user wrote cannot be used: names the file, the field, the value and the remedy."""
