"""The Cobertura report is valid, pycobertura reads it, and it agrees with the result."""

import io
import os
import re

import pycobertura
import pycobertura.filesystem
import pytest
from lxml import etree

from condcov.analysis import outcomes, results
from condcov.report import cobertura
from support import reports, sample

# The requirements of coverage-04.dtd, by element.
DTD = '''
<!ELEMENT coverage (sources?, packages)>
<!ATTLIST coverage line-rate CDATA #REQUIRED branch-rate CDATA #REQUIRED lines-covered CDATA #REQUIRED
    lines-valid CDATA #REQUIRED branches-covered CDATA #REQUIRED branches-valid CDATA #REQUIRED
    complexity CDATA #REQUIRED version CDATA #REQUIRED timestamp CDATA #REQUIRED>
<!ELEMENT sources (source*)>
<!ELEMENT source (#PCDATA)>
<!ELEMENT packages (package*)>
<!ELEMENT package (classes)>
<!ATTLIST package name CDATA #REQUIRED line-rate CDATA #REQUIRED branch-rate CDATA #REQUIRED complexity CDATA #REQUIRED>
<!ELEMENT classes (class*)>
<!ELEMENT class (methods, lines)>
<!ATTLIST class name CDATA #REQUIRED filename CDATA #REQUIRED line-rate CDATA #REQUIRED branch-rate CDATA #REQUIRED
    complexity CDATA #REQUIRED>
<!ELEMENT methods (method*)>
<!ELEMENT method (lines)>
<!ATTLIST method name CDATA #REQUIRED signature CDATA #REQUIRED line-rate CDATA #REQUIRED branch-rate CDATA #REQUIRED
    complexity CDATA #REQUIRED>
<!ELEMENT lines (line*)>
<!ELEMENT line (conditions*)>
<!ATTLIST line number CDATA #REQUIRED hits CDATA #REQUIRED branch CDATA "false" condition-coverage CDATA "100%">
<!ELEMENT conditions (condition*)>
<!ELEMENT condition EMPTY>
<!ATTLIST condition number CDATA #REQUIRED type CDATA #REQUIRED coverage CDATA #REQUIRED>
'''


@pytest.fixture
def path(tmp_path):
    """The report, with the sources next to it."""
    for each in sample.fares(), sample.small(), sample.empty():
        (tmp_path / each.path).parent.mkdir(exist_ok=True)
        (tmp_path / each.path).write_text(each.text, 'utf-8')
    cobertura.write(reports.result(), tmp_path / 'coverage.xml', root=tmp_path, timestamp=1.5)
    return tmp_path / 'coverage.xml'


def validate(path):
    """The document; an AssertionError if it does not follow the DTD."""
    tree = etree.parse(str(path))
    dtd = etree.DTD(io.StringIO(DTD))
    assert dtd.validate(tree), dtd.error_log
    return tree


def line(tree, filename, number):
    [found] = tree.xpath(f'//class[@filename="{filename}"]/lines/line[@number="{number}"]')
    return found


def test_the_report_is_valid(path):
    tree = validate(path)
    assert tree.docinfo.system_url == cobertura.DTD
    assert tree.getroot().get('timestamp') == '1500'
    assert tree.findtext('sources/source') == str(path.parent)


def test_the_rules_refuse_what_is_not_valid(path):
    path.write_text(path.read_text().replace('<methods/>', '', 1))
    with pytest.raises(AssertionError):
        validate(path)


def test_counts_are_those_of_the_levels(path):
    root = validate(path).getroot()
    totals = reports.result().totals
    assert (int(root.get('lines-covered')), int(root.get('lines-valid'))) == totals['line']
    assert (int(root.get('branches-covered')), int(root.get('branches-valid'))) == totals['condition']
    assert float(root.get('line-rate')) == pytest.approx(totals['line'].percent / 100, abs=1e-4)


def test_conditions_of_a_line(path):
    tree = validate(path)
    fare = line(tree, 'railway/fares.py', 13)
    assert (fare.get('hits'), fare.get('branch'), fare.get('condition-coverage')) == ('1', 'true', '87% (7/8)')
    assert [it.attrib for it in fare.iter('condition')] == [
        {'number': str(number), 'type': 'jump', 'coverage': coverage}
        for number, coverage in enumerate(['100%', '100%', '100%', '50%'])]
    missed = line(tree, 'railway/fares.py', 38)
    assert (missed.get('hits'), missed.get('condition-coverage')) == ('0', '0% (0/2)')
    assert dict(line(tree, 'railway/fares.py', 10).attrib) == {'number': '10', 'hits': '1'}
    assert not tree.xpath('//line[@number="43"]')


