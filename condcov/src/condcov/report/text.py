"""The report for a terminal: each gap with its source line and the case that is missing, then a table of the files.

Output to a pipe or a file has no colours, and nothing is shortened or wrapped; the underlines show the place.
"""

import os
from typing import TextIO

import rich.box
import rich.cells
import rich.console
import rich.table
import rich.text
from coverage.results import display_covered

from condcov.analysis.results import FileResult, Gap, Level, Result
from condcov.code import source_text
from condcov.model import LEVELS
from condcov.report import messages, underline
from condcov.report.messages import LEVEL_TITLES

# The width where there is no terminal: enough for anything.
UNLIMITED = 1 << 16
# Without a terminal, a sentence follows the underline if it ends before this column.
READABLE = 120
# How many gaps are shown by default.
MOST_GAPS = 50
# The least width: that of the table with ten cells of a path. A narrower terminal wraps lines itself.
NARROWEST = 48
# The least width of the paths in a table that names the missing lines.
ROOM = 10
# Of a condition with more lines than this, only the first ones and the last one are shown.
MOST_LINES = 5


def write(result: Result, stream: TextIO, *, show_gaps: bool = True, most_gaps: int | None = None,
          show_missing: bool = False) -> None:
    """Write the report of a result to a text stream.

    show_gaps       whether the gaps come before the table
    most_gaps       how many gaps to show, the most telling ones; None for all
    show_missing    whether the table names the lines that were not executed and the branches that were not taken
    """
    _Report(stream).write(result, show_gaps, most_gaps, show_missing)


def write_total(result: Result, stream: TextIO) -> None:
    """Write only the percentage of lines and branches together, rounded like that of coverage.py."""
    percent = result.total.percent
    digits = result.digits if result.precise else 0
    stream.write(f'{display_covered(100.0 if percent is None else percent, digits)}\n')


def write_markdown(result: Result, stream: TextIO, *, show_missing: bool = False) -> None:
    """Write the table of the files in Markdown, as coverage.py does."""
    head = ['File', *LEVEL_TITLES.values(), 'Gaps'] + ['Missing'] * show_missing
    stream.write(f'| {" | ".join(head)} |\n| --- |{" ---: |" * (len(LEVELS) + 1)}{" --- |" * show_missing}\n')
    for file in result.files:
        cells = [underline.printable(file.path, 'utf-8').replace('|', r'\|').replace('_', r'\_'),
                 *(file.levels[level].text(result.digits) for level in LEVELS), str(len(file.gaps))]
        stream.write(f'| {" | ".join(cells + ([messages.missing(file)] if show_missing else []))} |\n')
    totals = ['Total', *(result.totals[level].text(result.digits) for level in LEVELS),
              str(sum(len(file.gaps) for file in result.every))]
    stream.write(f'| {" | ".join(f"**{cell}**" for cell in totals)} |{" |" * show_missing}\n')


def _telling(file: FileResult, gap: Gap) -> int:
    """How much a gap tells: the smaller, the more."""
    if gap.kind == 'outcome' and gap.decision is not None:
        return {'except': 4, 'for': 2, 'case': 2}.get(file.source.decisions[gap.decision].kind, 0)
    return {'arc': 0, 'line': 1, 'mcdc': 3}[gap.kind]


