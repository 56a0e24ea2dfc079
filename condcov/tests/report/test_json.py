"""The JSON report conforms to its schema and agrees with the result."""

import importlib.resources
import json

import jsonschema
import pytest

from condcov import model
from condcov.report import json as json_report
from support import reports


@pytest.fixture(scope='module')
def schema():
    return json.loads(importlib.resources.files('condcov.report').joinpath('schema.json').read_text('utf-8'))


@pytest.fixture
def written(tmp_path):
    json_report.write(reports.result(), tmp_path / 'report.json')
    return json.loads((tmp_path / 'report.json').read_text('utf-8'))


def test_the_schema_is_one(schema):
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_report_is_valid(schema, written):
    jsonschema.Draft202012Validator(schema).validate(written)


@pytest.mark.parametrize('key', ['totals', 'files'])
def test_the_schema_misses_a_key(schema, written, key):
    del written[key]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(written)


def test_levels_and_lines_are_those_of_the_result(written):
    result = reports.result()
    for file, entry in zip(result.files, written['files'], strict=True):
        assert entry['path'] == file.path
        assert {name: (level['covered'], level['total']) for name, level in entry['levels'].items()} == file.levels
        assert set(entry['lines']['executed']) | set(entry['lines']['missing']) == file.source.lines
        assert entry['lines']['missing'] == list(file.missing_lines)
        assert {tuple(arc) for arc in entry['arcs']['taken']} | set(file.missing_arcs) == file.source.arcs
        assert len(entry['gaps']) == len(file.gaps)
    assert written['totals']['mcdc'] == {'covered': result.totals['mcdc'].covered, 'total': result.totals['mcdc'].total,
                                         'percent': result.totals['mcdc'].percent}


def test_a_decision_can_be_rebuilt_from_the_report(written):
    """Other tools can use the schema as condcov does."""
    ends = {'true': model.TRUE, 'false': model.FALSE}
    for file, entry in zip(reports.result().files, written['files'], strict=True):
        for decision, told in zip(file.source.decisions, entry['decisions'], strict=True):
            conditions = tuple(
                model.Condition(model.Span(*it['span']), it['text'], ends.get(it['on_true'], it['on_true']),
                                ends.get(it['on_false'], it['on_false']), it['tested'], it['constant'])
                for it in told['conditions'])
            assert model.Decision(told['kind'], model.Span(*told['span']), conditions) == decision
            assert {it['path']: it['count'] for it in told['paths']} == file.seen.paths.get(decision.key, {})


def test_the_text_of_a_decision_is_its_source(written):
    fares = next(entry for entry in written['files'] if entry['path'].endswith('fares.py'))
    texts = [decision['text'] for decision in fares['decisions']]
    assert 'age < 16        # children\n        or age >= 65\n        or student and day in DAYS' in texts
    assert "stop.open and stop.name != '駅' or name == 'all'" in texts


def test_counts_and_verdicts_of_a_condition(written):
    fares = next(entry for entry in written['files'] if entry['path'].endswith('fares.py'))
    decision = next(decision for decision in fares['decisions'] if decision['text'] == 'age < 6 and not student')
    young, student = decision['conditions']
    assert young['outcomes'] == {'T': 6, 'F': 35, 'e': 0}
    assert young['mcdc'] == {'coverable': True, 'covered': True, 'pair': ['TF', 'F-']}
    assert student['outcomes'] == {'T': 0, 'F': 6, 'e': 0}
    assert student['missing'] == ['TT']
    assert student['sentence'] == '`student` was never true while `age < 6` was true'
