"""Copies of the source files with a mark before each line, as coverage.py writes them."""

import bisect
import os
import re

from coverage.files import flat_rootname

from condcov.analysis.results import FileResult, Result
from condcov.code import source_text
from condcov.report import output

_BLANK = re.compile(r'\s*(#|$)')
_ELSE = re.compile(r'\s*else\s*:\s*(#|$)')


def write(result: Result, folder: str | os.PathLike[str] | None = None) -> None:
    """Write a copy of each file, named FILE,cover: next to the file, or in the folder, under a name with its path.

    The marks: > executed, ? executed and something is missing, ! not executed, - excluded.  Raises CondcovError if a
    file cannot be written.
    """
    for file in result.files:
        name = file.path if folder is None else os.path.join(folder, re.sub('_py$', '.py', flat_rootname(file.path)))
        with output.new_file(f'{name},cover') as stream:
            stream.write(''.join(f'{mark} {line}\n' if line else f'{mark}\n' for mark, line in _lines(file)))


def _lines(file: FileResult) -> list[tuple[str, str]]:
    """The lines with their marks; a line without a statement has that of the statement before it, or of an else."""
    lines = source_text.source_lines(file.source.text)
    if not lines[-1]:
        lines.pop()
    gaps = {file.source.statement(gap.line) for gap in file.gaps if gap.kind != 'line'}

    missing = frozenset(file.missing_lines)

    def mark(line: int) -> str:
        return '!' if line in missing else '?' if line in gaps else '>'

    found = []
    current = ' '
    for number, line in enumerate(lines, 1):
        if number in file.source.lines:
            current = mark(number)
        following = file.source.lines_in_order[bisect.bisect_right(file.source.lines_in_order, number):][:1] \
            if _ELSE.match(line) else []
        if number in file.source.excluded:
            found.append(('-', line))
        elif _BLANK.match(line):
            found.append((' ', line))
        elif following:
            found.append((mark(following[0]).replace('?', '>'), line))
        else:
            found.append((current, line))
    return found
