"""The root of every error that is a person's to mend: its message is all that is shown, no traceback."""


class UserError(Exception):
    """Names what is wrong, where, and the remedy."""
