"""Every report is valid for files of the standard library with random data."""

import json
import os
import pathlib
import random

import jsonschema
import pytest
import test_cobertura
import test_html
import test_json
import test_lcov

from condcov import model
from condcov.analysis import coverable, mcdc, results
from condcov.report import cobertura, html, lcov
from condcov.report import json as json_report

pytestmark = pytest.mark.slow

schema = test_json.schema


@pytest.fixture(scope='module')
def result():
    """The Result of three files, the same each time."""
    chance = random.Random(2255)
    files = []
    for name in 'shlex.py', 'textwrap.py', 'sched.py':
        path = pathlib.Path(os.__file__).with_name(name)
        source = coverable.analyse(path.read_bytes(), f'Lib/{name}')
        seen = model.Seen()
        seen.lines = {line for line in source.lines if chance.random() < 0.8}
        seen.arcs = {arc for arc in source.arcs if arc[0] in seen.lines and chance.random() < 0.6}
        for decision in source.decisions:
            paths = [path for path in mcdc.feasible_paths(decision, 64) if chance.random() < 0.5]
            if paths:
                seen.paths[decision.key] = {path: chance.randrange(1, 2000) for path in paths}
                if chance.random() < 0.1:
                    seen.paths[decision.key][paths[0][0] + '-' * (len(paths[0]) - 1) + model.LEFT] = 1
        files.append(results.examine(source, seen))
    return results.Result(files)


def test_lcov_is_well_made_and_adds_up(result, tmp_path):
    lcov.write(result, tmp_path / 'condcov.info', mcdc=True)
    sections = test_lcov.read(tmp_path / 'condcov.info')
    assert sum(section.summary['BRF'] for section in sections) == result.totals['condition'].total
    assert sum(section.summary['BRH'] for section in sections) == result.totals['condition'].covered
    assert sum(section.summary['MCF'] for section in sections) == 2 * result.totals['mcdc'].total
    both = [all(senses.values()) for section in sections for groups in section.groups.values()
            for group in groups.values() for _, senses in group]
    assert sum(both) == result.totals['mcdc'].covered


def test_cobertura_is_valid_and_adds_up(result, tmp_path):
    cobertura.write(result, tmp_path / 'coverage.xml')
    root = test_cobertura.validate(tmp_path / 'coverage.xml').getroot()
    assert (int(root.get('branches-covered')), int(root.get('branches-valid'))) == result.totals['condition']


def test_json_is_valid(result, tmp_path, schema):
    json_report.write(result, tmp_path / 'report.json')
    jsonschema.Draft202012Validator(schema).validate(json.loads((tmp_path / 'report.json').read_text('utf-8')))


def test_html_has_every_condition_once_and_a_truth_table_for_each_decision(result, tmp_path):
    html.write(result, tmp_path / 'html')
    for file in result.files:
        page = test_html.page(tmp_path / 'html', html.page_name(file.path))
        assert len(page.xpath('//tr[@class="truth"]')) == len(file.source.decisions)
        conditions = [analysis for analyses in file.analyses for analysis in analyses if analysis.possible]
        covered = page.xpath('//span[@role="button"]')
        # A condition that is covered completely by others has no piece; it is still in the truth table.
        assert 0.98 * len(conditions) <= len(covered) <= len(conditions)
        assert len(page.xpath('//ul[@class="verdicts"]/li')) == len(conditions)
