"""The sentences of every report, in plain English.

They quote the source text of a condition between backquotes. A sentence about a gap starts with a quotation or in lower
case and ends without a full stop, so that a report can continue it.
"""

import operator
from collections.abc import Iterable, Sequence

from condcov import model
from condcov.analysis import mcdc, results
from condcov.model import Decision

# The names of the levels in headings.
LEVEL_TITLES = {'line': 'Line', 'branch': 'Branch', 'condition': 'Condition', 'mcdc': 'MC/DC'}

_KINDS = {'line': 'of lines', 'arc': 'of branches', 'outcome': 'of conditions', 'mcdc': 'of MC/DC'}

# Below the truth table of a decision without paths.
PATHS_NOT_RECORDED = 'The decision has too many conditions to record its paths; their outcomes are recorded.'

# How many conditions with the same value a sentence names before it only counts the rest.
NAMED = 4

# The names of conditions with the same text.
_ORDINALS = [f'the {number}' for number in 'first second third fourth fifth sixth seventh eighth'.split()]

# For a kind of test and an outcome: what one condition did, what several did, always, never.
_ONE, _SEVERAL, _ALWAYS, _NEVER = range(4)
_VERBS = {
    'truth': {
        True: ('was true', 'were true', 'was always true', 'was never true'),
        False: ('was false', 'were false', 'was always false', 'was never false'),
    },
    'match': {
        True: ('matched', 'matched', 'always matched', 'never matched'),
        False: ('did not match', 'did not match', 'never matched', 'always matched'),
    },
    'loop': {
        True: ('was entered', 'were entered', 'was always entered', 'was never entered'),
        False: ('was exhausted', 'were exhausted', 'was always exhausted', 'was never exhausted'),
    },
}


def quote(text: str) -> str:
    """Return the source text as one line, between backquotes."""
    return f'`{one_line(text)}`'


def one_line(text: str) -> str:
    """Return the text with every run of white space as one space."""
    return ' '.join(text.split())


def listing(words: Iterable[str]) -> str:
    """Return 'a', 'a and b' or 'a, b and c'."""
    *most, last = words
    return f'{", ".join(most)} and {last}' if most else last


def of_gap(file: results.FileResult, gap: results.Gap) -> str:
    """Return the sentence about a gap of a file."""
    if gap.kind == 'line':
        name = f'line {gap.line} was' if gap.line == gap.end_line else f'lines {gap.line} to {gap.end_line} were'
        return f'{name} never executed'
    if gap.arc is not None:
        start, end = gap.arc
        if end < 0:
            return f'line {start} never exited the code that starts at line {-end}'
        return f'line {start} never jumped to line {end}'
    assert gap.decision is not None
    return of_conditions(file.source.decisions[gap.decision], gap.conditions, file.analyses[gap.decision])


def of_conditions(decision: Decision, indexes: Sequence[int], analyses: Sequence[mcdc.ConditionAnalysis]) -> str:
    """Return the sentence about what is missing of a condition, or of several with the same gap; '' for nothing."""
    index = indexes[0]
    analysis = analyses[index]
    names = listing([_name(decision, each) for each in indexes])
    if analysis.gap == mcdc.NEVER_EVALUATED:
        sentence = f'{names} {"was" if len(indexes) == 1 else "were"} never evaluated'
        return f'{sentence}: {_cause(decision, analysis.cause)}' if analysis.cause else sentence
    if analysis.gap == mcdc.NEVER_SEEN:
        return _never_seen(decision, index, analysis)
    if analysis.gap == mcdc.NOT_INDEPENDENT:
        return (f'{names} was never shown to affect the outcome independently: '
                f'it {_missing(decision, index, analysis.missing)}')
    if analysis.gap == mcdc.NOT_RECORDED:
        return (f'{names} could not be shown to affect the outcome independently: '
                f'the decision has {len(decision.conditions)} conditions, '
                f'and paths are recorded for up to {model.MOST_CONDITIONS}')
    return ''


def of_acceptance(file: results.FileResult, acceptance: results.Acceptance) -> str:
    """Return the sentence about what need not be tested in a decision of a file."""
    accepted = acceptance.accepted
    if acceptance.decision is None:
        assert accepted is not None
        which = f'condition {quote(accepted.text)}' if accepted.text else 'condition'
        return f'the pragma accepts nothing, because the statement has no {which}'
    names = listing(_name(file.source.decisions[acceptance.decision], index) for index in acceptance.conditions)
    if accepted is None:
        return (f'{names} cannot be tested separately: conditions of the decision always have the same value, '
                'or opposite ones')
    what = names if accepted.level == 'condition' else f'MC/DC of {names}'
    if acceptance.kind == 'unneeded':
        where = 'remove the pragma' if accepted.line else 'remove it from "accept" in the configuration'
        return f'{what} need not be accepted, because nothing is missing: {where}'
    verb = 'are' if accepted.level == 'condition' and len(acceptance.conditions) > 1 else 'is'
    return f'{what} {verb} accepted' + (f': {one_line(accepted.reason)}' if accepted.reason else ' without a reason')


def of_exemption(file: results.FileResult, decision: int, condition: int) -> str:
    """Return the sentence about why something need not be tested of a condition, or ''."""
    for acceptance in file.accepted:
        if acceptance.decision == decision and condition in acceptance.conditions:
            return of_acceptance(file, acceptance)
    found = file.source.decisions[decision]
    if found.key not in file.source.waived:
        return ''
    if found.kind == 'except':
        return f'{_name(found, condition)} need not be different from the exception: no other except clause follows'
    return f'{_name(found, condition)} leads to excluded lines, which need not be reached'