class _Report:
    """A console, and what the encoding and the width of its stream permit."""

    def __init__(self, stream: TextIO) -> None:
        self.console = rich.console.Console(file=stream, highlight=False, markup=False, emoji=False)
        self.terminal = self.console.is_terminal
        self.width = max(self.columns(stream), NARROWEST) if self.terminal else UNLIMITED
        self.console.width = self.width
        self.encoding = self.console.encoding
        utf = self.encoding.startswith('utf')
        self.bar = '\N{BOX DRAWINGS LIGHT VERTICAL}' if utf else '|'
        self.ellipsis = underline.ELLIPSIS if utf else '...'

    def columns(self, stream: TextIO) -> int:
        """The width of the stream's terminal. Rich always asks the standard streams."""
        try:
            return int(os.environ.get('COLUMNS') or os.get_terminal_size(stream.fileno()).columns) or self.console.width
        except (ValueError, OSError, AttributeError):
            return self.console.width

    def write(self, result: Result, show_gaps: bool, most_gaps: int | None, show_missing: bool) -> None:
        hidden = 0
        if show_gaps:
            gaps = [(file, gap) for file in result.files for gap in file.gaps]
            if most_gaps is not None and most_gaps < len(gaps):
                hidden = len(gaps) - most_gaps
                gaps = sorted(gaps, key=lambda one: _telling(*one))[:most_gaps]
            shown = {id(gap) for _, gap in gaps}
            for file in result.files:
                self.gaps(file, [gap for gap in file.gaps if id(gap) in shown])
            self.accepted(result)
            if gaps or any(file.accepted for file in result.files):
                self.line('')
        with self.console.capture() as table:
            self.console.print(self.table(result, show_missing))
        self.console.file.write(''.join(f'{line.rstrip()}\n' for line in table.get().splitlines()))
        for sentence in filter(None, (messages.files_hidden(result.covered), messages.files_empty(result.empty),
                                      show_gaps and messages.summary(result.every), messages.gaps_hidden(hidden))):
            self.console.print(f'\n{sentence}')

    def table(self, result: Result, show_missing: bool) -> rich.table.Table:
        """The table of files, with the totals last."""
        table = rich.table.Table(box=rich.box.SIMPLE, show_edge=False, pad_edge=False, show_footer=True)
        digits, files = result.digits, result.files
        rows = [[file.levels[level].text(digits) for level in LEVELS] for file in files]
        widths = [max(map(len, [LEVEL_TITLES[level], result.totals[level].text(digits), *cells]))
                  for level, *cells in zip(LEVELS, *rows)]
        gaps = str(sum(len(file.gaps) for file in result.every))
        counts = self.width >= NARROWEST + 3 + len('Gaps')
        room = self.width - sum(widths) - 3 * len(LEVELS) - (3 + max(len('Gaps'), len(gaps))) * counts
        if show_missing and self.terminal:
            room = max(room // 2, ROOM)
        table.add_column('File', 'Total', no_wrap=True, header_style='bold', footer_style='bold')
        for level in LEVELS:
            table.add_column(LEVEL_TITLES[level], self.percent(result.totals[level], digits), justify='right',
                             no_wrap=True, header_style='bold', footer_style='bold')
        if counts:
            table.add_column('Gaps', gaps, justify='right', no_wrap=True, header_style='bold', footer_style='bold')
        if show_missing:
            table.add_column('Missing', overflow='fold', header_style='bold')
        for file in files:
            path = underline.shorten(underline.printable(messages.short(file.path), self.encoding), room, self.ellipsis)
            table.add_row(rich.text.Text(path), *(self.percent(file.levels[level], digits) for level in LEVELS),
                          *([str(len(file.gaps))] if counts else ()),
                          *([messages.missing(file)] if show_missing else ()))
        return table

    @staticmethod
    def percent(level: Level, digits: int) -> rich.text.Text:
        if level.percent is None:
            style = 'dim'
        else:
            style = 'green' if level.complete else 'yellow' if level.percent >= 75 else 'red'
        return rich.text.Text(level.text(digits), style)

    def accepted(self, result: Result) -> None:
        """Print what need not be tested, and why."""
        lines = [(f'{file.path}:{it.line}', messages.of_acceptance(file, it))
                 for file in result.files for it in file.accepted]
        if lines:
            self.line('')
            self.line('Accepted:', 'bold')
        for place, sentence in lines:
            self.line(underline.printable(f'{place}  {sentence}', self.encoding))

    def gaps(self, file: FileResult, gaps: list[Gap]) -> None:
        """Print gaps of a file; those in the same line together, if the line fits."""
        lines = source_text.source_lines(file.source.text)
        gutter = len(str(len(lines))) + 2
        groups: list[list[Gap]] = []
        for gap in gaps:
            before = groups[-1][-1] if groups else None
            if (before and gap.line == gap.end_line == before.line == before.end_line
                    and underline.Line(lines[gap.line - 1]).width <= self.width - gutter - 3):
                groups[-1].append(gap)
            else:
                groups.append([gap])
        for group in groups:
            self.line('')
            self.line(f'{underline.printable(file.path, self.encoding)}:{group[0].line}', 'bold')
            if len(group) == 1 and group[0].spans:
                self.condition(file, group[0], lines, gutter)
            else:
                self.group(file, group, lines, gutter)

    def group(self, file: FileResult, group: list[Gap], lines: list[str], gutter: int) -> None:
        """Print a source line with its gaps, and an underline and a sentence for each of them."""
        number = group[0].line
        shown = underline.Line(lines[number - 1], self.encoding)
        shown.dedent(shown.indentation)
        self.row(str(number).rjust(gutter), shown.excerpt([], self.room(gutter))[0])
        for gap in group:
            parts = [(start, end) for span in gap.spans for _, start, end in source_text.parts(lines, span)]
            self.underlined(shown.excerpt(parts)[1], file, gap, gutter)

    def condition(self, file: FileResult, gap: Gap, lines: list[str], gutter: int) -> None:
        """Print one gap, with an underline for each of its lines."""
        parts: dict[int, list[tuple[int, int]]] = {}
        for span in gap.spans:
            for number, start, end in source_text.parts(lines, span):
                text = lines[number - 1]
                # White space and comments around the parts of a condition do not belong to it.
                start += len(text[start:end]) - len(text[start:end].lstrip())
                end = start + len(text[start:end].rstrip())
                if start < end and not text[start:end].startswith('#'):
                    parts.setdefault(number, []).append((start, end))
        numbers = sorted(parts)
        margin = min((underline.Line(lines[number - 1]).indentation for number in numbers), default=0)
        for place, number in enumerate(numbers):
            if len(numbers) > MOST_LINES and MOST_LINES - 1 <= place < len(numbers) - 1:
                if place == MOST_LINES - 1:
                    self.row(self.ellipsis.rjust(gutter), '')
                continue
            shown = underline.Line(lines[number - 1], self.encoding)
            shown.dedent(margin)
            text, marks = shown.excerpt(parts[number], self.room(gutter))
            self.row(str(number).rjust(gutter), text)
            if number != numbers[-1]:
                self.row(' ' * gutter, marks.replace('^', self.mark(gap)), 'bold red')
            else:
                self.underlined(marks, file, gap, gutter)

    @staticmethod
    def mark(gap: Gap) -> str:
        """The underline character: gaps of MC/DC differ from unseen outcomes, even without colours."""
        return '~' if gap.kind == 'mcdc' else '^'

    def underlined(self, marks: str, file: FileResult, gap: Gap, gutter: int) -> None:
        """Print the underline, if there is one, with the sentence after it, or below it if there is no room."""
        blank = ' ' * gutter
        marks = marks.replace('^', self.mark(gap))
        sentence = underline.printable(messages.of_gap(file, gap), self.encoding)
        if marks and len(marks) + 1 + rich.cells.cell_len(sentence) <= (self.room(gutter) or READABLE):
            self.row(blank, rich.text.Text.assemble((marks, 'bold red'), ' ', sentence))
            return
        if marks:
            self.row(blank, marks, 'bold red')
        for line in rich.text.Text(sentence).wrap(self.console, self.room(gutter) or UNLIMITED):
            self.row(blank, line)

    def room(self, gutter: int) -> int | None:
        """The cells to the right of the gutter; None in a pipe."""
        return self.width - gutter - 3 if self.terminal else None

    def row(self, gutter: str, content: str | rich.text.Text, style: str = '') -> None:
        if isinstance(content, str):
            content = rich.text.Text(content, style)
        line = rich.text.Text.assemble((f'{gutter} {self.bar} ', 'dim'), content)
        line.rstrip()
        self.line(line)

    def line(self, content: str | rich.text.Text, style: str = '') -> None:
        text = content if isinstance(content, rich.text.Text) else rich.text.Text(content, style)
        self.console.print(text, soft_wrap=True)
