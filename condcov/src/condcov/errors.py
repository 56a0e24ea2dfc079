"""The error that users see as one line instead of a traceback."""


class CondcovError(Exception):
    """Something that the user can correct; its text is one line."""


class NotPythonError(CondcovError):
    """A file is not valid Python source."""
