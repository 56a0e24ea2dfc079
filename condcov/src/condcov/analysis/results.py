"""What was covered of each file and of all, at four levels, and what is missing: the data that every report is made of.

The levels: 'line', executed lines of the executable ones; 'branch', taken arcs of those where a line has several ways
out, as coverage.py counts them; 'condition', outcomes seen of the possible ones (two for a tested condition, one for
the last operand of a value); 'mcdc', conditions shown to decide alone, of those that some pair of paths can show.
"""

import collections
import dataclasses
import itertools
import operator
import typing

from condcov import model
from condcov.analysis import mcdc
from condcov.code import source_text
from condcov.report import messages
from condcov.errors import CondcovError

LEVELS = ('line', 'branch', 'condition', 'mcdc')

# The decisions that send control to one line or another.
_BRANCHING = ('if', 'while', 'assert', 'ternary', 'comprehension', 'case', 'for', 'except')

# How the levels are called in headings and sentences.
TITLES = {'line': 'Line', 'branch': 'Branch', 'condition': 'Condition', 'mcdc': 'MC/DC'}


class Level(typing.NamedTuple):
    """How much of what there is to cover was covered, as two numbers."""

    covered: int
    total: int

    @property
    def percent(self):
        """From 0.0 to 100.0, or None if there is nothing to cover."""
        return 100 * self.covered / self.total if self.total else None

    @property
    def complete(self):
        """Whether nothing is missing; also where there is nothing to cover."""
        return self.covered == self.total

    def __str__(self):
        """The percentage with one decimal, never rounded up, so that 100% is complete; '-' for nothing to cover."""
        if self.complete:
            return '100%' if self.total else '-'
        tenths = 1000 * self.covered // self.total
        return f'{tenths // 10}.{tenths % 10}%'


@dataclasses.dataclass(frozen=True)
class Gap:
    """One thing that is missing, told once.

    kind        'line': lines that were not executed; 'arc': a way out of a line that was not taken; 'outcome': an
                outcome of a condition, or conditions, that was never seen; 'mcdc': a condition that was not shown to
                decide alone
    line        the first line, from 1
    end_line    the last line
    spans       the conditions in the source, in order; empty for lines and arcs
    text        the source of what is missing, on one line
    sentence    what is missing, for people; without a full stop
    arc         (line, line), of an arc
    decision    index of the decision in the source file, of an outcome and of MC/DC
    conditions  indexes of its conditions
    missing     paths that would complete it, as in ConditionAnalysis; those of the first condition
    """

    kind: str
    line: int
    end_line: int
    spans: tuple[model.Span, ...]
    text: str
    sentence: str
    arc: tuple[int, int] | None = None
    decision: int | None = None
    conditions: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def span(self):
        """The first of the spans, or None."""
        return self.spans[0] if self.spans else None


@dataclasses.dataclass(frozen=True)
class FileResult:
    """What was covered of one file: see examine().

    levels          a Level for each of LEVELS
    analyses        for each decision of the source file, in its order, a ConditionAnalysis for each condition
    missing_lines   executable lines that were not executed, sorted
    missing_arcs    arcs that were not taken, sorted
    gaps            a Gap for each thing that is missing, sorted by line
    """

    source: model.SourceFile
    seen: model.Seen
    levels: dict[str, Level]
    analyses: tuple[list[mcdc.ConditionAnalysis], ...]
    missing_lines: tuple[int, ...]
    missing_arcs: tuple[tuple[int, int], ...]
    gaps: tuple[Gap, ...]

    @property
    def path(self):
        """The path of the file."""
        return self.source.path

    @property
    def complete(self):
        """Whether nothing is missing at any level."""
        return all(level.complete for level in self.levels.values())


class Result:
    """The results of several files, sorted by path, with totals: a Level for each of LEVELS."""

    def __init__(self, files):
        self.files = tuple(sorted(files, key=lambda file: file.path))
        self.totals = {level: Level(sum(file.levels[level].covered for file in self.files),
                                    sum(file.levels[level].total for file in self.files)) for level in LEVELS}


def examine(source, seen):
    """The FileResult of a SourceFile from the Seen of it. Raises CondcovError if that is not of this source."""
    analyses = []
    for decision in source.decisions:
        try:
            analyses.append(mcdc.analyse(decision, seen.paths.get(decision.key, ())))
        except ValueError as error:
            raise CondcovError(f'{source.path}:{decision.span.line}: the data does not fit the source: {error}; '
                               'run again') from error
    conditions = [analysis for list_ in analyses for analysis in list_]
    missing_lines = tuple(sorted(source.lines - seen.lines))
    missing_arcs = tuple(sorted(source.arcs - source.assumed - seen.arcs))
    levels = {
        'line': _level(len(source.lines), len(missing_lines)),
        'branch': _level(len(source.arcs), len(missing_arcs)),
        'condition': Level(sum(len(analysis.outcomes) for analysis in conditions),
                           sum(len(analysis.possible) for analysis in conditions)),
        'mcdc': Level(sum(analysis.covered for analysis in conditions),
                      sum(analysis.coverable for analysis in conditions)),
    }
    gaps = _Gaps(source, seen, analyses, missing_lines, missing_arcs).all()
    return FileResult(source, seen, levels, tuple(analyses), missing_lines, missing_arcs, gaps)


