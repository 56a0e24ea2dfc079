"""A source file with hand-written decisions and run data, for the tests of reports."""

from condcov import model
from condcov.analysis.source_file import SourceFile

TRUE, FALSE = model.TRUE, model.FALSE


class Sample:
    """Collects a SourceFile and a Seen; decisions are found by their text in the source."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.decisions = []
        self.seen = model.Seen()
        self.lines = frozenset()
        self.excluded = frozenset()
        self.arcs = frozenset()

    def span(self, text, start=0):
        """The Span of the first occurrence of the text from the character offset `start` on."""
        at = self.text.index(text, start)
        line, column = self._place(at)
        end_line, end_column = self._place(at + len(text))
        return model.Span(line, column, end_line, end_column)

    def _place(self, offset):
        before = self.text[:offset].split('\n')
        return len(before), len(before[-1].encode())

    def decide(self, kind, text, *conditions, paths=(), after=''):
        """Add a decision: its conditions as (text, on_true, on_false[, more of Condition as a dict])."""
        start = self.text.index(after)
        span = self.span(text, start)
        start = self.text.index(text, start)
        found = []
        for part, on_true, on_false, *more in conditions:
            found.append(model.Condition(self.span(part, start), part, on_true, on_false, **(more[0] if more else {})))
        decision = model.Decision(kind, span, tuple(found))
        self.decisions.append(decision)
        if paths:
            self.seen.paths[decision.key] = dict(paths)

    def source(self):
        """The SourceFile."""
        return SourceFile(self.path, self.text, self.lines, self.excluded, self.arcs,
                          tuple(sorted(self.decisions, key=lambda decision: decision.span)))


FARES = '''\
"""Fares of a small railway."""

DAYS = ('Mon', 'Tue', 'Wed', 'Thu', 'Fri')


def fare(age, day, hour, *, student=False, dog=None):
    """The fare in cents; it raises ValueError for an age that is none."""
    if not isinstance(age, int) or age < 0:
        raise ValueError(f'no age: {age!r}')
    price = 480
    if age < 6 and not student:
        return 0
    if (
        age < 16        # children
        or age >= 65
        or student and day in DAYS
    ):
        price = 240
    if day in DAYS and 6 <= hour < 9:
        price += 60
    return price + (120 if dog and dog.weight > 8 else 0)


def route(stops, via=None):
    """The stops from the first to the last, in order, 東京 among them."""
    name = via or 'direct'
    found = [stop for stop in stops if stop.open and stop.name != '駅' or name == 'all']
    for stop in found:
        if stop.name == via and (via in DAYS or stop.is_hub(name and via)):
            break
    match found:
        case [first, *_] if first.open:
            return found
        case []:
            return None
    try:
        return sorted(found)
    except TypeError:
        return found


def debug(*what):                       # pragma: no cover
    if what and what[0]:
        print(*what)
'''


def fares():
    """The Sample of FARES: a bit of everything that a report has to show."""
    sample = Sample('railway/fares.py', FARES)
    sample.decide('if', 'not isinstance(age, int) or age < 0', ('isinstance(age, int)', 1, TRUE),
                  ('age < 0', TRUE, FALSE), paths={'TF': 41})
    sample.decide('if', 'age < 6 and not student', ('age < 6', 1, FALSE), ('student', FALSE, TRUE),
                  paths={'F-': 35, 'TF': 6})
    sample.decide(
        'if', "age < 16        # children\n        or age >= 65\n        or student and day in DAYS",
        ('age < 16', TRUE, 1), ('age >= 65', TRUE, 2), ('student', 3, FALSE), ('day in DAYS', TRUE, FALSE),
        paths={'T---': 9, 'FT--': 4, 'FFF-': 20, 'FFTT': 2})
    sample.decide('if', 'day in DAYS and 6 <= hour < 9', ('day in DAYS', 1, FALSE), ('6 <= hour', 2, FALSE),
                  ('hour < 9', TRUE, FALSE), paths={'TTT': 12, 'TTF': 20, 'F--': 3})
    sample.decide('ternary', 'dog and dog.weight > 8', ('dog', 1, FALSE), ('dog.weight > 8', TRUE, FALSE),
                  paths={'F-': 35})
    sample.decide('boolean', "via or 'direct'", ('via', TRUE, 1), ("'direct'", TRUE, FALSE, {'tested': False}),
                  paths={'T-': 3, 'Fe': 5})
    sample.decide('comprehension', "stop.open and stop.name != '駅' or name == 'all'", ('stop.open', 1, 2),
                  ("stop.name != '駅'", TRUE, 2), ("name == 'all'", TRUE, FALSE),
                  paths={'TT-': 14, 'TFT': 2, 'F-F': 3, 'T--!': 1})
    sample.decide('for', 'stop in found', ('stop in found', TRUE, FALSE), paths={'T': 14}, after='    for stop')
    sample.decide('if', 'stop.name == via and (via in DAYS or stop.is_hub(name and via))',
                  ('stop.name == via', 1, FALSE), ('via in DAYS', TRUE, 2), ('stop.is_hub(name and via)', TRUE, FALSE),
                  paths={'F--': 11, 'TFT': 3})
    sample.decide('boolean', 'name and via', ('name', 1, FALSE), ('via', TRUE, FALSE, {'tested': False}),
                  paths={'Te': 3})
    sample.decide('case', '[first, *_] if first.open', ('[first, *_]', 1, FALSE), ('first.open', TRUE, FALSE),
                  paths={'TT': 8})
    sample.decide('case', '[]', ('[]', TRUE, FALSE), after='case []')
    sample.decide('except', 'TypeError', ('TypeError', TRUE, FALSE), after='except TypeError')
    sample.excluded = frozenset(range(42, 45))
    sample.lines = frozenset({1, 3, 6, 8, 9, 10, 11, 12, 13, 18, 19, 20, 21, 24, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,
                              36, 37, 38, 39})
    sample.seen.lines = set(sample.lines) - {9, 34, 35, 36, 37, 38, 39}
    sample.arcs = frozenset({(8, 9), (8, 10), (11, 12), (11, 13), (13, 18), (13, 19), (19, 20), (19, 21), (28, 29),
                             (28, 31), (29, 28), (29, 30), (32, 33), (32, 34), (34, 35), (34, 36), (38, -24), (38, 39)})
    sample.seen.arcs = {(8, 10), (11, 12), (11, 13), (13, 18), (13, 19), (19, 20), (19, 21), (28, 29), (29, 28),
                        (29, 30), (32, 33)}
    return sample


def small():
    """A Sample with nothing missing."""
    sample = Sample('railway/__init__.py', 'import sys\nif sys and True:\n    pass\n')
    sample.decide('if', 'sys and True', ('sys', 1, FALSE), ('True', TRUE, FALSE, {'constant': True}),
                  paths={'T-': 1, 'F-': 1})
    sample.lines = frozenset({1, 2, 3})
    sample.seen.lines = {1, 2, 3}
    sample.arcs = frozenset({(2, 3), (2, -1)})
    sample.seen.arcs = {(2, 3), (2, -1)}
    return sample


def empty():
    """A Sample with nothing to cover."""
    return Sample('railway/empty.py', '')
