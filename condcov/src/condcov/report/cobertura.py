"""The Cobertura report: XML by the DTD coverage-04, as coverage.py writes it, and with the outcomes of conditions.

Cobertura counts the two ways of each conditional jump in a line, and so does this: `branch-rate` is the condition level
of condcov, and not coverage.py's count of jumps from line to line.
"""

import os
import pathlib
import re
import time
import xml.sax.saxutils

import condcov
from condcov.analysis import outcomes
from condcov.report import output

DTD = 'http://cobertura.sourceforge.net/xml/coverage-04.dtd'


def write(result, destination, *, root=None, timestamp=None):
    """Write the XML report of a condcov.analysis.results.Result to the file `destination`.

    root        the folder that file names are relative to, the current one if None
    timestamp   when the report was made, in seconds since the epoch; now if None

    Raises CondcovError if the file cannot be written.
    """
    root = pathlib.Path(root or os.getcwd())
    packages = {}
    totals = _Rates()
    for file in result.files:
        name = _relative(file.path, root)
        folders = '.'.join(part for part in name.parts[:-1] if part != name.anchor) or '.'
        package = packages.setdefault(folders, (_Rates(), []))
        rates, lines = _lines(file)
        package[0].add(rates)
        package[1].append((name, rates, lines))
        totals.add(rates)
    with output.new_file(destination) as stream:
        for record in _document(packages, totals, root, time.time() if timestamp is None else timestamp):
            stream.write(record + '\n')


class _Rates:
    """Counts of covered and valid lines and branches."""

    def __init__(self):
        self.counts = {'lines': [0, 0], 'branches': [0, 0]}

    def add(self, other):
        for name, (covered, valid) in other.counts.items():
            self.count(name, covered, valid)

    def count(self, name, covered, valid):
        self.counts[name][0] += covered
        self.counts[name][1] += valid

    def rate(self, name):
        covered, valid = self.counts[name]
        # As coverage.py and Cobertura have it; rounding never makes a gap disappear.
        return '1' if covered == valid else f'{int(10000 * covered / valid) / 10000:.4g}'

    def attributes(self):
        return f'line-rate="{self.rate("lines")}" branch-rate="{self.rate("branches")}" complexity="0"'


def _document(packages, totals, root, timestamp):
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


def _lines(file):
    """The _Rates of a file, and its <line> elements."""
    rates = _Rates()
    records = []
    by_line = outcomes.by_line(file)
    executed = file.source.lines.difference(file.missing_lines)
    for line in sorted(file.source.lines | by_line.keys()):
        here = by_line.get(line, ())
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
        conditions = {}
        for outcome in here:
            conditions.setdefault((outcome.decision, outcome.condition), []).append(bool(outcome.count))
        for number, seen in enumerate(conditions.values()):
            records.append(f'                <condition number="{number}" type="jump"'
                           f' coverage="{100 * sum(seen) // len(seen)}%"/>')
        records.append('              </conditions>')
        records.append('            </line>')
    return rates, records


def _relative(path, root):
    path = pathlib.Path(path)
    return path.relative_to(root) if path.is_relative_to(root) else path


# Characters that XML 1.0 cannot have at all.
_NOT_XML = re.compile('[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')


def _text(text):
    return xml.sax.saxutils.escape(_NOT_XML.sub('\ufffd', text))


def _quoted(text):
    return xml.sax.saxutils.quoteattr(_NOT_XML.sub('\ufffd', text))
