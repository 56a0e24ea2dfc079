"""The command: its reports, and its one-line errors."""

import os
import sys

import pytest

import condcov
from support import small_program


@pytest.fixture
def recorded(folder):
    """A Folder with the data of a program."""
    folder.write('prog.py', small_program.PROGRAM)
    folder.condcov('run', 'prog.py')
    return folder


def test_report(recorded):
    output = recorded.condcov('report').stdout
    assert 'prog.py' in output and '`b` was never false while `a` was true' in output
    assert 'x = 1' not in output
    assert '`b`' not in recorded.condcov('report', '--no-gaps').stdout
    assert recorded.condcov('report', '--sort=mcdc', '--skip-covered').returncode == 0


@pytest.mark.parametrize('command, name', [('html', 'condcov-html'), ('lcov', 'condcov.lcov'), ('xml', 'condcov.xml'),
                                           ('json', 'condcov.json')])
def test_written_reports(recorded, command, name):
    done = recorded.condcov(command)
    place = f'{name}/index.html' if command == 'html' else name
    assert (done.stdout, done.stderr) == (f'Wrote {command.upper()} report to {place}\n', '')
    assert (recorded.path / name).exists()
    assert recorded.condcov(command, '-q', '-o', 'other').stdout == ''
    assert (recorded.path / 'other').exists()
    assert 'cannot write' in recorded.refused(command, '-o', '/dev/null/x')


def test_lcov_has_names_and_mcdc_or_numbers(folder):
    folder.write('prog.py', 'for i in (0, 1):\n    if i: print(i)\n')
    folder.condcov('run', 'prog.py')
    for options, branch in ((), 'BRDA:2,0,0,1'), (('--mcdc',), 'BRDA:2,0,i is true,1'), \
            (('--mcdc', '--numbers'), 'BRDA:2,0,0,1'):
        folder.condcov('lcov', *options)
        text = (folder.path / 'condcov.lcov').read_text()
        assert branch in text.splitlines() and ('MCDC:' in text) == ('--mcdc' in options)


@pytest.mark.slow
@pytest.mark.parametrize('command', ['report', 'html', 'lcov', 'xml', 'json'])
def test_too_little(recorded, command):
    recorded.condcov(command, '--fail-under', '100', '--fail-under=mcdc=50')
    done = recorded.condcov(command, '--fail-under=line=100', '--fail-under=condition=99', '--fail-under=mcdc=99',
                            status=2)
    assert [line.split(' of ')[0] for line in done.stderr.splitlines()] == \
        ['condcov: condition coverage', 'condcov: mcdc coverage']
    recorded.write('pyproject.toml', '[tool.condcov.fail_under]\ncondition = 99\n')
    recorded.condcov(command, status=2)
    recorded.condcov(command, '--fail-under=condition=50')


def test_contexts(recorded):
    recorded.condcov('run', '--append', '--context=other', 'prog.py')
    assert recorded.condcov('report', '--contexts=^other$').stdout == recorded.condcov('report').stdout
    assert recorded.condcov('report', '--contexts=nothing').stdout != recorded.condcov('report').stdout


def test_pragmas_may_change_and_source_may_not(recorded):
    recorded.write('pyproject.toml', '[tool.condcov]\nexclude_also = ["if a and b"]\n')
    assert '`b`' not in recorded.condcov('report').stdout
    path = recorded.write('prog.py', 'x = 1\n')
    assert recorded.refused('report') == f'condcov: {path} has changed since it was recorded: run again'
    os.unlink(path)
    assert recorded.refused('report').startswith(f'condcov: cannot find the source of {path}; exclude it with --omit, ')
    assert recorded.refused('report', '--omit=*/prog.py').endswith('or --include and --omit exclude them all')


def test_what_is_accepted(recorded):
    recorded.write('pyproject.toml', """
        [[tool.condcov.accept]]
        file = "pro*.py"
        condition = "b"
        level = "mcdc"
        reason = "they fail together"
        [[tool.condcov.accept]]
        file = "other.py"
        condition = "a"
        reason = "no"
    """)
    output = recorded.condcov('report').stdout
    assert '\nAccepted:\nprog.py:2  MC/DC of `b` is accepted: they fail together\n\n' in output
    assert '`b` was never false while `a` was true' in output
    recorded.condcov('html')
    pages = ''.join(path.read_text() for path in (recorded.path / 'condcov-html').glob('prog*.html'))
    assert 'MC/DC of <code>b</code> is accepted: they fail together' in pages
    recorded.condcov('report', '--fail-under=mcdc=50')


def test_a_report_that_nobody_reads_to_the_end(recorded):
    done = recorded.python('-c', f'import os, subprocess; r, w = os.pipe(); os.close(r); raise SystemExit('
                           f'subprocess.run([{sys.executable!r}, "-m", "condcov", "report"], stdout=w).returncode)')
    assert done.stderr == ''


def test_version_and_help(folder):
    assert folder.condcov('--version').stdout == f'condcov {condcov.__version__}\n'
    assert 'combine' in folder.condcov('--help').stdout
    for command in 'run', 'report', 'html', 'lcov', 'xml', 'json', 'combine', 'erase':
        assert '--data-file' in folder.condcov(command, '--help').stdout


@pytest.mark.parametrize('arguments, message', [
    ([], 'the following arguments are required: COMMAND'),
    (['ruin'], "invalid choice: 'ruin'"),
    (['run'], 'nothing to run: give a program, or -m MODULE; see "condcov run --help"'),
    (['run', '-m'], '-m needs the name of a module'),
    (['run', '--sauce=x', 'p.py'], '--sauce=x'),
    (['report', '--fail-under=lime=1'], "'lime=1' has the unknown level 'lime'; the levels are line, branch, condition, mcdc"),
    (['report', '--fail-under=x'], "'x' must be a number or LEVEL=NUMBER"),
    (['report', '--fail-under=line=101'], "'line=101' must be a percentage from 0 to 100, not 101.0"),
    (['report', '--fail-under=nan'], "'nan' must be a percentage from 0 to 100, not nan"),
    (['report', '--contexts=('], "'(' is not a regular expression"),
    (['report', '--sort=size'], "argument --sort: must be one of name, line, branch, condition, mcdc, gaps, cover, stmts, "),
    (['report', '--bad'], 'condcov report: unrecognized arguments: --bad; see "condcov report --help"'),
    (['report', '--precision=x'], "'x' is not a number"),
    (['debug', 'x'], "invalid choice: 'x' (choose from 'sys', 'data', 'config')"),
    (['report'], 'no data at '),
    (['html'], 'no data at '),
    (['report', '--data-file=/no/such'], 'no data at /no/such: '),
    (['report', '--config=no.toml'], 'cannot read no.toml: No such file or directory'),
    (['combine'], 'no per-process data files to combine next to '),
    (['combine', 'no'], 'no data at '),
    (['combine', 'text'], 'text is not a condcov data file'),
    (['erase', '--data-file=text'], 'text is not a condcov data file'),
    (['report', '--data-file=text'], 'text is not a condcov data file'),
])
def test_what_is_wrong_is_told_in_one_line(folder, arguments, message):
    folder.write('text', 'no data\n' * 1000)
    assert message in folder.refused(*arguments)
    assert folder.files() == [] and (folder.path / 'text').exists()


def test_nothing_selected(folder):
    folder.write('prog.py', 'x = 1\n')
    done = folder.condcov('run', '--source=no_such_package', 'prog.py')
    assert done.stderr == 'condcov: no data was collected: no code of no_such_package was executed\n'
    assert 'no data at' in folder.refused('report')
