"""lcov reads the tracefile, which agrees with the result.

lcov 1.x is run where it is installed (Debian's package `lcov`). What lcov 2.x accepts is written down in read() and
check(): the grammar of its reader (TraceFile::_read_info and MCDC_Block::insertExpr in lib/lcovutil.pm) and what its
option `check_data_consistency` complains about.
"""

import collections
import pathlib
import re
import shutil
import subprocess

import pytest

from condcov import model
from condcov.analysis import mcdc, outcomes, results
from condcov.report import lcov
from support import reports, sample

PATTERNS = {
    'TN': r'TN:([^,]*)(,diff)?',
    'SF': r'SF:(.+)',
    'BRDA': r'BRDA:(\d+),([ef]?)(U?)(\d+),(.+)',
    'MCDC': r'MCDC:(\d+),(U?)(\d+),([tf]),(\d+),(\d+),(.+)',
    'DA': r'DA:(\d+),(\d+)',
    'summary': r'(BR|L|MC)([FH]):(\d+)',
    'end_of_record': r'end_of_record',
}


class Section:
    """The content of one section of a tracefile."""

    def __init__(self):
        self.path = None
        self.lines = {}
        self.branches = collections.defaultdict(list)       # line: [(block, name, taken or '-')]
        self.groups = collections.defaultdict(dict)         # line: {group size: [(expression, {sense: taken})]}
        self.summary = {}


def read(path):
    """The sections of a tracefile as lcov 2.x reads it; an AssertionError for whatever it rejects or warns about."""
    sections = []
    section = None
    last_mcdc = None
    for record in path.read_text('utf-8').splitlines():
        kind, match = next(((kind, match) for kind, pattern in PATTERNS.items()
                            if (match := re.fullmatch(pattern, record))), (None, None))
        assert match, f'unexpected .info file record {record!r}'
        if kind == 'TN':
            assert section is None
        elif kind == 'SF':
            section, last_mcdc = Section(), None
            section.path = match[1]
        elif kind == 'BRDA':
            name, _, taken = match[5].rpartition(',')
            assert name and re.fullmatch(r'\d+|-', taken), record
            block = int(match[4])
            before = [block for block, *_ in section.branches[int(match[1])]]
            assert not before or block in (before[-1], before[-1] + 1), f'blocks are not contiguous: {record}'
            section.branches[int(match[1])].append((block, name, taken))
        elif kind == 'MCDC':
            line, size, sense, taken, index = int(match[1]), int(match[3]), match[4], int(match[5]), int(match[6])
            assert line == last_mcdc or line not in section.groups, f'MCDC already defined: {record}'
            last_mcdc = line
            group = section.groups[line].setdefault(size, [])
            if index == len(group):
                group.append((match[7], {}))
            assert index < len(group), f'non-contiguous expression: {record}'
            assert group[index][0] == match[7], f'expression changed: {record}'
            assert sense not in group[index][1], f'counted twice: {record}'
            group[index][1][sense] = taken
        elif kind == 'DA':
            assert int(match[1]) not in section.lines
            section.lines[int(match[1])] = int(match[2])
        elif kind == 'summary':
            section.summary[match[1] + match[2]] = int(match[3])
        else:
            check(section)
            sections.append(section)
            section = None
    assert section is None
    return sections


def check(section):
    """The checks of lcov's check_data_consistency, and of the sums."""
    assert section.lines, 'empty: no line data'
    for line, branches in section.branches.items():
        assert line in section.lines, f'line {line} has branchcov but no linecov data'
        taken = [taken for *_, taken in branches]
        if section.lines[line]:
            assert set(taken) != {'-'}, f'line {line} is hit but no branches on line have been evaluated'
        else:
            assert set(taken) <= {'-', '0'}, f'line {line} is not hit but a branch on line has been evaluated'
    for line, groups in section.groups.items():
        assert line in section.lines, f'line {line} has mcdc but no linecov data'
        for size, group in groups.items():
            assert len(group) == size
            assert all(senses.keys() == {'t', 'f'} for _, senses in group)
            if not section.lines[line]:
                assert not any(taken for _, senses in group for taken in senses.values())
    branches = [taken for found in section.branches.values() for *_, taken in found]
    senses = [taken for groups in section.groups.values() for group in groups.values() for _, both in group
              for taken in both.values()]
    assert section.summary == {
        'LF': len(section.lines), 'LH': sum(1 for count in section.lines.values() if count),
        **({'BRF': len(branches), 'BRH': sum(taken not in '-0' for taken in branches)} if branches else {}),
        **({'MCF': len(senses), 'MCH': sum(map(bool, senses))} if senses else {}),
    }


