"""The JSON report: everything that condcov knows, for programs. The schema is schema.json in this package."""

import json

import condcov
from condcov import model
from condcov.analysis import mcdc, outcomes
from condcov.code import source_text
from condcov.report import output

# Raised when a reader of the old form would misread the new one. An added key is no new version.
VERSION = 1

_ENDS = {model.TRUE: 'true', model.FALSE: 'false'}


def write(result, destination, *, indent=None):
    """Write the JSON report of a condcov.analysis.results.Result to the file `destination`.

    indent  by how many spaces the levels are indented; None for one long line

    Raises CondcovError if the file cannot be written.
    """
    document = {
        'format': 'condcov',
        'version': VERSION,
        'condcov': condcov.__version__,
        'totals': _levels(result.totals),
        'files': [_file(file) for file in result.files],
    }
    with output.new_file(destination) as stream:
        json.dump(document, stream, indent=indent)
        stream.write('\n')


def _file(file):
    source = file.source
    lines = source_text.source_lines(source.text)
    return {
        'path': file.path,
        'levels': _levels(file.levels),
        'lines': {
            'executed': sorted(source.lines.difference(file.missing_lines)),
            'missing': list(file.missing_lines),
            'excluded': sorted(source.excluded),
        },
        'arcs': {
            'taken': sorted(map(list, source.arcs.difference(file.missing_arcs))),
            'missing': [list(arc) for arc in file.missing_arcs],
        },
        'decisions': [_decision(decision, analyses, file.seen.paths.get(decision.key, {}), lines)
                      for decision, analyses in zip(source.decisions, file.analyses)],
        'gaps': [_gap(gap) for gap in file.gaps],
    }


def _gap(gap):
    return {
        'kind': gap.kind,
        'line': gap.line,
        'end_line': gap.end_line,
        'spans': [list(span) for span in gap.spans],
        'text': gap.text,
        'sentence': gap.sentence,
        'arc': gap.arc and list(gap.arc),
        'decision': gap.decision,
        'conditions': list(gap.conditions),
        'missing': list(gap.missing),
    }


def _decision(decision, analyses, paths, lines):
    counts = outcomes.counts(decision, paths)
    return {
        'kind': decision.kind,
        'span': list(decision.span),
        'text': source_text.excerpt(lines, decision.span),
        'paths': [{'path': path, 'count': count, 'outcome': mcdc.outcome(decision, path)}
                  for path, count in sorted(paths.items())],
        'conditions': [_condition(*each) for each in zip(decision.conditions, analyses, counts)],
    }


def _condition(condition, analysis, counts):
    return {
        'span': list(condition.span),
        'text': condition.text,
        'on_true': _ENDS.get(condition.on_true, condition.on_true),
        'on_false': _ENDS.get(condition.on_false, condition.on_false),
        'tested': condition.tested,
        'constant': condition.constant,
        'possible': analysis.possible,
        'outcomes': counts,
        'mcdc': {
            'coverable': analysis.coverable,
            'covered': analysis.covered,
            'pair': analysis.pair and list(analysis.pair),
        },
        'missing': list(analysis.missing),
        'sentence': analysis.sentence,
    }


def _levels(levels):
    return {name: {'covered': level.covered, 'total': level.total, 'percent': level.percent}
            for name, level in levels.items()}
