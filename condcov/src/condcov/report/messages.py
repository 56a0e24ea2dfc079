"""Sentences about conditions, in plain English, for every report.

They quote the source text of a condition between backquotes. A sentence starts with a quotation or in lower case and
ends without a full stop, so that a report can go on with it.
"""

from condcov import model

# How many conditions with the same value a sentence names before it only counts the rest.
NAMED = 4

# For a condition and an outcome: what one did, what several did, always, never.
_ONE, _SEVERAL, _ALWAYS, _NEVER = range(4)
_TRUTH = {
    True: ('was true', 'were true', 'was always true', 'was never true'),
    False: ('was false', 'were false', 'was always false', 'was never false'),
}
_MATCH = {
    True: ('matched', 'matched', 'always matched', 'never matched'),
    False: ('did not match', 'did not match', 'never matched', 'always matched'),
}
_LOOP = {
    True: ('was entered', 'were entered', 'was always entered', 'was never entered'),
    False: ('was exhausted', 'were exhausted', 'was always exhausted', 'was never exhausted'),
}


def quote(text):
    """The source text as one line, between backquotes."""
    return f'`{" ".join(text.split())}`'


def listing(words):
    """'a', 'a and b' or 'a, b and c'."""
    *most, last = words
    return f'{", ".join(most)} and {last}' if most else last


def always(decision, index, value):
    """'`b` was always false'."""
    return f'{_name(decision, index)} {_verb(decision, index, value, _ALWAYS)}'


def never_while(decision, index, path, alone):
    """'`b` was never false while `a` was true (with `c` false, to decide alone)': the outcome that the path has.

    The conditions evaluated before are what it needs to come to this one; those after, to be seen to decide `alone`.
    """
    sentence = f'{_name(decision, index)} {_verb(decision, index, path[index] == model.SEEN_TRUE, _NEVER)}'
    before = _values(decision, range(index), path)
    after = _values(decision, range(index + 1, len(path)), path, bare=True) if alone else ''
    return (sentence + (f' while {before}' if before else '')
            + (f' (with {after}, to decide alone)' if after else ''))


def never_alone(decision, index, paths):
    """'`b` never decided alone: it was never false while `a` was true': each outcome was seen, and no pair of paths."""
    cases = []
    for path in paths:
        others = _values(decision, [other for other in range(len(path)) if other != index], path)
        verb = _verb(decision, index, path[index] == model.SEEN_TRUE, _NEVER)
        cases.append(f'{verb} while {others}' if others else verb)
    return f'{_name(decision, index)} never decided alone: it {" and it ".join(cases)}'


def never_evaluated(decision, indexes, reason=''):
    """'`b` was never evaluated: `a` was always true', of one condition or of several."""
    names = listing([_name(decision, index) for index in indexes])
    sentence = f'{names} {"was" if len(indexes) == 1 else "were"} never evaluated'
    return f'{sentence}: {reason}' if reason else sentence


def not_shown(decision, indexes, reason):
    """'`b` could not be shown to decide alone: …', of one condition or of several."""
    return f'{listing([_name(decision, index) for index in indexes])} could not be shown to decide alone: {reason}'


def _name(decision, index):
    text = quote(decision.conditions[index].text)
    return f'the loop {text}' if decision.kind == 'for' else text


def _verb(decision, index, value, form):
    if decision.kind == 'for':
        return _LOOP[value][form]
    if decision.kind == 'except' or decision.kind == 'case' and index == 0:
        return _MATCH[value][form]
    return _TRUTH[value][form]


def _values(decision, indexes, path, bare=False):
    """'`a` and `b` were true and `c` was false', of those that the path evaluated; bare: without 'were' and 'was'."""
    groups = {}
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
