"""Measure condition coverage and MC/DC of Python programs, in addition to line and branch coverage.

PYTEST_DONT_REWRITE: it may be imported before pytest, which would print a warning.
"""

from condcov import lazy_coverage

lazy_coverage.prepare('coverage')

__version__ = '0.1'
