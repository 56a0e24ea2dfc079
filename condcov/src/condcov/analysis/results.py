"""What was covered of each file and in total, at four levels, and what is missing: the data behind every report.

The levels: 'line', executed lines of the executable ones; 'branch', taken arcs of those where a line has several ways
out, as coverage.py counts them; 'condition', seen outcomes of those that must be seen (two for a tested condition, one
for the last operand of a value, and fewer before excluded lines and where something is accepted); 'mcdc', conditions
shown to determine the outcome independently, of those for which some pair of paths can show it.
"""

import collections
import copy
import dataclasses
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from condcov.analysis import coupling, mcdc
from condcov.analysis.source_file import Accepted, SourceFile
from condcov.code import source_text
from condcov.errors import CondcovError
from condcov.model import LEVELS, Arc, Decision, Seen, Span

# The decisions that send control to one line or another.
_BRANCHING = ('if', 'while', 'assert', 'ternary', 'comprehension', 'case', 'for', 'except')


class Level(NamedTuple):
    """How many of the things to cover were covered."""

    covered: int
    total: int

    @property
    def percent(self) -> float | None:
        """From 0.0 to 100.0, or None if there is nothing to cover."""
        return 100 * self.covered / self.total if self.total else None

    @property
    def complete(self) -> bool:
        """Whether nothing is missing, as when there is nothing to cover."""
        return self.covered == self.total

    def __str__(self) -> str:
        """Return the percentage with one decimal, never rounded up to 100%; '-' if there is nothing to cover."""
        return self.text(1)

    def text(self, digits: int) -> str:
        """Return the percentage with this number of decimals, likewise."""
        if self.complete:
            return '100%' if self.total else '-'
        parts = 100 * 10 ** digits * self.covered // self.total
        whole, rest = divmod(parts, 10 ** digits)
        return f'{whole}.{rest:0{digits}}%' if digits else f'{whole}%'


@dataclasses.dataclass(frozen=True)
class Gap:
    """One thing that is missing, reported once.

    kind        'line': lines that were not executed; 'arc': a way out of a line that was not taken; 'outcome': an
                outcome of a condition, or of several, that was never seen; 'mcdc': a condition that was not shown to
                determine the outcome independently
    line        the first line, from 1
    end_line    the last line
    spans       the conditions in the source, in order; empty for lines and arcs
    text        the source of what is missing, on one line
    arc         (line, line), of an arc
    decision    index of the decision in the source file, for an outcome or MC/DC
    conditions  indexes of its conditions
    missing     paths that would complete it, as in ConditionAnalysis; those of the first condition
    """

    kind: str
    line: int
    end_line: int
    spans: tuple[Span, ...]
    text: str
    arc: Arc | None = None
    decision: int | None = None
    conditions: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Acceptance:
    """Conditions that need not be tested, or whose MC/DC need not be shown.

    kind        'accepted'; 'unneeded': accepted, but nothing is missing; 'unmatched': a pragma for which there is no
                condition; 'coupled': no input can separate them, so nobody has to accept them
    line        of the first condition, or of the pragma if it is unmatched
    accepted    the pragma or the entry of the configuration; None for 'coupled'
    decision    index of the decision in the source file, or None if it is unmatched
    conditions  indexes of the conditions
    """

    kind: str
    line: int
    accepted: Accepted | None
    decision: int | None = None
    conditions: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Contexts:
    """In which contexts something was seen, by the number of a line, or by indexes of a decision and a condition."""

    lines: dict[int, list[str]]
    outcomes: dict[tuple[int, int], dict[str, list[str]]]      # for each mark


