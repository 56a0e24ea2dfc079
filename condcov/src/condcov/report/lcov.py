"""The LCOV report: a tracefile with the outcomes of conditions as branches, and MC/DC as lcov has it since version 2.2.

The format is that of geninfo(1) in lcov 2.x. lcov wants of a tracefile that each line with branches has a DA record,
that a line with a branch that was taken was hit, and that a line that was hit has a branch that was evaluated;
condcov.analysis.outcomes puts conditions of further lines into the first line of their statement, and this module does the rest.
"""

from condcov import model
from condcov.analysis import outcomes
from condcov.report import output


def write(result, destination, *, names=True, test=''):
    """Write the tracefile of a condcov.analysis.results.Result to the file `destination`.

    names   whether a branch has the condition and its outcome as its name ('a > 0 is true'), as lcov 2.0 and later
            read it; otherwise its number, which lcov 1.x needs (it passes over the others in silence)
    test    the name of the test, of letters, digits and underscores

    Raises CondcovError if the file cannot be written.
    """
    with output.new_file(destination) as stream:
        for file in result.files:
            for record in _records(file, names, test):
                stream.write(record + '\n')


def _records(file, names, test):
    lines = outcomes.by_line(file)
    executable = sorted(file.source.lines | lines.keys())
    if not executable:                  # lcov has nothing to say of such a file, and takes it for a mistake
        return
    hit = file.source.lines.difference(file.missing_lines).union(
        line for line, here in lines.items() if any(outcome.count for outcome in here))
    yield f'TN:{test}'
    yield f'SF:{file.path}'
    yield from _branches(file, lines, hit, names)
    yield from _mcdc(file, lines)
    for line in executable:
        yield f'DA:{line},{int(line in hit)}'
    yield f'LF:{len(executable)}'
    yield f'LH:{len(hit)}'
    yield 'end_of_record'


def _branches(file, lines, hit, names):
    found = covered = 0
    for line, here in lines.items():
        blocks = {}
        any_evaluated = any(outcome.evaluated for outcome in here)
        for number, outcome in enumerate(here):
            block = blocks.setdefault(outcome.decision, len(blocks))
            # '-' says that it was never evaluated, which lcov does not believe of all branches of a line that was hit.
            taken = outcome.count if outcome.evaluated or line in hit and not any_evaluated else '-'
            yield f'BRDA:{line},{block},{_name(file, outcome) if names else number},{taken}'
        found += len(here)
        covered += sum(1 for outcome in here if outcome.count)
    if found:
        yield f'BRF:{found}'
        yield f'BRH:{covered}'


def _mcdc(file, lines):
    """Two records for each condition that MC/DC asks for: was it seen to decide where it is true, and where false?

    lcov knows a group of conditions in a line by its size only: decisions of one size in a line become one group.
    """
    found = covered = 0
    for line, here in lines.items():
        decisions = {}
        for outcome in here:
            if file.analyses[outcome.decision][outcome.condition].coverable:
                conditions = decisions.setdefault(outcome.decision, [])
                if outcome.condition not in conditions:
                    conditions.append(outcome.condition)
        for group in _groups([[(decision, condition) for condition in conditions]
                              for decision, conditions in decisions.items()]):
            for index, (decision, condition) in enumerate(group):
                text = _line(file.source.decisions[decision].conditions[condition].text)
                for sense, mark in ('t', model.SEEN_TRUE), ('f', model.SEEN_FALSE):
                    shown = _shown(file.analyses[decision][condition], condition, mark)
                    yield f'MCDC:{line},{len(group)},{sense},{int(shown)},{index},{text}'
                    found += 1
                    covered += shown
    if found:
        yield f'MCF:{found}'
        yield f'MCH:{covered}'


def _shown(analysis, condition, mark):
    """Whether the half of the pair where the condition has this mark was seen."""
    if analysis.covered:
        return True
    return bool(analysis.missing) and all(path[condition] != mark for path in analysis.missing)


def _groups(groups):
    """The lists joined until no two are of one length."""
    by_size = {}
    for group in groups:
        while len(group) in by_size:
            group = by_size.pop(len(group)) + group
        by_size[len(group)] = group
    return by_size.values()


def _name(file, outcome):
    """'a > 0 is true', without commas: lcov looks for the last one of a record, other readers for each."""
    decision = file.source.decisions[outcome.decision]
    text = _line(decision.conditions[outcome.condition].text).replace(',', '')
    if outcome.value is None:
        return f'{text} is evaluated'
    if decision.kind == 'for':
        return f'{text} is {"entered" if outcome.value else "exhausted"}'
    if decision.kind == 'except' or decision.kind == 'case' and outcome.condition == 0:
        return f'{text} {"matches" if outcome.value else "does not match"}'
    return f'{text} is {"true" if outcome.value else "false"}'


def _line(text):
    return ' '.join(text.split())
