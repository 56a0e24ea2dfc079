"""What a person is told in one line instead of a traceback."""


class CondcovError(Exception):
    """Something that the person who runs condcov can put right; its text is one line."""