def fail_under(result, minimums):
    """A sentence for each level of the totals that falls short of its minimum: minimums maps levels to percentages.

    A level with nothing to cover does not fall short. Raises CondcovError for what is no level.
    """
    unknown = sorted(minimums.keys() - set(LEVELS))
    if unknown:
        raise CondcovError(f'no such level: {unknown[0]}; the levels are {messages.listing(LEVELS)}')
    sentences = []
    for name in LEVELS:
        level = result.totals[name]
        if name in minimums and level.total and level.percent < minimums[name]:
            sentences.append(f'{name} coverage is {level} ({level.covered} of {level.total}), '
                             f'less than the {minimums[name]:g}% asked for')
    return sentences


def _level(total, missing):
    return Level(total - missing, total)


class _Gaps:
    """Finds the gaps of one file, from what is the case at the level below to what goes beyond it."""

    def __init__(self, source, seen, analyses, missing_lines, missing_arcs):
        self.source = source
        self.seen = seen
        self.analyses = analyses
        self.missing_lines = frozenset(missing_lines)
        self.missing_arcs = missing_arcs
        self.text_lines = source_text.source_lines(source.text)
        self.statements = [source.statement(decision.span.line) for decision in source.decisions]

    def all(self):
        """All gaps, sorted by line."""
        gaps = [*self.lines(), *self.arcs()]
        for number in range(len(self.analyses)):
            gaps += self.conditions(number)
        order = {'line': 0, 'arc': 1, 'outcome': 2, 'mcdc': 2}
        return tuple(sorted(gaps, key=lambda gap: (gap.line, order[gap.kind], gap.spans, gap.arc or (0, 0))))

    def lines(self):
        """Ranges of missing lines: as long as no executed line comes between."""
        first = last = None
        for line in [*self.source.lines_in_order, None]:
            if line in self.missing_lines:
                first, last = first or line, line
            elif first:
                name = f'line {first} was' if first == last else f'lines {first} to {last} were'
                yield Gap('line', first, last, (), self.line(first), f'{name} never executed')
                first = None

    def arcs(self):
        """Arcs not taken from executed lines, unless the outcomes never seen of a decision there tell so already."""
        unseen = self.unseen_outcomes()
        for line, arcs in itertools.groupby(self.missing_arcs, key=operator.itemgetter(0)):
            arcs = list(arcs)
            if line not in self.missing_lines and len(arcs) > unseen[line]:
                for arc in arcs:
                    end = f'line {arc[1]}' if arc[1] > 0 else f'the exit of the code that starts at line {-arc[1]}'
                    yield Gap('arc', line, line, (), self.line(line), f'line {line} never went on to {end}', arc)

    def unseen_outcomes(self):
        """For the line of a statement: how many outcomes of its branching decisions were never seen."""
        counts = collections.Counter()
        for decision, line in zip(self.source.decisions, self.statements):
            if decision.kind in _BRANCHING:
                paths = self.seen.paths.get(decision.key, ())
                counts[line] += len({True, False} - {mcdc.outcome(decision, path) for path in paths})
        return counts

    def conditions(self, number):
        """The gaps of a decision; none in a statement that was never executed: its lines are a gap."""
        analyses = self.analyses[number]
        if self.statements[number] in self.missing_lines and not any(one.evaluated for one in analyses):
            return
        groups = {}
        for index, analysis in enumerate(analyses):
            if analysis.sentence:
                # Those that were never evaluated for one reason, or could not be shown for one, are one gap.
                alike = analysis.reason or not analysis.evaluated
                groups.setdefault((analysis.evaluated, analysis.reason) if alike else index, []).append(index)
        for indexes in groups.values():
            yield self.gap(number, indexes)

    def gap(self, number, indexes):
        """The gap of one condition, or of several with the same reason."""
        decision = self.source.decisions[number]
        first = self.analyses[number][indexes[0]]
        unseen = first.outcomes != first.possible
        sentence = first.sentence
        if len(indexes) > 1:
            several = messages.not_shown if first.evaluated else messages.never_evaluated
            sentence = several(decision, indexes, first.reason)
        where = tuple(decision.conditions[index].span for index in indexes)
        text = ' '.join(source_text.excerpt(self.text_lines, where[0]).split())
        return Gap('outcome' if unseen else 'mcdc', where[0].line, max(span.end_line for span in where), where, text,
                   sentence, None, number, tuple(indexes), first.missing)

    def line(self, number):
        """A line of the source, without the spaces around it."""
        return self.text_lines[number - 1].strip()
