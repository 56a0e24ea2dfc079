"""How often each condition had each outcome, and the line it belongs to, for formats that only know lines."""

import dataclasses
from collections.abc import Mapping

from condcov import model
from condcov.analysis.results import FileResult
from condcov.model import Decision


@dataclasses.dataclass
class Outcome:
    """One of the outcomes that a condition can have.

    decision    index into the decisions of the file
    condition   index into the conditions of the decision
    value       True, False, or None for an operand that is evaluated but not tested
    count       how often it was seen; without `counts`, the number of different paths that have it
    evaluated   whether the condition was evaluated at all
    """

    decision: int
    condition: int
    value: bool | None
    count: int
    evaluated: bool


def counts(decision: Decision, paths: Mapping[str, int]) -> list[dict[str, int]]:
    """Return, for each condition of the decision, {mark: count}; `paths` is {path: count}."""
    found = [{model.SEEN_TRUE: 0, model.SEEN_FALSE: 0, model.EVALUATED: 0} for _ in decision.conditions]
    for path, count in paths.items():
        for marks, mark in zip(found, path):
            if mark in marks:
                marks[mark] += count
    return found


def by_line(file: FileResult) -> dict[int, list[Outcome]]:
    """Return the outcomes of a file by the line in which their statement starts.

    A decision in a later line of its statement belongs to the first line, the only one that counts as executable, as in
    coverage.py. Only outcomes that must be seen are included.
    """
    found: dict[int, list[Outcome]] = {}
    for number, (decision, analyses) in enumerate(zip(file.source.decisions, file.analyses)):
        line = file.source.statement(decision.span.line)
        seen = counts(decision, file.seen.paths.get(decision.key, {}))
        for index, analysis in enumerate(analyses):
            evaluated = any(seen[index].values())
            for mark in analysis.asked:
                value = {model.SEEN_TRUE: True, model.SEEN_FALSE: False}.get(mark)
                found.setdefault(line, []).append(Outcome(number, index, value, seen[index][mark], evaluated))
    return dict(sorted(found.items()))
