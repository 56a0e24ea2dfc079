"""A range of source text, for modules that each run imports; others have it from model.py."""

import collections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class Span(NamedTuple):
        line: int
        column: int
        end_line: int
        end_column: int
else:
    Span = collections.namedtuple('Span', 'line column end_line end_column')        # typing takes time to import
    Span.__doc__ = 'Lines from 1, columns in bytes of UTF-8 from 0, as in ast and co_positions().'
