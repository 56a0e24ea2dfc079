"""The one exception that the tool reports to its user as a line, without a traceback."""


class CondcovError(Exception):
    """Something that the user can put right: one line that says what is wrong and what to do."""