def paths_shown(shown: int, total: int) -> str:
    """Return the sentence about a truth table that does not have all paths."""
    return f'{shown} of {total:,} paths: those that were taken, and those that are needed.'


def files_hidden(number: int) -> str:
    """Return the sentence about files without gaps that a report does not show, or '' if there are none."""
    return f'{number} {"file" if number == 1 else "files"} skipped due to complete coverage.' if number else ''


def files_empty(number: int) -> str:
    """Return the sentence about files without code that a report does not show, or ''."""
    return f'{number} empty {"file" if number == 1 else "files"} skipped.' if number else ''


def gaps_hidden(number: int) -> str:
    """Return the sentence about gaps that a report does not show, or ''."""
    if number == 1:
        return '1 more gap is not shown, which probably tells less: use --gaps=all.'
    return f'{number:,} more gaps are not shown, which probably tell less: use --gaps=all.' if number else ''


def summary(files: Iterable[results.FileResult]) -> str:
    """Return '3 gaps: 1 of lines and 2 of conditions.', or '' without gaps."""
    kinds = [gap.kind for file in files for gap in file.gaps]
    counts = [f'{kinds.count(kind)} {what}' for kind, what in _KINDS.items() if kind in kinds]
    return f'{len(kinds)} {"gap" if len(kinds) == 1 else "gaps"}: {listing(counts)}.' if kinds else ''


def missing(file: results.FileResult) -> str:
    """Return the lines that were not executed and the branches that were not taken: '3-5, 7->9, 12->exit'."""
    found = []
    lines = frozenset(file.missing_lines)
    for gap in file.gaps:
        if gap.kind == 'line':
            found.append((gap.line, f'{gap.line}' if gap.line == gap.end_line else f'{gap.line}-{gap.end_line}'))
    found += [(start, f'{start}->{"exit" if end < 0 else end}') for start, end in file.missing_arcs
              if start not in lines and end not in lines]
    return ', '.join(text for _, text in sorted(found, key=operator.itemgetter(0)))


def short(path: str) -> str:
    """Return the path of a file of an installed package without the folder of all packages."""
    return path.rpartition('/site-packages/')[2]


def below_minimum(shortfall: results.Shortfall) -> str:
    """Return the sentence about a level that falls short of its minimum."""
    level = shortfall.level
    return (f'{shortfall.name} coverage of {level} ({level.covered} of {level.total}) '
            f'is less than the required {shortfall.minimum:g}%')


def _cause(decision: Decision, cause: mcdc.Cause) -> str:
    if cause.value is None:
        return ('the evaluation always ended before it, by an exception or while suspended' if decision.suspends else
                'an exception always left the decision before it')
    return f'{_name(decision, cause.condition)} {_verb(decision, cause.condition, cause.value, _ALWAYS)}'


def _never_seen(decision: Decision, index: int, analysis: mcdc.ConditionAnalysis) -> str:
    """'`b` was never false while `a` was true (with `c` false, for MC/DC)': the outcome that the first path has.

    The conditions evaluated before are needed to reach this one; those after, for MC/DC.
    """
    path = analysis.missing[0]
    sentence = f'{_name(decision, index)} {_verb(decision, index, path[index] == model.SEEN_TRUE, _NEVER)}'
    before = _values(decision, range(index), path)
    if before:
        sentence += f' while {before}'
    if analysis.coverable and len(decision.conditions) <= model.MOST_CONDITIONS:
        after = _values(decision, range(index + 1, len(decision.conditions)), path, bare=True)
        if after:
            sentence += f' (with {after}, for MC/DC)'
    return sentence


def _missing(decision: Decision, index: int, paths: Sequence[str]) -> str:
    """'was never false while `a` was true', of each outcome that the paths have."""
    cases = []
    for path in paths:
        others = _values(decision, [other for other in range(len(decision.conditions)) if other != index], path)
        verb = _verb(decision, index, path[index] == model.SEEN_TRUE, _NEVER)
        cases.append(f'{verb} while {others}' if others else verb)
    return ' and it '.join(cases)


def _name(decision: Decision, index: int) -> str:
    """The text of a condition; with a number if the decision has several with the same text."""
    name = quote(decision.conditions[index].text)
    place = decision.repeated.get(index)
    if place is not None:
        name = f'{_ORDINALS[place] if place < len(_ORDINALS) else f"occurrence {place + 1} of"} {name}'
    return f'the loop {name}' if decision.kind == 'for' else name


def _verb(decision: Decision, index: int, value: bool, form: int) -> str:
    return _VERBS[decision.test_of(index)][value][form]


def _values(decision: Decision, indexes: Iterable[int], path: str, bare: bool = False) -> str:
    """'`a` and `b` were true and `c` was false', of those that the path evaluated; bare: without 'were' and 'was'."""
    groups: dict[str, list[tuple[int, bool]]] = {}
    for index in indexes:
        if path[index] in 'TF':
            value = path[index] == model.SEEN_TRUE
            groups.setdefault(_verb(decision, index, value, _SEVERAL), []).append((index, value))
    phrases = []
    for members in groups.values():
        names = [_name(decision, index) for index, _ in members[:NAMED]]
        if len(members) > NAMED:
            names.append(f'{len(members) - NAMED} more')
        verb = _verb(decision, *members[0], _ONE if len(members) == 1 else _SEVERAL)
        phrases.append(f'{listing(names)} {verb.split()[-1] if bare else verb}')
    return listing(phrases) if phrases else ''