@dataclasses.dataclass(frozen=True)
class FileResult:
    """What was covered of one file: see examine().

    levels          a Level for each of LEVELS
    analyses        for each decision of the source file, in its order, a ConditionAnalysis for each condition
    missing_lines   executable lines that were not executed, sorted
    missing_arcs    arcs that were not taken, sorted
    gaps            a Gap for each thing that is missing, sorted by line
    accepted        an Acceptance for each decision in which something need not be tested, sorted by line
    contexts        in which contexts its lines and the outcomes of its conditions were seen, or None if not asked for
    """

    source: SourceFile
    seen: Seen
    levels: dict[str, Level]
    analyses: tuple[list[mcdc.ConditionAnalysis], ...]
    missing_lines: tuple[int, ...]
    missing_arcs: tuple[Arc, ...]
    gaps: tuple[Gap, ...]
    accepted: tuple[Acceptance, ...] = ()
    contexts: 'Contexts | None' = None

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.source.path

    @property
    def complete(self) -> bool:
        """Whether nothing is missing at any level."""
        return all(level.complete for level in self.levels.values())


class Result:
    """The results of several files.

    files           those to show, sorted by path or as select() has sorted them
    every           all files
    totals          a Level for each of LEVELS, of all files
    total           a Level of lines and branches together, as coverage.py counts them
    problems        sentences about files that could not be examined; they are not among the files
    warnings        sentences about options that have no effect
    digits          after the decimal point of percentages; precise, whether somebody has asked for this number
    covered, empty  how many files select() has left out because nothing is missing, or because they have no code
    """

    def __init__(self, files: Iterable[FileResult], problems: Sequence[str] = (), warnings: Sequence[str] = ()) -> None:
        self.files = self.every = tuple(sorted(files, key=lambda file: file.path))
        self.totals = {level: Level(sum(file.levels[level].covered for file in self.files),
                                    sum(file.levels[level].total for file in self.files)) for level in LEVELS}
        self.total = _together(self.totals)
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        self.digits = 1
        self.precise = False
        self.covered = self.empty = 0

    def select(self, sort: str = 'name', skip_covered: bool = False, skip_empty: bool = False,
               digits: int | None = None) -> 'Result':
        """Return the result with the files in another order or without some of them; the totals are unchanged.

        Raises CondcovError if it cannot sort by `sort`; see check_sort().
        """
        try:
            check_sort(sort)
        except ValueError as error:
            raise CondcovError(f'the column to sort by {error}') from None
        found = copy.copy(self)
        key = _SORTS[sort.lstrip('+-')]
        files = sorted(self.every, key=lambda file: (key(file), file.path), reverse=sort.startswith('-'))
        found.empty = sum(skip_empty and not file.source.lines for file in files)
        files = [file for file in files if not skip_empty or file.source.lines]
        found.covered = sum(skip_covered and file.complete for file in files)
        found.files = tuple(file for file in files if not (skip_covered and file.complete))
        found.precise = digits is not None
        found.digits = self.digits if digits is None else digits
        return found


def _together(levels: Mapping[str, Level]) -> Level:
    line, branch = levels['line'], levels['branch']
    return Level(line.covered + branch.covered, line.total + branch.total)


def _percent(level: Level) -> float:
    """The percentage to sort by: nothing to cover counts as everything covered."""
    return 100.0 if level.percent is None else level.percent


# What files can be sorted by; some names are those of coverage.py's columns.
_SORTS: dict[str, Callable[[FileResult], Any]] = {
    'name': lambda file: file.path,
    'line': lambda file: _percent(file.levels['line']),
    'branch': lambda file: _percent(file.levels['branch']),
    'condition': lambda file: _percent(file.levels['condition']),
    'mcdc': lambda file: _percent(file.levels['mcdc']),
    'gaps': lambda file: len(file.gaps),
    'cover': lambda file: _percent(_together(file.levels)),
    'stmts': lambda file: len(file.source.lines),
    'miss': lambda file: len(file.missing_lines),
    'brpart': lambda file: len(file.missing_arcs),
}


def check_sort(text: str) -> str:
    """Return the text if files can be sorted by it.  Raises ValueError."""
    if text.removeprefix('-').removeprefix('+') not in _SORTS:
        raise ValueError(f'must be one of {", ".join(_SORTS)}, or one of them with - before it, not {text!r}')
    return text


class Shortfall(NamedTuple):
    """A level of the totals that is below its minimum."""

    name: str
    level: Level
    minimum: float


