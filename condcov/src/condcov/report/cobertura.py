"""The Cobertura report: XML by the DTD coverage-04, like that of coverage.py, with the outcomes of conditions.

As in Cobertura, the branches of a line are the two ways of each conditional jump in it: `branch-rate` is the condition
level of condcov, not the number of jumps from line to line, which coverage.py counts.
"""

import os
import pathlib
import re
import time
import xml.sax.saxutils
from collections.abc import Iterator

import condcov
from condcov.analysis import outcomes
from condcov.analysis.results import FileResult, Result
from condcov.report import output

DTD = 'http://cobertura.sourceforge.net/xml/coverage-04.dtd'


def write(result: Result, destination: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None,
          timestamp: float | None = None, depth: int = 99) -> None:
    """Write the XML report of a result to the file `destination`.

    root        the folder that file names are relative to; the current one if None
    timestamp   the time of the report, in seconds since the epoch; now if None
    depth       how many folders the name of a package has at most

    Raises CondcovError if the file cannot be written.
    """
    root = pathlib.Path(root or os.getcwd())
    packages: _Packages = {}
    totals = _Rates()
    shown = set(map(id, result.files))
    for file in result.every:
        rates, lines = _lines(file)
        totals.add(rates)
        if id(file) in shown:
            name = _relative(file.path, root)
            folders = '.'.join([part for part in name.parts[:-1] if part != name.anchor][:depth]) or '.'
            package = packages.setdefault(folders, (_Rates(), []))
            package[0].add(rates)
            package[1].append((name, rates, lines))
    with output.new_file(destination) as stream:
        for record in _document(packages, totals, root, time.time() if timestamp is None else timestamp):
            stream.write(record + '\n')


class _Rates:
    """Counts of covered and valid lines and branches."""

    def __init__(self) -> None:
        self.counts = {'lines': [0, 0], 'branches': [0, 0]}

    def add(self, other: '_Rates') -> None:
        for name, (covered, valid) in other.counts.items():
            self.count(name, covered, valid)

    def count(self, name: str, covered: int, valid: int) -> None:
        self.counts[name][0] += covered
        self.counts[name][1] += valid

    def rate(self, name: str) -> str:
        covered, valid = self.counts[name]
        # The format of coverage.py and Cobertura; rounding never hides a gap.
        return '1' if covered == valid else f'{int(10000 * covered / valid) / 10000:.4g}'

    def attributes(self) -> str:
        return f'line-rate="{self.rate("lines")}" branch-rate="{self.rate("branches")}" complexity="0"'


# By name: the rates of the package, and the path, rates and <line> elements of each file.
_Packages = dict[str, tuple[_Rates, list[tuple[pathlib.Path, _Rates, list[str]]]]]


def _document(packages: _Packages, totals: _Rates, root: pathlib.Path, timestamp: float) -> Iterator[str]:
    (covered, valid), (branches_covered, branches_valid) = totals.counts['lines'], totals.counts['branches']
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<!DOCTYPE coverage SYSTEM "{DTD}">'
    yield (f'<coverage version="condcov {condcov.__version__}" timestamp="{int(timestamp * 1000)}"'
           f' lines-valid="{valid}" lines-covered="{covered}"'
           f' branches-valid="{branches_valid}" branches-covered="{branches_covered}" {totals.attributes()}>')
    yield '  <sources>'
    yield f'    <source>{_text(str(root))}</source>'
    yield '  </sources>'
    yield '  <packages>'
    for name, (rates, classes) in sorted(packages.items()):
        yield f'    <package name={_quoted(name)} {rates.attributes()}>'
        yield '      <classes>'
        for path, rates, lines in sorted(classes, key=lambda entry: entry[0]):
            yield (f'        <class name={_quoted(path.name)} filename={_quoted(path.as_posix())}'
                   f' {rates.attributes()}>')
            yield '          <methods/>'
            yield '          <lines>'
            yield from lines
            yield '          </lines>'
            yield '        </class>'
        yield '      </classes>'
        yield '    </package>'
    yield '  </packages>'
    yield '</coverage>'


def _lines(file: FileResult) -> tuple[_Rates, list[str]]:
    """The _Rates of a file, and its <line> elements."""
    rates = _Rates()
    records = []
    by_line = outcomes.by_line(file)
    executed = file.source.lines.difference(file.missing_lines)
    for line in sorted(file.source.lines | by_line.keys()):
        here = by_line.get(line, [])
        covered = sum(1 for outcome in here if outcome.count)
        hit = line in executed or covered > 0
        rates.count('lines', int(hit), 1)
        rates.count('branches', covered, len(here))
        start = f'            <line number="{line}" hits="{int(hit)}"'
        if not here:
            records.append(f'{start}/>')
            continue
        percent = 100 * covered // len(here)
        records.append(f'{start} branch="true" condition-coverage="{percent}% ({covered}/{len(here)})">')
        records.append('              <conditions>')
        conditions: dict[tuple[int, int], list[bool]] = {}
        for outcome in here:
            conditions.setdefault((outcome.decision, outcome.condition), []).append(bool(outcome.count))
        for number, seen in enumerate(conditions.values()):
            records.append(f'                <condition number="{number}" type="jump"'
                           f' coverage="{100 * sum(seen) // len(seen)}%"/>')
        records.append('              </conditions>')
        records.append('            </line>')
    return rates, records


def _relative(path: str, root: pathlib.Path) -> pathlib.Path:
    file = pathlib.Path(path)
    return file.relative_to(root) if file.is_relative_to(root) else file


# Characters that are not allowed in XML 1.0.
_NOT_XML = re.compile('[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')


def _text(text: str) -> str:
    return xml.sax.saxutils.escape(_NOT_XML.sub('\ufffd', text))


def _quoted(text: str) -> str:
    return xml.sax.saxutils.quoteattr(_NOT_XML.sub('\ufffd', text))
