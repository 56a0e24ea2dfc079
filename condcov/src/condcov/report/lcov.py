"""The LCOV report: a tracefile with the outcomes of conditions as branches, and MC/DC as in lcov 2.2 and later.

Many readers reject MCDC records or expect numbers as the names of branches; so neither is written by default.

The format is described in geninfo(1) of lcov 2.x. lcov requires a DA record for each line with branches, hits in a line
with a taken branch, and an evaluated branch in a line with hits and branches. outcomes.by_line() moves conditions to
the first line of their statement, and this module does the rest.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping

from condcov import model
from condcov.analysis import outcomes
from condcov.analysis.mcdc import ConditionAnalysis
from condcov.analysis.outcomes import Outcome
from condcov.analysis.results import FileResult, Result
from condcov.report import output
from condcov.report.messages import one_line

_Lines = Mapping[int, list[Outcome]]
_OUTCOMES = {
    'truth': {True: 'is true', False: 'is false'},
    'match': {True: 'matches', False: 'does not match'},
    'loop': {True: 'is entered', False: 'is exhausted'},
}


def write(result: Result, destination: str | os.PathLike[str], *, mcdc: bool = False,
          names: bool | None = None) -> None:
    """Write the tracefile of a result to the file `destination`.

    mcdc    whether it has MCDC records, which lcov 2.2 and later reads, and other tools reject
    names   whether the name of a branch is the condition and its outcome ('a > 0 is true'), which lcov 2.0 and later
            reads; otherwise it is a number, as lcov 1.x requires (it silently ignores the others). None: like mcdc

    Raises CondcovError if the file cannot be written.
    """
    with output.new_file(destination) as stream:
        for file in result.files:
            for record in _records(file, mcdc if names is None else names, mcdc):
                stream.write(record + '\n')


def _records(file: FileResult, names: bool, mcdc: bool) -> Iterator[str]:
    lines = outcomes.by_line(file)
    executable = sorted(file.source.lines | lines.keys())
    if not executable:                  # lcov reports an error for such a file
        return
    hit = file.source.lines.difference(file.missing_lines).union(
        line for line, here in lines.items() if any(outcome.count for outcome in here))
    yield 'TN:'
    yield f'SF:{file.path}'
    yield from _branches(file, lines, hit, names)
    if mcdc:
        yield from _mcdc(file, lines)
    for line in executable:
        yield f'DA:{line},{int(line in hit)}'
    yield f'LF:{len(executable)}'
    yield f'LH:{len(hit)}'
    yield 'end_of_record'


def _branches(file: FileResult, lines: _Lines, hit: Collection[int], names: bool) -> Iterator[str]:
    found = covered = 0
    for line, here in lines.items():
        blocks: dict[int, int] = {}
        any_evaluated = any(outcome.evaluated for outcome in here)
        for number, outcome in enumerate(here):
            block = blocks.setdefault(outcome.decision, len(blocks))
            # '-' means that it was never evaluated, which lcov rejects for all branches of a line with hits.
            taken = outcome.count if outcome.evaluated or line in hit and not any_evaluated else '-'
            yield f'BRDA:{line},{block},{_name(file, outcome) if names else number},{taken}'
        found += len(here)
        covered += sum(1 for outcome in here if outcome.count)
    if found:
        yield f'BRF:{found}'
        yield f'BRH:{covered}'


def _mcdc(file: FileResult, lines: _Lines) -> Iterator[str]:
    """Two records for each condition that counts for MC/DC: whether both halves of its pair were seen.

    lcov identifies a group of conditions in a line by its size only: decisions of the same size become one group.
    """
    found = covered = 0
    for line, here in lines.items():
        decisions: dict[int, list[int]] = {}
        for outcome in here:
            if file.analyses[outcome.decision][outcome.condition].coverable:
                conditions = decisions.setdefault(outcome.decision, [])
                if outcome.condition not in conditions:
                    conditions.append(outcome.condition)
        for group in _groups([[(decision, condition) for condition in conditions]
                              for decision, conditions in decisions.items()]):
            for index, (decision, condition) in enumerate(group):
                text = one_line(file.source.decisions[decision].conditions[condition].text)
                for sense, mark in ('t', model.SEEN_TRUE), ('f', model.SEEN_FALSE):
                    shown = _shown(file.analyses[decision][condition], condition, mark)
                    yield f'MCDC:{line},{len(group)},{sense},{int(shown)},{index},{text}'
                    found += 1
                    covered += shown
    if found:
        yield f'MCF:{found}'
        yield f'MCH:{covered}'


def _shown(analysis: ConditionAnalysis, condition: int, mark: str) -> bool:
    """Whether the half of the pair where the condition has this mark was seen."""
    if analysis.covered:
        return True
    return bool(analysis.missing) and all(path[condition] != mark for path in analysis.missing)


def _groups(groups: Iterable[list[tuple[int, int]]]) -> Iterable[list[tuple[int, int]]]:
    """Join lists until no two have the same length."""
    by_size: dict[int, list[tuple[int, int]]] = {}
    for group in groups:
        while len(group) in by_size:
            group = by_size.pop(len(group)) + group
        by_size[len(group)] = group
    return by_size.values()


def _name(file: FileResult, outcome: Outcome) -> str:
    """'a > 0 is true', without commas: lcov splits a record at the last one, other readers at each."""
    decision = file.source.decisions[outcome.decision]
    text = one_line(decision.conditions[outcome.condition].text).replace(',', '')
    if outcome.value is None:
        return f'{text} is evaluated'
    return f'{text} {_OUTCOMES[decision.test_of(outcome.condition)][outcome.value]}'
