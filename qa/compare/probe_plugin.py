"""A pytest plugin with which a program tells what a condition of it was, and which ends the tests in a given case.

The condition is written `seen(CONDITION)` in the program, or `seen(CONDITION, WHEN)` if it is told only when that is
true, and the iterable of a loop `items(ITERABLE)`. No exception ends them, which the program or a test might catch.
"""

import builtins
import os

STATUS = 97     # of the process, when the case has come


def seen(outcome, when=True):
    """The outcome of a condition; the process ends if it is that of the environment variable CASE."""
    if when and str(bool(outcome)) == os.environ['CASE']:
        os._exit(STATUS)
    return outcome


def items(iterable):
    """The items: each is an outcome True of the loop, and that there are no more is False."""
    for item in iterable:
        seen(True)
        yield item
    seen(False)


builtins.seen = seen
builtins.items = items
