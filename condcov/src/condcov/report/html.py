"""The HTML report: a folder with an index and a page for each file, which needs neither a server nor a network.

A page shows the source with each condition coloured by what was seen of it, and below the last line of a decision, on
request, its truth table: the paths through the decision, which were taken and which would show what is missing.
"""

import hashlib
import importlib.resources
import re

import jinja2
import markupsafe

import condcov
from condcov import model
from condcov.analysis import mcdc, results
from condcov.code import source_text
from condcov.report import highlight, messages, output

# A truth table has no more paths than this, beside those that were taken and those that are asked for.
MOST_PATHS = 64

_KINDS = {
    'ternary': 'conditional expression', 'boolean': 'Boolean value', 'comparison': 'chained comparison',
}

# What the outcomes of a condition are called, and what is said of one that only ever had the one.
_WORDS = {
    'test': {'T': 'T', 'F': 'F'},
    'match': {'T': 'matched', 'F': 'not matched'},
    'loop': {'T': 'entered', 'F': 'exhausted'},
}
_SIGNS = {
    'test': {'T': 'never F', 'F': 'never T'},
    'match': {'T': 'always matched', 'F': 'never matched'},
    'loop': {'T': 'never exhausted', 'F': 'never entered'},
}


def write(result, destination, *, title='Condition coverage'):
    """Write the report of a condcov.analysis.results.Result into the folder `destination`, in place of an older report.

    Raises CondcovError if the folder cannot be written, or holds something else.
    """
    environment = jinja2.Environment(loader=jinja2.PackageLoader('condcov.report'), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.globals.update(title=title, version=condcov.__version__)
    files = [{'shown': file.path, 'page': page_name(file.path), 'levels': _levels(file.levels)}
             for file in result.files]
    with output.new_folder(destination) as folder:
        for name in ('style.css', 'script.js'):
            _save(folder / name, load(name))
        _save(folder / 'index.html', environment.get_template('index.html').render(
            files=files, totals=_levels(result.totals)))
        template = environment.get_template('file.html')
        for index, (file, entry) in enumerate(zip(result.files, files)):
            _save(folder / entry['page'], template.render(
                file=entry, before=files[index - 1] if index else None,
                after=files[index + 1] if index + 1 < len(files) else None, **_Page(file).content()))


def load(name):
    """The text of a file that comes with the templates."""
    return importlib.resources.files('condcov.report').joinpath('templates', name).read_text('utf-8')


def page_name(path):
    """The name of a file's page: readable, and another one for each path on any file system."""
    digest = hashlib.sha256(str(path).encode('utf-8', 'surrogateescape')).hexdigest()[:8]
    return f'{re.sub("[^A-Za-z0-9]+", "_", str(path)).strip("_")[-80:]}-{digest}.html'


def _save(path, text):
    path.write_text(text, encoding='utf-8', errors='replace', newline='\n')


def _levels(levels):
    found = []
    for name in results.LEVELS:
        level = levels[name]
        shown = {'title': results.TITLES[name], 'covered': level.covered, 'total': level.total, 'percent': None}
        if level.total:
            state = 'full' if level.complete else 'part' if level.percent >= 75 else 'low'
            shown |= {'percent': str(level), 'width': round(level.percent, 3), 'state': state}
        found.append(shown)
    return found


class _Page:
    """What the page of one file shows."""

    def __init__(self, file):
        self.file = file
        self.lines = source_text.source_lines(file.source.text)
        self.painter = highlight.Painter(self.lines)
        self.code = self.painter.without_comments()
        # The conditions that have a colour, each as (decision, condition): indexes.
        self.shown = [(number, index) for number, analyses in enumerate(file.analyses)
                      for index, analysis in enumerate(analyses) if analysis.possible]

    def content(self):
        """The variables of the template beside those of every page."""
        decisions = self.file.source.decisions
        painted = self.painter.paint([decisions[number].conditions[index].span for number, index in self.shown])
        tables = {}
        for number, decision in enumerate(decisions):
            if any(analysis.possible for analysis in self.file.analyses[number]):
                tables.setdefault(min(decision.span.end_line, len(self.lines)), []).append(self._table(number))
        arcs = {}
        for start, end in self.file.missing_arcs:
            arcs.setdefault(start, []).append('never to the exit' if end < 0 else f'never to line {end}')
        gaps = [{'line': gap.line, 'sentence': _sentence(gap.sentence),
                 'target': f'L{gap.line}' if gap.decision is None else f'd{gap.decision}'} for gap in self.file.gaps]
        with_gap = {gap.line for gap in self.file.gaps}
        last = len(self.lines) if self.lines[-1] else len(self.lines) - 1    # what follows the last newline is no line
        lines = [self._line(line, painted[line - 1], tables.get(line, []), arcs.get(line, []), line in with_gap)
                 for line in range(1, last + 1)]
        return {'gaps': gaps, 'lines': lines}

    def _line(self, line, pieces, tables, arcs, gap):
        source, seen = self.file.source, self.file.seen
        if line in source.excluded:
            state, sign, said = 'excluded', '·', 'excluded'
        elif line in source.lines and line not in seen.lines:
            state, sign, said = 'miss', '−', 'never executed'
        elif gap or arcs:
            state, sign, said = 'partial', '!', 'executed in part'
        elif line not in source.lines:
            state, sign, said = 'plain', '', ''
        else:
            state, sign, said = 'run', '', 'executed'
        code = markupsafe.Markup().join(map(self._piece, pieces))
        return {'number': line, 'state': state, 'sign': sign, 'label': f'{line}, {said}' if said else str(line),
                'code': code, 'arcs': arcs if state != 'miss' else [], 'tables': tables, 'gap': gap}

    def _piece(self, piece):
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

    def _state(self, number, index):
        """The class, the sign and the description of a condition."""
        decision, analysis = self.file.source.decisions[number], self.file.analyses[number][index]
        if not analysis.outcomes:
            return 'never', 'never', analysis.sentence
        if not decision.conditions[index].tested:
            return 'untested', '', 'evaluated; its truth is not tested'
        if analysis.outcomes != analysis.possible:
            return 'one', _SIGNS[_family(decision, index)][analysis.outcomes], analysis.sentence
        if analysis.coverable and not analysis.covered:
            return 'lone', 'not alone', analysis.sentence
        return '', '', 'seen with both outcomes'

    def _table(self, number):
        decision, analyses = self.file.source.decisions[number], self.file.analyses[number]
        columns = [index for index, analysis in enumerate(analyses) if analysis.possible]
        seen = self.file.seen.paths.get(decision.key, {})
        wanted = {path for index in columns for path in analyses[index].missing}
        paths, more = self._paths(decision, seen, wanted)
        row_of = {path: row for row, path in enumerate(paths, 1)}
        rows = [self._row(decision, columns, path, seen.get(path, 0), path in wanted) for path in paths]
        verdicts = [self._verdict(decision, index, analyses[index], row_of) for index in columns]
        return {
            'id': f'd{number}', 'kind': _KINDS.get(decision.kind, decision.kind),
            'text': ' '.join(source_text.excerpt(self.code, decision.span).split()),
            'columns': [' '.join(decision.conditions[index].text.split()) for index in columns],
            'rows': rows, 'verdicts': verdicts, 'more': more, 'outer': self._outer(number),
        }

    def _paths(self, decision, seen, wanted):
        """The paths that the truth table has, and a sentence about those that it has not."""
        if len(decision.conditions) > mcdc.MOST_CONDITIONS:
            return [], 'Of so many conditions the outcomes are recorded, and not the paths.'
        paths = mcdc.feasible_paths(decision, MOST_PATHS + 1)
        more = ''
        if len(paths) > MOST_PATHS:
            paths = sorted((path for path in wanted | seen.keys() if not path.endswith(model.LEFT)), key=_order)
            more = (f'{len(paths)} of {mcdc.count_paths(decision):,} paths: those that were taken, and those that '
                    'would show what is missing.')
        return paths + sorted((path for path in seen if path.endswith(model.LEFT)), key=_order), more

    def _row(self, decision, columns, path, count, wanted):
        left = path.endswith(model.LEFT)
        cells = [_cell(decision, index, path[index]) for index in columns]
        result = mcdc.outcome(decision, path)
        if left:
            outcome = {'text': 'left half-way', 'state': ''}
        elif result is None:
            outcome = {'text': 'the value', 'state': ''}
        else:
            outcome = _cell(decision, 0, model.SEEN_TRUE if result else model.SEEN_FALSE)
        if count:
            state, note = 'taken', '✓' if count == 1 else f'✓ {count:,}'
        elif wanted:
            state, note = 'wanted', '✗ wanted'
        else:
            state, note = 'rest', '–'
        return {'cells': cells, 'outcome': outcome, 'state': state, 'note': note}

    def _verdict(self, decision, index, analysis, row_of):
        name = messages.quote(decision.conditions[index].text)
        paths = [path for path in analysis.pair or analysis.missing if path in row_of]
        verdict = {'rows': [row_of[path] for path in paths], 'state': 'gap'}
        numbers = [str(row) for row in verdict['rows']]
        if analysis.sentence:
            sentence = analysis.sentence
            if numbers:
                sentence += f'; wanted: {"path" if len(numbers) == 1 else "paths"} {messages.listing(numbers)}'
        elif analysis.pair:
            sentence = f'{name} decides alone: paths {messages.listing(numbers)}'
            verdict['state'] = ''
        else:
            reason = 'was evaluated' if not decision.conditions[index].tested else 'had each outcome'
            sentence = f'{name} {reason}; MC/DC asks nothing of it'
            verdict['state'] = 'plain'
        return verdict | {'sentence': _sentence(sentence)}

    def _outer(self, number):
        """The nearest decision with a condition that the decision is a part of, or None."""
        span = self.file.source.decisions[number].span
        best = None
        for other, index in self.shown:
            around = self.file.source.decisions[other].conditions[index].span
            if other != number and around != span and around[:2] <= span[:2] and around[2:] >= span[2:]:
                if best is None or best[0][:2] <= around[:2] and best[0][2:] >= around[2:]:
                    best = around, other, index
        if best is None:
            return None
        text = self.file.source.decisions[best[1]].conditions[best[2]].text
        return {'id': f'd{best[1]}', 'text': ' '.join(text.split())}


def _family(decision, index):
    """Whether the outcomes of a condition are those of a 'loop', of a 'match', or of a 'test'."""
    if decision.kind == 'for':
        return 'loop'
    return 'match' if decision.kind == 'except' or decision.kind == 'case' and index == 0 else 'test'


def _cell(decision, index, mark):
    if mark == model.EVALUATED:
        return {'text': 'evaluated', 'state': ''}
    if mark == model.NOT_EVALUATED:
        return {'text': '', 'state': ''}
    true = mark == model.SEEN_TRUE
    return {'text': _WORDS[_family(decision, index)][mark], 'state': 'true' if true else 'false'}


def _order(path):
    """A key that sorts paths as condcov.analysis.mcdc.feasible_paths() does: true before false."""
    return path.translate({ord('T'): '0', ord('F'): '1', ord('e'): '2', ord('-'): '3'})


def _sentence(text):
    """The sentence with its quotations of source as code."""
    parts = text.split('`')
    if len(parts) % 2 == 0:                                 # the source has a backquote of its own
        return text
    return markupsafe.Markup().join(
        markupsafe.Markup('<code>{}</code>').format(part) if index % 2 else markupsafe.escape(part)
        for index, part in enumerate(parts))