def result_of(*samples):
    return results.Result([results.examine(each.source(), each.seen) for each in samples])


@pytest.fixture
def sections(tmp_path):
    lcov.write(reports.result(), tmp_path / 'condcov.info', mcdc=True)
    return {section.path: section for section in read(tmp_path / 'condcov.info')}


def test_the_tracefile_is_one_for_lcov_2_and_leaves_out_a_file_without_lines(sections):
    assert list(sections) == ['railway/__init__.py', 'railway/fares.py']


def test_sums_are_those_of_the_levels(sections):
    for file in reports.result().files:
        if file.path in sections:
            summary = sections[file.path].summary
            assert (summary['LH'], summary['LF']) == file.levels['line']
            assert (summary['BRH'], summary['BRF']) == file.levels['condition']
            assert summary['MCF'] == 2 * file.levels['mcdc'].total


def test_outcomes_of_conditions_are_branches_of_the_line_where_the_statement_starts(sections):
    branches = sections['railway/fares.py'].branches
    assert branches[13] == [
        (0, 'age < 16 is true', '9'), (0, 'age < 16 is false', '26'), (0, 'age >= 65 is true', '4'),
        (0, 'age >= 65 is false', '22'), (0, 'student is true', '2'), (0, 'student is false', '20'),
        (0, 'day in DAYS is true', '2'), (0, 'day in DAYS is false', '0')]
    assert branches[8][0] == (0, 'isinstance(age int) is true', '41')           # no comma in a name
    assert branches[21][2:] == [(0, 'dog.weight > 8 is true', '-'), (0, 'dog.weight > 8 is false', '-')]
    assert branches[26][2] == (0, "'direct' is evaluated", '5')
    assert branches[28] == [(0, 'stop in found is entered', '14'), (0, 'stop in found is exhausted', '0')]
    assert branches[38] == [(0, 'TypeError matches', '-'), (0, 'TypeError does not match', '-')]
    assert {block for block, *_ in branches[29]} == {0, 1}                      # two decisions in one line
    assert not branches.keys() & {14, 15, 16, 43}


def test_mcdc_has_both_senses_of_what_can_be_shown(sections):
    groups = sections['railway/fares.py'].groups
    assert groups[11] == {2: [('age < 6', {'t': 1, 'f': 1}), ('student', {'t': 0, 'f': 1})]}
    assert groups[13][4][3] == ('day in DAYS', {'t': 1, 'f': 0})
    assert 26 not in groups                                                     # a value, which cannot count for MC/DC


def test_a_decision_that_shows_no_condition_is_not_half_covered():
    """Both halves count only if they belong to the same pair."""
    half = sample.Sample('half.py', 'if a if b else not a:\n    pass\n')
    # b true: the outcome is a; b false: it is not a
    half.decide('if', 'a if b else not a', ('b', 1, 2), ('a', sample.TRUE, sample.FALSE),
                ('a', sample.FALSE, sample.TRUE), paths={'TT-': 1, 'F-T': 1})
    half.lines = frozenset({1, 2})
    half.seen.lines = {1, 2}
    file = result_of(half).files[0]
    senses = re.findall(r'MCDC:1,3,([tf]),(\d),(\d)', '\n'.join(lcov._records(file, True, True)))
    assert sum(int(taken) for _, taken, _ in senses) < 6
    for index, analysis in enumerate(file.analyses[0]):
        both = [taken for _, taken, at in senses if int(at) == index]
        assert (both == ['1', '1']) == analysis.covered


