"""The JSON report: the complete result, for programs. Its schema is schema.json in this package."""

import json
import os
from collections.abc import Mapping
from typing import Any

import condcov
from condcov import model
from condcov.analysis import mcdc, outcomes
from condcov.analysis.mcdc import ConditionAnalysis
from condcov.analysis.results import Acceptance, FileResult, Gap, Level, Result
from condcov.code import source_text
from condcov.model import Condition
from condcov.report import messages, output

# Increased when a reader of the old format would misread the new one, but not for an added key.
VERSION = 1

_ENDS = {model.TRUE: 'true', model.FALSE: 'false'}


def write(result: Result, destination: str | os.PathLike[str], *, pretty: bool = False) -> None:
    """Write the JSON report of a result to the file `destination`.

    pretty      whether to break and indent the lines for human readers

    Raises CondcovError if the file cannot be written.
    """
    document = {
        'format': 'condcov',
        'version': VERSION,
        'condcov': condcov.__version__,
        'totals': _levels(result.totals),
        'problems': list(result.problems),
        'files': [_file(file) for file in result.files],
    }
    with output.new_file(destination) as stream:
        json.dump(document, stream, indent=4 if pretty else None)
        stream.write('\n')


def _file(file: FileResult) -> dict[str, Any]:
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
            'taken': sorted(map(list, source.arcs & file.seen.arcs)),
            'missing': [list(arc) for arc in file.missing_arcs],
            'assumed': sorted(map(list, source.assumed - file.seen.arcs)),
        },
        'decisions': [_decision(file, number, lines) for number in range(len(source.decisions))],
        'gaps': [_gap(file, gap) for gap in file.gaps],
        'accepted': [_acceptance(file, acceptance) for acceptance in file.accepted],
        **({'contexts': {str(line): names for line, names in sorted(file.contexts.lines.items())}}
           if file.contexts else {}),
    }


def _gap(file: FileResult, gap: Gap) -> dict[str, Any]:
    return {
        'kind': gap.kind,
        'line': gap.line,
        'end_line': gap.end_line,
        'spans': [list(span) for span in gap.spans],
        'text': gap.text,
        'sentence': messages.of_gap(file, gap),
        'arc': gap.arc and list(gap.arc),
        'decision': gap.decision,
        'conditions': list(gap.conditions),
        'missing': list(gap.missing),
    }


def _acceptance(file: FileResult, acceptance: Acceptance) -> dict[str, Any]:
    accepted = acceptance.accepted
    return {
        'kind': acceptance.kind,
        'line': acceptance.line,
        'level': accepted and accepted.level,
        'reason': accepted.reason if accepted else '',
        'sentence': messages.of_acceptance(file, acceptance),
        'decision': acceptance.decision,
        'conditions': list(acceptance.conditions),
    }


def _decision(file: FileResult, number: int, lines: list[str]) -> dict[str, Any]:
    decision, analyses = file.source.decisions[number], file.analyses[number]
    paths = file.seen.paths.get(decision.key, {})
    counts = outcomes.counts(decision, paths)
    contexts = file.contexts.outcomes if file.contexts else {}
    return {
        'kind': decision.kind,
        'span': list(decision.span),
        'text': source_text.excerpt(lines, decision.span),
        'paths': [{'path': path, 'count': count, 'outcome': mcdc.outcome(decision, path)}
                  for path, count in sorted(paths.items())],
        'conditions': [
            _condition(condition, analyses[index], counts[index],
                       messages.of_conditions(decision, (index,), analyses))
            | ({'contexts': contexts.get((number, index), {})} if file.contexts else {})
            for index, condition in enumerate(decision.conditions)],
    }


def _condition(condition: Condition, analysis: ConditionAnalysis, counts: dict[str, int],
               sentence: str) -> dict[str, Any]:
    return {
        'span': list(condition.span),
        'text': condition.text,
        'on_true': _ENDS.get(condition.on_true, condition.on_true),
        'on_false': _ENDS.get(condition.on_false, condition.on_false),
        'tested': condition.tested,
        'constant': condition.constant,
        'possible': analysis.possible,
        'asked': analysis.asked,
        'outcomes': counts,
        'mcdc': {
            'coverable': analysis.coverable,
            'covered': analysis.covered,
            'pair': analysis.pair and list(analysis.pair),
        },
        'missing': list(analysis.missing),
        'sentence': sentence,
    }


def _levels(levels: Mapping[str, Level]) -> dict[str, Any]:
    return {name: {'covered': level.covered, 'total': level.total, 'percent': level.percent}
            for name, level in levels.items()}
