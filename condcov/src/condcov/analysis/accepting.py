"""Finds the conditions that a pragma or the configuration accepts, because no test can show what is missing."""

import io
import re
import tokenize
from collections.abc import Callable, Collection, Iterator, Sequence

from condcov.analysis.source_file import Accepted
from condcov.model import Decision, Key

PRAGMA = re.compile(
    r'#\s*pragma:\s*no\s+(?P<level>condition|mcdc)\b\s*(?:`(?P<text>[^`]*)`)?[\s:,;.-]*(?P<reason>[^#]*)')


def find(text: str, decisions: Sequence[Decision], configured: Sequence[Accepted],
         first_line: Callable[[int], int], excluded: Collection[int]) -> tuple[Accepted, ...]:
    """Return what the pragmas of a file and the configuration accept, with the `conditions` of these decisions.

    configured  what the configuration accepts in this file
    first_line  a function from a line to the first line of its statement
    excluded    lines whose pragmas do not matter

    A pragma without a text means the conditions in its line, or those of the whole statement if there are none.
    """
    found = []
    for accepted in configured:
        found.append(accepted._replace(conditions=tuple(_conditions(decisions, accepted.text))))
    for accepted in _pragmas(text):
        start = first_line(accepted.line)
        if start not in excluded:
            here = [decision for decision in decisions if first_line(decision.span.line) == start]
            meant = list(_conditions(here, accepted.text, None if accepted.text else accepted.line))
            found.append(accepted._replace(conditions=tuple(meant or _conditions(here, accepted.text))))
    return tuple(found)


def _pragmas(text: str) -> Iterator[Accepted]:
    if not PRAGMA.search(text):
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            for match in PRAGMA.finditer(token.string):
                yield Accepted(match['level'], match['text'] or '', match['reason'].strip(), token.start[0], ())


def _conditions(decisions: Sequence[Decision], text: str, line: int | None = None) -> Iterator[tuple[Key, int]]:
    """The conditions of the decisions that have this text, unless it is empty, and are in this line, unless it is None.
    """
    for decision in decisions:
        for index, condition in enumerate(decision.conditions):
            span = condition.span
            if (condition.constant is None and (not text or condition.text.split() == text.split())
                    and (line is None or span.line <= line <= span.end_line)):
                yield decision.key, index
