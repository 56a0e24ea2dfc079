"""The HTML report: a folder with an index and a page for each file, which needs neither a server nor a network.

A page shows the source, with each condition coloured by what was seen of it. A truth table can be opened below the last
line of a decision. It lists the paths through the decision, which of them were taken, and which are still needed.
"""

import hashlib
import importlib.resources
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import jinja2
import markupsafe

import condcov
from condcov import model
from condcov.analysis import mcdc
from condcov.analysis.functions import functions as functions_of
from condcov.analysis.results import FileResult, Level, Result
from condcov.code import source_text
from condcov.model import LEVELS, Decision, Span
from condcov.progress import progress
from condcov.report import highlight, messages, output
from condcov.report.messages import one_line

# The most paths of a truth table, apart from those that were taken and those that are needed.
MOST_PATHS = 64
MOST_CONTEXTS = 10          # the most names of contexts for an outcome

_KINDS = {
    'ternary': 'conditional expression', 'boolean': 'Boolean value', 'comparison': 'chained comparison',
}

# The names of the outcomes of a condition, and the sign for one that had only this outcome.
_WORDS = {
    'truth': {'T': 'T', 'F': 'F'},
    'match': {'T': 'matched', 'F': 'not matched'},
    'loop': {'T': 'entered', 'F': 'exhausted'},
}
_SIGNS = {
    'truth': {'T': 'never F', 'F': 'never T'},
    'match': {'T': 'always matched', 'F': 'never matched'},
    'loop': {'T': 'never exhausted', 'F': 'never entered'},
}