def test_decisions_of_one_size_in_one_line_are_one_group(tmp_path):
    """lcov would add up the counts of both."""
    line = sample.Sample('line.py', 'x = [a, b][c and d] if e and f else g and h and i and j\n')
    line.decide('boolean', 'c and d', ('c', 1, sample.FALSE), ('d', sample.TRUE, sample.FALSE), paths={'TT': 1})
    line.decide('ternary', 'e and f', ('e', 1, sample.FALSE), ('f', sample.TRUE, sample.FALSE), paths={'TT': 2})
    line.decide('if', 'g and h and i and j', ('g', 1, sample.FALSE), ('h', 2, sample.FALSE), ('i', 3, sample.FALSE),
                ('j', sample.TRUE, sample.FALSE))
    line.lines = frozenset({1})
    line.seen.lines = {1}
    lcov.write(result_of(line), tmp_path / 'condcov.info', mcdc=True)
    [section] = read(tmp_path / 'condcov.info')
    [(size, group)] = section.groups[1].items()
    assert size == 8
    assert sorted(text for text, _ in group) == list('cdefghij')


def test_a_line_that_was_executed_without_its_conditions_satisfies_lcov(tmp_path):
    quiet = sample.Sample('quiet.py', 'x = [i for i in () if i]\n')
    quiet.decide('comprehension', 'i', ('i', sample.TRUE, sample.FALSE), after='if i')
    quiet.lines = frozenset({1})
    quiet.seen.lines = {1}
    lcov.write(result_of(quiet), tmp_path / 'condcov.info', mcdc=True)
    [section] = read(tmp_path / 'condcov.info')
    assert section.branches[1] == [(0, 'i is true', '0'), (0, 'i is false', '0')]


def test_a_decision_outside_of_every_line_has_a_line_of_its_own(tmp_path):
    odd = sample.Sample('odd.py', '\nif a:\n    pass\n')
    odd.decide('if', 'a', ('a', sample.TRUE, sample.FALSE), paths={'T': 1}, after='if')
    odd.decisions[0] = model.Decision('if', model.Span(2, 3, 2, 4), odd.decisions[0].conditions)
    odd.seen.paths = {odd.decisions[0].key: {'T': 1}}
    lcov.write(result_of(odd), tmp_path / 'condcov.info', mcdc=True)
    [section] = read(tmp_path / 'condcov.info')
    assert section.lines == {2: 1}


def test_outcomes_add_up():
    source = sample.fares().source()
    decision = next(decision for decision in source.decisions if decision.kind == 'comprehension')
    counts = outcomes.counts(decision, {'TT-': 14, 'TFT': 2, 'F-F': 3, 'T--!': 1})
    assert counts == [{'T': 17, 'F': 3, 'e': 0}, {'T': 14, 'F': 2, 'e': 0}, {'T': 2, 'F': 3, 'e': 0}]
    assert set(mcdc.feasible_paths(decision)) >= {'TT-', 'TFT', 'F-F'}


def codecov_reads(path):
    """{path: {line: hits, or "TAKEN/BRANCHES"}} as Codecov reads a tracefile.

    Its worker (services/report/languages/lcov.py) takes a file for LCOV if a line starts with end_of_record, splits it
    there, ignores records that it does not know, splits BRDA at the first three commas, and lets branches replace the
    hits of their line.
    """
    files = {}
    for section in path.read_bytes().split(b'\nend_of_record')[:-1]:
        records = [record.split(':', 1) for record in section.decode().split('\n') if ':' in record]
        (name,) = [content for kind, content in records if kind == 'SF']
        lines, branches = {}, collections.defaultdict(dict)
        for kind, content in records:
            if kind == 'DA':
                line, hits = content.split(',')
                lines[int(line)] = int(hits)
            elif kind == 'BRDA':
                line, block, branch, taken = content.split(',', 3)
                assert taken.isdecimal() or taken == '-'
                branches[int(line)][block, branch] = taken not in ('-', '0')
        files[name] = lines | {line: f'{sum(found.values())}/{len(found)}' for line, found in branches.items()}
    return files


@pytest.mark.parametrize('mcdc', [False, True])
def test_codecov_reads_lines_and_outcomes(tmp_path, mcdc):
    result = reports.result()
    lcov.write(result, tmp_path / 'condcov.lcov', mcdc=mcdc)
    files = codecov_reads(tmp_path / 'condcov.lcov')
    for file in result.files:
        if file.path in files:
            by_line = outcomes.by_line(file)
            assert files[file.path] == {
                **{line: int(line not in file.missing_lines) for line in file.source.lines},
                **{line: f'{sum(bool(it.count) for it in here)}/{len(here)}' for line, here in by_line.items()}}
    assert files['railway/fares.py'][13] == '7/8'