def examine(source: SourceFile, seen: Seen) -> FileResult:
    """Return the result of a file. Raises CondcovError if what was seen does not belong to this source."""
    analyses = []
    limits = _Limits(source, seen)
    for decision in source.decisions:
        try:
            analyses.append(mcdc.analyse(decision, seen.paths.get(decision.key, ()), limits.of(decision)))
        except ValueError as error:
            raise CondcovError(f'{source.path}:{decision.span.line}: the data does not fit the source: {error}; '
                               'run again') from error
    conditions = [analysis for list_ in analyses for analysis in list_]
    missing_lines = tuple(sorted(source.lines - seen.lines))
    missing_arcs = tuple(sorted(source.arcs - source.assumed - seen.arcs))
    levels = {
        'line': Level(len(source.lines) - len(missing_lines), len(source.lines)),
        'branch': Level(len(source.arcs) - len(missing_arcs), len(source.arcs)),
        'condition': Level(sum(len(set(analysis.outcomes).intersection(analysis.asked)) for analysis in conditions),
                           sum(len(analysis.asked) for analysis in conditions)),
        'mcdc': Level(sum(analysis.covered and analysis.coverable for analysis in conditions),
                      sum(analysis.coverable for analysis in conditions)),
    }
    gaps = _Gaps(source, seen, analyses, missing_lines, missing_arcs).all()
    return FileResult(source, seen, levels, tuple(analyses), missing_lines, missing_arcs, gaps,
                      limits.acceptances(analyses))


class _Limits:
    """The mcdc.Limits of the decisions of a file, and what comes of them."""

    def __init__(self, source: SourceFile, seen: Seen) -> None:
        self.source = source
        self.seen = seen
        self.accepted: dict[tuple, Accepted] = {}       # by the key of the decision and the index of the condition
        for accepted in source.accepted:
            for condition in accepted.conditions:
                # Accepting a condition accepts its MC/DC, too.
                if condition not in self.accepted or accepted.level == 'condition':
                    self.accepted[condition] = accepted
        self.decisions = {key for key, _ in self.accepted}

    def of(self, decision: Decision) -> mcdc.Limits:
        """The limits of a decision."""
        key = decision.key
        levels = {index: self.accepted[key, index].level for index in range(len(decision.conditions))
                  if (key, index) in self.accepted} if key in self.decisions else {}
        return mcdc.Limits(self.source.waived.get(key, frozenset()),
                           coupling.groups(decision, self.seen.paths.get(key, ())), levels)

    def acceptances(self, analyses: list[list[mcdc.ConditionAnalysis]]) -> tuple[Acceptance, ...]:
        """What need not be tested, given the analyses of the decisions."""
        found = [Acceptance('unmatched', accepted.line, accepted) for accepted in self.source.accepted
                 if accepted.line and not accepted.conditions]
        needed = {id(self.accepted[decision.key, index])
                  for decision, conditions in zip(self.source.decisions, analyses)
                  for index, analysis in enumerate(conditions) if analysis.needed}
        for number, (decision, conditions) in enumerate(zip(self.source.decisions, analyses)):
            groups: dict[tuple[str, Accepted | None], list[int]] = {}
            for index, analysis in enumerate(conditions):
                if analysis.accepted:
                    accepted = self.accepted[decision.key, index]
                    if analysis.needed or id(accepted) not in needed:
                        kind = 'accepted' if analysis.needed else 'unneeded'
                        groups.setdefault((kind, accepted), []).append(index)
                elif analysis.coupled:
                    groups.setdefault(('coupled', None), []).append(index)
            found += [Acceptance(kind, decision.conditions[indexes[0]].span.line, accepted, number, tuple(indexes))
                      for (kind, accepted), indexes in groups.items()]
        return tuple(sorted(found, key=lambda one: (one.line, one.decision or 0, one.conditions)))


def fail_under(result: Result, minimums: Mapping[str, float], digits: int | None = None) -> list[Shortfall]:
    """Return the levels of the totals that are below their minimum percentage; one with nothing to cover is not.

    minimums    a percentage for some of LEVELS, and for 'total', lines and branches together
    digits      to how many digits to round first, as coverage.py does, unless the minimum is 100; None for all
    """
    found = []
    for name, level in [*result.totals.items(), ('total', result.total)]:
        if name in minimums and level.percent is not None:
            minimum = minimums[name]
            percent = level.percent if digits is None or minimum == 100 else round(level.percent, digits)
            if percent < minimum:
                found.append(Shortfall(name, level, minimum))
    return found


