"""Coverage inside a line: conditions and MC/DC, beside lines and branches.

PYTEST_DONT_REWRITE: it may be imported before pytest, which would warn of it.
"""

from condcov import lazy_coverage

lazy_coverage.prepare('coverage')

__version__ = '0.1'
