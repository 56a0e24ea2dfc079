"""A pytest plugin that ends the process when a condition in the tested program has a given outcome.

In the program, the condition is replaced by `seen(CONDITION)`, or by `seen(CONDITION, WHEN)` to ignore it unless WHEN
is true, and the iterable of a loop by `items(ITERABLE)`. The process ends without an exception, because the program or
a test might catch it.
"""

import builtins
import os

STATUS = 97     # the exit status if the outcome occurred


def seen(outcome, when=True):
    """Return the outcome of a condition; end the process if it is the one in the environment variable CASE."""
    if when and str(bool(outcome)) == os.environ['CASE']:
        os._exit(STATUS)
    return outcome


def items(iterable):
    """Yield the items: the outcome of the loop is True for each of them, and False when there are no more."""
    for item in iterable:
        seen(True)
        yield item
    seen(False)


builtins.seen = seen
builtins.items = items
