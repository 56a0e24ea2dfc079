"""How often each condition had each outcome, and the line it belongs to, for reports that know of lines only."""

import dataclasses

from condcov import model


@dataclasses.dataclass
class Outcome:
    """One of the outcomes that a condition can have.

    decision    index into the decisions of the file
    condition   index into the conditions of the decision
    value       True, False, or None: an operand that is evaluated and whose truth nothing tests
    count       how often it was seen; where nobody asked for counts, how many different paths have it
    evaluated   whether the condition was evaluated at all
    """

    decision: int
    condition: int
    value: bool | None
    count: int
    evaluated: bool


def counts(decision, paths):
    """For each condition of the decision, {mark: count} from {path: count}."""
    found = [{model.SEEN_TRUE: 0, model.SEEN_FALSE: 0, model.EVALUATED: 0} for _ in decision.conditions]
    for path, count in paths.items():
        for marks, mark in zip(found, path):
            if mark in marks:
                marks[mark] += count
    return found


def by_line(file):
    """The outcomes of a condcov.analysis.results.FileResult: {line: [Outcome]}, each in the line where its statement starts.

    A decision in a further line of its statement belongs to the statement's first line, the only one that can be
    executed as coverage.py counts them. Constants, and what nothing leads to, have no outcomes.
    """
    found = {}
    for number, (decision, analyses) in enumerate(zip(file.source.decisions, file.analyses)):
        line = file.source.statement(decision.span.line)
        seen = counts(decision, file.seen.paths.get(decision.key, {}))
        for index, analysis in enumerate(analyses):
            evaluated = any(seen[index].values())
            for mark in analysis.possible:
                value = {model.SEEN_TRUE: True, model.SEEN_FALSE: False}.get(mark)
                found.setdefault(line, []).append(Outcome(number, index, value, seen[index][mark], evaluated))
    return dict(sorted(found.items()))