def test_pycobertura_reads_it(path):
    read = pycobertura.Cobertura(str(path), filesystem=pycobertura.filesystem.DirectoryFileSystem(str(path.parent)))
    result = reports.result()
    assert sorted(read.files()) == [file.path for file in result.files]
    fares = next(file for file in result.files if file.path.endswith('fares.py'))
    assert read.total_statements(fares.path) == fares.levels['line'].total
    # For pycobertura, a line with an uncovered condition is a partial miss, and counts as a miss.
    partial = {line for line, here in outcomes.by_line(fares).items() if not all(it.count for it in here)}
    assert read.total_misses(fares.path) == len(partial.union(fares.missing_lines))
    statuses = dict(read.line_statuses(fares.path))
    assert {number for number, status in statuses.items() if status == 'miss'} == set(fares.missing_lines)
    assert {number for number, status in statuses.items() if status == 'partial'} == partial.difference(
        fares.missing_lines)
    assert read.branch_rate() == pytest.approx(result.totals['condition'].percent / 100, abs=1e-4)


def test_codecov_reads_it(path):
    """Its worker (services/report/languages/cobertura.py) finds branches by "(TAKEN/BRANCHES)", and lists conditions."""
    root = validate(path).getroot()
    assert root.tag == 'coverage' and root.get('timestamp').isdecimal()
    result = reports.result()
    for file in result.files:
        lines = {}
        for each in root.xpath(f'//class[@filename="{file.path}"]//line'):
            taken = re.search(r'\((\d+/\d+)\)', each.get('condition-coverage', ''))
            assert (each.get('branch') == 'true') == (taken is not None)
            lines[int(each.get('number'))] = taken[1] if taken else int(each.get('hits'))
            if taken:
                covered, total = map(int, taken[1].split('/'))
                # The conditions that are not complete, by number and type, are what it shows as missing.
                missing = [it for it in each.iter('condition') if it.get('coverage') != '100%']
                assert bool(missing) == (covered < total)
        by_line = outcomes.by_line(file)
        assert lines == {
            **{line: int(line not in file.missing_lines) for line in file.source.lines},
            **{line: f'{sum(bool(it.count) for it in here)}/{len(here)}' for line, here in by_line.items()}}


@pytest.mark.parametrize('below', ['', 'services/trains'])
def test_gitlab_finds_the_files_in_the_project(path, tmp_path, below):
    """GitLab (lib/gitlab/ci/parsers/coverage/documents/cobertura_document.rb) reads number and hits of each line.

    It puts what follows GROUP/PROJECT/ in a source before the name of a file, if there is anything.
    """
    root = tmp_path / 'builds/group/project' / below
    cobertura.write(reports.result(), path, root=root)
    tree = validate(path)
    _, _, source = tree.findtext('sources/source').partition('/group/project/')
    assert source == below
    found = {os.path.join(source, each.get('filename')): {int(line.get('number')): int(line.get('hits'))
                                                          for line in each.iter('line')}
             for each in tree.iter('class')}
    assert found == {os.path.join(below, file.path): {
        **{line: int(any(it.count for it in here)) for line, here in outcomes.by_line(file).items()},
        **{line: int(line not in file.missing_lines) for line in file.source.lines}} for file in reports.result().files}


def test_a_gap_never_rounds_to_a_whole(tmp_path):
    long = sample.Sample('long.py', 'x = 1\n' * 30_000)
    long.lines = frozenset(range(1, 30_001))
    long.seen.lines = set(range(2, 30_001))
    cobertura.write(results.Result([results.examine(long.source(), long.seen)]), tmp_path / 'coverage.xml')
    assert validate(tmp_path / 'coverage.xml').getroot().get('line-rate') == '0.9999'


def test_names_that_xml_has_no_characters_for(tmp_path):
    odd = sample.Sample('a&b/"<\x01\udcff>.py', 'x = 1\n')
    odd.lines = frozenset({1})
    cobertura.write(results.Result([results.examine(odd.source(), odd.seen)]), tmp_path / 'coverage.xml')
    [it] = validate(tmp_path / 'coverage.xml').iter('class')
    assert it.get('filename') == 'a&b/"<\ufffd\ufffd>.py'


def test_files_below_the_root_are_relative_to_it(tmp_path):
    inner, outer = (sample.Sample(name, 'x = 1\n') for name in (str(tmp_path / 'pkg' / 'a.py'), '/elsewhere/b.py'))
    found = results.Result([results.examine(each.source(), each.seen) for each in (inner, outer)])
    cobertura.write(found, tmp_path / 'coverage.xml', root=tmp_path)
    tree = validate(tmp_path / 'coverage.xml')
    assert tree.xpath('//class/@filename') == ['/elsewhere/b.py', 'pkg/a.py']
    assert tree.xpath('//package/@name') == ['elsewhere', 'pkg']
