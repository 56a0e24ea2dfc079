"""A program for tests of the command line."""

PROGRAM = """
    def f(a, b):
        if a and b:
            return 1
        return 2
    f(1, 1)
    f(0, 1)
    if 0 > 1:  # pragma: no cover
        x = 1
"""