def runner(tmp_path, major):
    """Runs a command of this version of lcov in a folder with the sources of the samples."""
    if not shutil.which('genhtml'):
        pytest.skip('genhtml is not installed (apt-get install lcov)')
    version = subprocess.run(['genhtml', '--version'], capture_output=True, text=True, check=True).stdout
    if not re.search(rf'version {major}\.', version):
        pytest.skip(f'made for lcov {major}.x, and this is {version.strip()}')
    for each in sample.fares(), sample.small():
        path = tmp_path / each.path
        path.parent.mkdir(exist_ok=True)
        path.write_text(each.text, 'utf-8')

    def run(*arguments):
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done
        return done.stdout + done.stderr
    return run


@pytest.fixture
def old_lcov(tmp_path):
    return runner(tmp_path, 1)


@pytest.fixture
def new_lcov(tmp_path):
    return runner(tmp_path, 2)


def test_genhtml_2_renders_lines_conditions_and_mcdc(new_lcov, tmp_path):
    result = reports.result()
    lcov.write(result, tmp_path / 'condcov.info', mcdc=True)
    said = new_lcov('genhtml', '--branch-coverage', '--mcdc-coverage', '--output-directory', 'html', 'condcov.info')
    for level, name in ('line', 'lines'), ('condition', 'branches'):
        assert f'({result.totals[level].covered} of {result.totals[level].total} {name})' in said
    summaries = [section.summary for section in read(tmp_path / 'condcov.info')]
    hit, found = (sum(summary.get(name, 0) for summary in summaries) for name in ('MCH', 'MCF'))
    assert found and f'({hit} of {found} MC/DCs)' in said
    assert 'no messages were reported' in said      # lcov understood everything
    page = (tmp_path / 'html' / 'railway' / 'fares.py.gcov.html').read_text('utf-8')
    assert 'MC/DC data' in page


def test_lcov_2_rewrites_it_without_a_loss(new_lcov, tmp_path):
    lcov.write(reports.result(), tmp_path / 'condcov.info', mcdc=True)
    new_lcov('lcov', '--branch-coverage', '--mcdc-coverage', '--add-tracefile', 'condcov.info', '--output-file',
             'again.info')

    def records(name):
        return sorted(re.findall(r'^(?:BRDA|DA|BRF|BRH|LF|LH|MCF|MCH):.*$', (tmp_path / name).read_text('utf-8'), re.M))
    assert records('again.info') == records('condcov.info')


def test_genhtml_1_renders_lines_and_branches(old_lcov, tmp_path):
    lcov.write(reports.result(), tmp_path / 'condcov.info', mcdc=True, names=False)
    said = old_lcov('genhtml', '--branch-coverage', '--output-directory', 'html', 'condcov.info')
    totals = reports.result().totals
    assert f'({totals["line"].covered} of {totals["line"].total} lines)' in said
    assert f'({totals["condition"].covered} of {totals["condition"].total} branches)' in said
    page = (tmp_path / 'html' / 'railway' / 'fares.py.gcov.html').read_text('utf-8')
    assert 'title="Branch 3 was not taken"' in page
    assert 'title="Branch 0 was taken 41 times"' in page


def test_lcov_1_rewrites_it_without_a_loss(old_lcov, tmp_path):
    lcov.write(reports.result(), tmp_path / 'condcov.info', mcdc=True, names=False)
    old_lcov('lcov', '--rc', 'lcov_branch_coverage=1', '--add-tracefile', 'condcov.info', '--output-file', 'again.info')

    def records(name):
        return sorted(re.findall(r'^(?:BRDA|DA|BRF|BRH|LF|LH):.*$', pathlib.Path(tmp_path / name).read_text(), re.M))
    assert records('again.info') == records('condcov.info')


def test_lcov_1_reads_names_as_far_as_it_can(old_lcov, tmp_path):
    """lcov 1.x ignores branches with names; the lines are still correct."""
    lcov.write(reports.result(), tmp_path / 'condcov.info', mcdc=True)
    said = old_lcov('genhtml', '--branch-coverage', '--output-directory', 'html', 'condcov.info')
    line = reports.result().totals['line']
    assert f'({line.covered} of {line.total} lines)' in said