class _Gaps:
    """Finds the gaps of one file; a gap at one level is not reported again at a finer one."""

    def __init__(self, source: SourceFile, seen: Seen, analyses: list[list[mcdc.ConditionAnalysis]],
                 missing_lines: tuple[int, ...], missing_arcs: tuple[Arc, ...]) -> None:
        self.source = source
        self.seen = seen
        self.analyses = analyses
        self.missing_lines = frozenset(missing_lines)
        self.missing_arcs = missing_arcs
        self.text_lines = source_text.source_lines(source.text)
        self.statements = [source.statement(decision.span.line) for decision in source.decisions]

    def all(self) -> tuple[Gap, ...]:
        """All gaps, sorted by line."""
        gaps = [*self.lines(), *self.arcs()]
        for number in range(len(self.analyses)):
            gaps += self.conditions(number)
        order = {'line': 0, 'arc': 1, 'outcome': 2, 'mcdc': 2}
        return tuple(sorted(gaps, key=lambda gap: (gap.line, order[gap.kind], gap.spans, gap.arc or (0, 0))))

    def lines(self) -> Iterator[Gap]:
        """Ranges of missing lines without an executed line between them."""
        for missing, group in itertools.groupby(self.source.lines_in_order, key=self.missing_lines.__contains__):
            if missing:
                lines = list(group)
                yield Gap('line', lines[0], lines[-1], (), self.line(lines[0]))

    def arcs(self) -> Iterator[Gap]:
        """Arcs not taken from executed lines, unless unseen outcomes of a decision there imply them."""
        unseen = self.unseen_outcomes()
        for line, group in itertools.groupby(self.missing_arcs, key=operator.itemgetter(0)):
            arcs = list(group)
            if line not in self.missing_lines and len(arcs) > unseen[line]:
                for arc in arcs:
                    yield Gap('arc', line, line, (), self.line(line), arc)

    def unseen_outcomes(self) -> collections.Counter[int]:
        """For the line of a statement: how many outcomes of its branching decisions were never seen."""
        counts: collections.Counter[int] = collections.Counter()
        for decision, line, analyses in zip(self.source.decisions, self.statements, self.analyses):
            if decision.kind in _BRANCHING and any(analysis.gap for analysis in analyses):
                paths = self.seen.paths.get(decision.key, ())
                counts[line] += len({True, False} - self.source.waived.get(decision.key, frozenset())
                                    - {mcdc.outcome(decision, path) for path in paths})
        return counts

    def conditions(self, number: int) -> Iterator[Gap]:
        """The gaps of a decision; none in a statement that was never executed: its lines are a gap."""
        analyses = self.analyses[number]
        if self.statements[number] in self.missing_lines and not any(one.evaluated for one in analyses):
            return
        groups: dict[object, list[int]] = {}
        for index, analysis in enumerate(analyses):
            if analysis.gap:
                # Conditions that were never evaluated for the same cause, or not recorded, are one gap.
                alike = analysis.gap in (mcdc.NEVER_EVALUATED, mcdc.NOT_RECORDED)
                groups.setdefault((analysis.gap, analysis.cause) if alike else index, []).append(index)
        for indexes in groups.values():
            yield self.gap(number, indexes)

    def gap(self, number: int, indexes: list[int]) -> Gap:
        """The gap of one condition, or of several for the same cause."""
        decision = self.source.decisions[number]
        first = self.analyses[number][indexes[0]]
        kind = 'outcome' if set(first.asked).difference(first.outcomes) else 'mcdc'
        spans = tuple(decision.conditions[index].span for index in indexes)
        text = ' '.join(source_text.excerpt(self.text_lines, spans[0]).split())
        return Gap(kind, spans[0].line, max(span.end_line for span in spans), spans, text, None, number,
                   tuple(indexes), first.missing)

    def line(self, number: int) -> str:
        """A line of the source, without surrounding white space."""
        return self.text_lines[number - 1].strip()
