"""The JSON report: the complete result, for programs. Its schema is schema.json in this package."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import condcov
from condcov import model
from condcov.analysis import mcdc, outcomes
from condcov.analysis.mcdc import ConditionAnalysis
from condcov.analysis.results import Acceptance, FileResult, Gap, Level, Result
from condcov.code import source_text
from condcov.model import Condition, Decision
from condcov.report import messages, output

# Increased when a reader of the old format would misread the new one, but not for an added key.
VERSION = 1

_ENDS = {model.TRUE: 'true', model.FALSE: 'false'}


def write(result: Result, destination: str | os.PathLike[str]) -> None:
    """Write the JSON report of a result to the file `destination`.  Raises CondcovError if it cannot be written."""
    document = {
        'format': 'condcov',
        'version': VERSION,
        'condcov': condcov.__version__,
        'totals': _levels(result.totals),
        'files': [_file(file) for file in result.files],
    }
    with output.new_file(destination) as stream:
        json.dump(document, stream)
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
            'taken': sorted(map(list, source.arcs.difference(file.missing_arcs))),
            'missing': [list(arc) for arc in file.missing_arcs],
        },
        'decisions': [_decision(decision, analyses, file.seen.paths.get(decision.key, {}), lines)
                      for decision, analyses in zip(source.decisions, file.analyses)],
        'gaps': [_gap(file, gap) for gap in file.gaps],
        'accepted': [_acceptance(file, acceptance) for acceptance in file.accepted],
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


def _decision(decision: Decision, analyses: Sequence[ConditionAnalysis], paths: Mapping[str, int],
              lines: list[str]) -> dict[str, Any]:
    counts = outcomes.counts(decision, paths)
    return {
        'kind': decision.kind,
        'span': list(decision.span),
        'text': source_text.excerpt(lines, decision.span),
        'paths': [{'path': path, 'count': count, 'outcome': mcdc.outcome(decision, path)}
                  for path, count in sorted(paths.items())],
        'conditions': [
            _condition(condition, analyses[index], counts[index],
                       messages.of_conditions(decision, (index,), analyses))
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