def write(result: Result, destination: str | os.PathLike[str], *, title: str | None = None) -> None:
    """Write the report of a result into the folder `destination`, and replace an older report there.

    title   of the report; None for that of condcov

    Raises CondcovError if the folder cannot be written or holds something else.
    """
    environment = jinja2.Environment(loader=jinja2.PackageLoader('condcov.report'), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.globals.update(title=title or 'Condition coverage', version=condcov.__version__)
    files = [{'shown': messages.short(file.path), 'page': page_name(file.path), 'gaps': len(file.gaps),
              'levels': _levels(file.levels, result.digits), 'complete': file.complete} for file in result.files]
    functions = [{'name': function.name or '(outside functions)', 'file': entry, 'line': function.line,
                  'gaps': function.gaps, 'levels': _levels(function.levels, result.digits),
                  'complete': all(level.complete for level in function.levels.values())}
                 for file, entry in zip(result.files, files) for function in functions_of(file)]
    notes = [*result.problems, *filter(None, (messages.files_hidden(result.covered),
                                              messages.files_empty(result.empty)))]
    with output.new_folder(destination) as folder:
        for name in ('style.css', 'script.js'):
            _save(folder / name, load(name))
        for name, rows in ('index.html', files), ('functions.html', functions):
            _save(folder / name, environment.get_template('index.html').render(
                rows=rows, by_function=rows is functions, notes=notes, totals=_levels(result.totals, result.digits),
                gaps=sum(len(file.gaps) for file in result.every)))
        template = environment.get_template('file.html')
        with progress(len(files), 'pages') as advance:
            for index, (file, entry) in enumerate(zip(result.files, files)):
                advance()
                _save(folder / page_name(file.path), template.render(
                    file=entry, before=files[index - 1] if index else None,
                    after=files[index + 1] if index + 1 < len(files) else None, **_Page(file).content()))


def load(name: str) -> str:
    """Return the text of a file in the folder of templates."""
    return importlib.resources.files('condcov.report').joinpath('templates', name).read_text('utf-8')


def page_name(path: str) -> str:
    """Return the name of a file's page: readable, and different for each path on any file system."""
    digest = hashlib.sha256(str(path).encode('utf-8', 'surrogateescape')).hexdigest()[:8]
    return f'{re.sub("[^A-Za-z0-9]+", "_", str(path)).strip("_")[-80:]}-{digest}.html'


def _save(path: pathlib.Path, text: str) -> None:
    path.write_text(text, encoding='utf-8', errors='replace', newline='\n')


def _levels(levels: Mapping[str, Level], digits: int = 1) -> list[dict[str, Any]]:
    found = []
    for name in LEVELS:
        level = levels[name]
        shown: dict[str, Any] = {'title': messages.LEVEL_TITLES[name], 'covered': level.covered,
                                 'total': level.total, 'percent': None}
        if level.percent is not None:
            state = 'full' if level.complete else 'part' if level.percent >= 75 else 'low'
            shown |= {'percent': level.text(digits), 'width': round(level.percent, 3), 'state': state}
        found.append(shown)
    return found


class _Page:
    """The content of the page of one file."""

    def __init__(self, file: FileResult) -> None:
        self.file = file
        self.lines = source_text.source_lines(file.source.text)
        self.painter = highlight.Painter(self.lines)
        self.code = self.painter.without_comments()
        # The conditions that have a colour, each as (decision, condition): indexes.
        self.shown = [(number, index) for number, analyses in enumerate(file.analyses)
                      for index, analysis in enumerate(analyses) if analysis.possible]
        self.outer = self._find_outer()

    def content(self) -> dict[str, Any]:
        """The variables of the template that are not the same for every page."""
        decisions = self.file.source.decisions
        painted = self.painter.paint([decisions[number].conditions[index].span for number, index in self.shown])
        tables: dict[int, list[dict[str, Any]]] = {}
        for number, decision in enumerate(decisions):
            if any(analysis.possible for analysis in self.file.analyses[number]):
                tables.setdefault(min(decision.span.end_line, len(self.lines)), []).append(self._table(number))
        arcs: dict[int, list[str]] = {}
        for start, end in self.file.missing_arcs:
            arcs.setdefault(start, []).append('never exited' if end < 0 else f'never jumped to line {end}')
        gaps = [{'line': gap.line, 'sentence': _sentence(messages.of_gap(self.file, gap)),
                 'target': f'L{gap.line}' if gap.decision is None else f'd{gap.decision}'} for gap in self.file.gaps]
        with_gap = {gap.line for gap in self.file.gaps}
        last = len(self.lines) if self.lines[-1] else len(self.lines) - 1    # nothing follows the last newline
        lines = [self._line(line, painted[line - 1], tables.get(line, []), arcs.get(line, []), line in with_gap)
                 for line in range(1, last + 1)]
        accepted = [{'line': it.line, 'sentence': _sentence(messages.of_acceptance(self.file, it)),
                     'target': f'L{it.line}' if it.decision is None else f'd{it.decision}'}
                    for it in self.file.accepted]
        return {'gaps': gaps, 'accepted': accepted, 'lines': lines}

    def _line(self, line: int, pieces: list[highlight.Piece], tables: list[dict[str, Any]], arcs: list[str],
              gap: bool) -> dict[str, Any]:
        source, seen = self.file.source, self.file.seen
        if line in source.excluded:
            state, sign, said = 'excluded', '·', 'excluded'
        elif line in source.lines and line not in seen.lines:
            state, sign, said = 'miss', '−', 'never executed'
        elif gap or arcs:
            state, sign, said = 'partial', '!', 'partially covered'
        elif line not in source.lines:
            state, sign, said = 'plain', '', ''
        else:
            state, sign, said = 'run', '', 'executed'
        code = markupsafe.Markup().join(map(self._piece, pieces))
        return {'number': line, 'state': state, 'sign': sign, 'label': f'{line}, {said}' if said else str(line),
                'code': code, 'arcs': arcs if state != 'miss' else [], 'tables': tables, 'gap': gap}

    def _piece(self, piece: highlight.Piece) -> markupsafe.Markup:
        text = markupsafe.Markup().join(
            markupsafe.Markup('<span class="{}">{}</span>').format(colour, text) if colour else markupsafe.escape(text)
            for colour, text in piece.tokens)
        if piece.owner is None:
            return text
        number, index = self.shown[piece.owner]
        state, sign, said = self._state(number, index)
        attributes = {'class': f'c {state}'.strip(), 'data-decision': f'd{number}', 'title': said}
        if piece.first:
            name = messages.quote(self.file.source.decisions[number].conditions[index].text)
            attributes |= {'role': 'button', 'tabindex': '0', 'aria-expanded': 'false', 'aria-controls': f'd{number}',
                           'aria-label': said if said.startswith(name) else f'{name}: {said}'}
        if piece.last and sign:
            attributes['data-sign'] = sign
        written = markupsafe.Markup(' ').join(
            markupsafe.Markup('{}="{}"').format(*attribute) for attribute in attributes.items())
        return markupsafe.Markup('<span {}>{}</span>').format(written, text)

    def _state(self, number: int, index: int) -> tuple[str, str, str]:
        """The class, the sign and the description of a condition."""
        decision, analysis = self.file.source.decisions[number], self.file.analyses[number][index]
        sentence = self._missing(number, index)
        exemption = messages.of_exemption(self.file, number, index)
        if exemption and not sentence:
            return 'exempt', '', exemption
        if not analysis.outcomes:
            return 'never', 'never', sentence
        if not decision.conditions[index].tested:
            return 'untested', '', 'evaluated, but nothing tests whether it is true'
        if set(analysis.asked).difference(analysis.outcomes):
            return 'one', _SIGNS[decision.test_of(index)][analysis.outcomes], sentence
        if analysis.coverable and not analysis.covered:
            return 'lone', 'not independent', sentence
        return '', '', 'had both outcomes'

    def _missing(self, number: int, index: int) -> str:
        return messages.of_conditions(self.file.source.decisions[number], (index,), self.file.analyses[number])

    def _table(self, number: int) -> dict[str, Any]:
        decision, analyses = self.file.source.decisions[number], self.file.analyses[number]
        columns = [index for index, analysis in enumerate(analyses) if analysis.possible]
        seen = self.file.seen.paths.get(decision.key, {})
        wanted = {path for index in columns for path in analyses[index].missing}
        paths, more = self._paths(decision, seen, wanted)
        row_of = {path: row for row, path in enumerate(paths, 1)}
        rows = [self._row(decision, columns, path, seen.get(path, 0), path in wanted) for path in paths]
        verdicts = [self._verdict(number, index, row_of) for index in columns]
        return {
            'id': f'd{number}', 'kind': _KINDS.get(decision.kind, decision.kind),
            'text': one_line(source_text.excerpt(self.code, decision.span)),
            'columns': [one_line(decision.conditions[index].text) for index in columns],
            'rows': rows, 'verdicts': verdicts, 'more': more, 'outer': self._outer(number),
        }

    def _paths(self, decision: Decision, seen: Mapping[str, int], wanted: set[str]) -> tuple[list[str], str]:
        """The paths in the truth table, and a sentence if there are more."""
        if len(decision.conditions) > model.MOST_CONDITIONS:
            return [], messages.PATHS_NOT_RECORDED
        paths = mcdc.feasible_paths(decision, MOST_PATHS + 1)
        more = ''
        if len(paths) > MOST_PATHS:
            paths = sorted((path for path in wanted | seen.keys() if not path.endswith(model.LEFT)), key=_order)
            more = messages.paths_shown(len(paths), mcdc.count_paths(decision))
        return paths + sorted((path for path in seen if path.endswith(model.LEFT)), key=_order), more

    def _row(self, decision: Decision, columns: list[int], path: str, count: int, wanted: bool) -> dict[str, Any]:
        left = path.endswith(model.LEFT)
        cells = [_cell(decision, index, path[index]) for index in columns]
        result = mcdc.outcome(decision, path)
        if left:
            outcome = {'text': 'not completed' if decision.suspends else 'left by an exception', 'state': ''}
        elif result is None:
            outcome = {'text': 'the value', 'state': ''}
        else:
            outcome = _cell(decision, 0, model.SEEN_TRUE if result else model.SEEN_FALSE)
        if count:
            state, note = 'taken', '✓' if count == 1 else f'✓ {count:,}'
        elif wanted:
            state, note = 'wanted', '✗ needed'
        else:
            state, note = 'rest', '–'
        return {'cells': cells, 'outcome': outcome, 'state': state, 'note': note}

    def _verdict(self, number: int, index: int, row_of: Mapping[str, int]) -> dict[str, Any]:
        decision, analysis = self.file.source.decisions[number], self.file.analyses[number][index]
        name = messages.quote(decision.conditions[index].text)
        paths = [path for path in analysis.pair or analysis.missing if path in row_of]
        verdict: dict[str, Any] = {'rows': [row_of[path] for path in paths], 'state': 'gap'}
        numbers = [str(row) for row in verdict['rows']]
        sentence = self._missing(number, index)
        if sentence:
            if numbers:
                sentence += f'; needed: {"path" if len(numbers) == 1 else "paths"} {messages.listing(numbers)}'
        elif messages.of_exemption(self.file, number, index):
            sentence = messages.of_exemption(self.file, number, index)
            verdict['state'] = 'plain'
        elif analysis.pair:
            sentence = f'{name} affects the outcome independently: paths {messages.listing(numbers)}'
            verdict['state'] = ''
        else:
            reason = 'was evaluated' if not decision.conditions[index].tested else 'had each outcome'
            sentence = f'{name} {reason}; it does not count for MC/DC'
            verdict['state'] = 'plain'
        return verdict | {'sentence': _sentence(sentence), 'contexts': self._contexts(number, index)}

    def _contexts(self, number: int, index: int) -> list[tuple[str, str]]:
        """(outcome, names of the contexts that saw it) of a condition, if contexts are shown."""
        if self.file.contexts is None:
            return []
        decision, analysis = self.file.source.decisions[number], self.file.analyses[number][index]
        seen = self.file.contexts.outcomes.get((number, index), {})
        found = []
        for mark in analysis.possible:
            names = [name or '(no name)' for name in seen.get(mark, ())]
            more = f' and {len(names) - MOST_CONTEXTS:,} more' if len(names) > MOST_CONTEXTS else ''
            found.append((_cell(decision, index, mark)['text'],
                          ', '.join(names[:MOST_CONTEXTS]) + more if names else 'in no context'))
        return found

    def _outer(self, number: int) -> dict[str, str] | None:
        """The innermost decision with a condition that contains this decision, or None."""
        if number not in self.outer:
            return None
        other, index = self.outer[number]
        return {'id': f'd{other}', 'text': one_line(self.file.source.decisions[other].conditions[index].text)}

    def _find_outer(self) -> dict[int, tuple[int, int]]:
        """By decision, the innermost condition around it, as (decision, condition)."""
        decisions = self.file.source.decisions
        spans = [(decisions[number].conditions[index].span, (number, index)) for number, index in self.shown]
        spans += [(decision.span, (number, -1)) for number, decision in enumerate(decisions)]
        found: dict[int, tuple[int, int]] = {}
        around: list[tuple[Span, tuple[int, int]]] = []     # the conditions that have not ended, the outermost first
        for span, (number, index) in sorted(spans, key=lambda it: (it[0][:2], [-part for part in it[0][2:]], it[1][1])):
            while around and around[-1][0][2:] <= span[:2]:
                around.pop()
            if index >= 0:
                around.append((span, (number, index)))
                continue
            for outer, owner in reversed(around):
                if owner[0] != number and outer != span and outer[2:] >= span[2:]:
                    found[number] = owner
                    break
        return found


def _cell(decision: Decision, index: int, mark: str) -> dict[str, str]:
    if mark == model.EVALUATED:
        return {'text': 'evaluated', 'state': ''}
    if mark == model.NOT_EVALUATED:
        return {'text': '', 'state': ''}
    true = mark == model.SEEN_TRUE
    return {'text': _WORDS[decision.test_of(index)][mark], 'state': 'true' if true else 'false'}


def _order(path: str) -> str:
    """A key that sorts paths like condcov.analysis.mcdc.feasible_paths(): true before false."""
    return path.translate({ord('T'): '0', ord('F'): '1', ord('e'): '2', ord('-'): '3'})


def _sentence(text: str) -> str:
    """The sentence with its quoted source marked up as code."""
    parts = text.split('`')
    if len(parts) % 2 == 0:                                 # the source has a backquote of its own
        return text
    return markupsafe.Markup().join(
        markupsafe.Markup('<code>{}</code>').format(part) if index % 2 else markupsafe.escape(part)
        for index, part in enumerate(parts))
