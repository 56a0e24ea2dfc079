"""The page docs/from-coverage-py.rst, and the habits that it promises, next to coverage.py itself."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest
from coverage.cmdline import COMMANDS

from condcov import cli, config
from condcov.code import source_text
from support import small_program

PAGE = pathlib.Path(__file__).parent.parent / 'docs/from-coverage-py.rst'
EVERYWHERE = {'-h', '--help', '--rcfile', '--data-file', '--debug'}
WITHOUT = '*not available*'


def tables():
    """{heading: {options of a row: right column}} of the page."""
    found, heading = {}, None
    lines = PAGE.read_text('utf-8').splitlines()
    for line, following in zip(lines, lines[1:]):
        if re.fullmatch('-+', following):
            heading = line
        row = re.fullmatch(r'((?:``-[^`]+``(?:, )?)+)(?:\s+(.*))?', line)
        if row:
            found.setdefault(heading, {})[tuple(re.findall('``(.*?)``', row[1]))] = row[2] or ''
    return found


def ours(command):
    return {name for action in cli._parsers()[1][command]._actions for name in action.option_strings}


def theirs(command):
    return {(*option._short_opts, *option._long_opts) for option in COMMANDS[command].option_list}


def test_the_page_has_each_option_of_coverage_py():
    found = tables()
    everywhere = found['Every command']
    assert {name for names in everywhere for name in names} == EVERYWHERE
    for command in COMMANDS:
        options = {names for names in theirs(command) if not EVERYWHERE.intersection(names)}
        assert set(found.get(command, {})) == options, command


@pytest.mark.parametrize('command', [*COMMANDS])
def test_condcov_has_each_option_that_the_page_does_not_exclude(command):
    found = tables()
    for names, remark in found.get(command, {}).items():
        if WITHOUT in remark:
            assert not ours(command).intersection(names)
        else:
            assert ours(command).issuperset(names), (command, names)
    if command != 'help':
        assert ours(command).issuperset(EVERYWHERE - {'--debug'})


def test_the_page_has_each_option_of_condcov():
    text = PAGE.read_text('utf-8')
    for command in cli._parsers()[1]:
        for name in ours(command):
            assert f'``{name}``' in text, (command, name)
        assert command in text


def test_the_page_names_each_setting():
    settings = PAGE.read_text('utf-8').rpartition('Settings\n')[2]
    ignored = {name.split('_', 1)[1] if name.startswith(('lcov_', 'html_')) else name for name in config._IGNORED}
    from coverage.config import CoverageConfig
    for _, where, *_ in CoverageConfig.CONFIG_FILE_OPTIONS:
        section, name = where.split(':')
        honoured = f'``{name}``' in settings or f'all in ``[{section}]``' in settings
        assert honoured or name in ignored or name == '_crash' or section == 'xml' or section == 'json', where


# --- next to coverage.py ---

LOOP = """\
    for i in (1, 2):
        if i > 5:
            print(i)
"""
PROGRAM = small_program.PROGRAM + LOOP


@pytest.fixture
def recorded(folder):
    """A Folder with the data of both tools about a program and a module."""
    folder.write('prog.py', PROGRAM + '    import other\n')
    folder.write('other.py', 'x = 1\n')
    folder.write('empty.py', '')
    folder.condcov('run', '--source=.', 'prog.py')
    coverage(folder, 'run', '--branch', '--source=.', 'prog.py')
    return folder


def coverage(folder, *arguments, status=0):
    done = folder.python('-m', 'coverage', *arguments)
    assert done.returncode == status, done
    return done.stdout


@pytest.mark.parametrize('options', [(), ('--precision=3',), ('--skip-covered',), ('prog.py',), ('--omit=other.py',)])
def test_total(recorded, options):
    options = 'report', '--format=total', *options
    assert recorded.condcov(*options).stdout == coverage(recorded, *options)


def test_markdown(recorded):
    lines = recorded.condcov('report', '--format=markdown', '--sort=-miss', '-m', '--skip-empty').stdout.splitlines()
    assert lines[0] == '| File | Line | Branch | Condition | MC/DC | Gaps | Missing |'
    assert lines[2].startswith('| prog.py | 90.0% | ') and lines[2].endswith(' 11 |'), lines
    assert lines[-1].startswith('| **Total** | **90.9%** | ')


def missing(output, name):
    return next(line.rpartition('  ')[2].strip() for line in output.splitlines() if line.startswith(name))


def test_show_missing(recorded):
    ours = recorded.condcov('report', '-m', '--no-gaps').stdout
    assert missing(ours, 'prog.py') == missing(coverage(recorded, 'report', '-m'), 'prog.py') == '11'


@pytest.mark.parametrize('options, names', [
    ((), ['empty.py', 'other.py', 'prog.py']), (('--skip-empty',), ['other.py', 'prog.py']),
    (('--skip-covered', '--skip-empty'), ['prog.py']), (('--sort=-miss',), ['prog.py', 'other.py', 'empty.py']),
    (('--sort=-stmts', 'prog.py', 'other.py'), ['prog.py', 'other.py']), (('other',), ['other.py']),
    (('--include=o*',), ['other.py'])])
def test_the_files_of_a_report(recorded, options, names):
    if '-miss' not in str(options) and options != ('other',):
        found = re.findall(r'^\w+\.py', coverage(recorded, 'report', *options), re.M)
        assert found == names
    found = re.findall(r'^\w+\.py', recorded.condcov('report', '--no-gaps', *options).stdout, re.M)
    assert sorted(found) == sorted(names) and found[0] == names[0]


def test_precision_and_fail_under(recorded):
    assert '90.909%' in recorded.condcov('report', '--no-gaps', '--precision=3').stdout
    assert '90%' in recorded.condcov('report', '--no-gaps', '--precision=0').stdout
    # coverage.py rounds before it compares, and counts branches, too.
    percent = int(coverage(recorded, 'report', '--format=total'))
    recorded.write('.coveragerc', f'[run]\nbranch = true\n[report]\nfail_under = {percent}\n')
    coverage(recorded, 'report')
    recorded.condcov('report')
    recorded.write('.coveragerc', f'[run]\nbranch = true\n[report]\nfail_under = {percent + 1}\n')
    coverage(recorded, 'report', status=2)
    assert 'total coverage of' in recorded.condcov('report', status=2).stderr


def test_settings(recorded):
    recorded.write('.coveragerc', """
        [run]
        plugins = some.plugin
        [report]
        sort = -miss
        skip_covered = true
        precision = 2
        format = markdown
        show_missing = true
        [html]
        directory = h
        title = Some title
        [xml]
        output = x.xml
        [json]
        output = j.json
        pretty_print = true
        [lcov]
        output = l.info
    """)
    done = recorded.condcov('report')
    assert done.stdout.startswith('| File |') and 'Missing' in done.stdout and '90.90%' in done.stdout
    assert 'other.py' not in done.stdout
    for command, name in ('html', 'h/index.html'), ('xml', 'x.xml'), ('json', 'j.json'), ('lcov', 'l.info'):
        assert recorded.condcov(command).stdout == f'Wrote {command.upper()} report to {name}\n'
    assert 'Some title' in (recorded.path / 'h/index.html').read_text()
    assert (recorded.path / 'j.json').read_text().startswith('{\n')
    recorded.environment['COVERAGE_FILE'] = 'for_coverage_py'
    done = recorded.condcov('run', '--source=.', 'prog.py')
    assert done.stderr == 'condcov: settings of coverage.py without effect: [run] plugins\n'


def test_parallel_and_command_line(folder):
    folder.write('prog.py', 'import sys\nprint(sys.argv[1:])\n')
    folder.write('.coveragerc', '[run]\nparallel = true\ncommand_line = prog.py a b\n')
    assert folder.condcov('run').stdout == "['a', 'b']\n"
    folder.condcov('run')
    assert '.condcov' not in folder.files() and len(folder.files()) == 2
    folder.condcov('report', '--keep-combined')
    assert len(folder.files()) == 3
    os.unlink('.condcov')
    folder.condcov('report')
    assert folder.files() == ['.condcov']


# --- one bad file costs its own line ---

@pytest.mark.parametrize('command', ['report', 'html', 'xml', 'json', 'lcov', 'annotate'])
def test_a_bad_file(recorded, command):
    os.unlink('other.py')
    done = recorded.condcov(command, status=2)
    assert done.stderr.startswith(f'condcov: cannot find the source of {recorded.path / "other.py"}; ')
    assert done.stderr.count('\n') == 1
    recorded.condcov(command, '-i')
    recorded.write('.coveragerc', '[report]\nignore_errors = true\n')
    recorded.condcov(command)
    if command == 'report':
        assert 'prog.py' in done.stdout
    elif command == 'json':
        document = json.loads((recorded.path / 'condcov.json').read_text())
        assert [file['path'] for file in document['files']] == ['empty.py', 'prog.py']
        assert len(document['problems']) == 1


def test_a_long_chain_of_elif(folder):
    chain = ''.join(f'elif x == {number}:\n    y = {number}\n' for number in range(350))
    folder.write('prog.py', 'x = -1\nif x == -2:\n    pass\n' + chain)
    folder.condcov('run', 'prog.py')
    assert re.search(r'prog.py +50.\d%', folder.condcov('report', '--no-gaps').stdout)


# --- where reports go ---

@pytest.mark.parametrize('command', ['xml', 'json', 'lcov'])
def test_standard_output(recorded, command):
    for place in '-', '/dev/stdout', '/dev/fd/1':
        assert len(recorded.condcov(command, '-o', place).stdout.splitlines()) >= 1
    with open('out', 'w') as out:
        for _ in range(2):
            print('before', file=out, flush=True)
            subprocess.run([sys.executable, '-m', 'condcov', command, '-o', '/dev/stdout'], stdout=out, check=True,
                           env=recorded.environment)
    text = pathlib.Path('out').read_text()
    assert text.startswith('before\n') and text.count('before\n') == 2 and len(text) > 100
    assert sorted(os.listdir()) == sorted(set(os.listdir()) - {'-'})


def test_a_named_pipe(recorded):
    os.mkfifo('pipe')
    reader = subprocess.Popen(['cat', 'pipe'], stdout=subprocess.PIPE, text=True)
    recorded.condcov('lcov', '-o', 'pipe')
    assert 'end_of_record' in reader.communicate()[0]


def test_annotate(recorded):
    recorded.condcov('annotate', '-d', 'ours')
    coverage(recorded, 'annotate', '-d', 'theirs')
    ours, theirs = ((recorded.path / name / 'prog.py,cover').read_text().splitlines() for name in ('ours', 'theirs'))
    # Only condcov tells what was executed in part.
    assert [line.replace('?', '>', 1) if line.startswith('?') else line for line in ours] == \
        [line.rstrip() if not line.strip() else line for line in theirs]
    assert '?         if a and b:'.replace('        ', '    ', 1) in ours or '?     if a and b:' in ours
    recorded.condcov('annotate')
    assert (recorded.path / 'prog.py,cover').exists()


# --- contexts ---

def test_contexts(recorded):
    recorded.condcov('run', '-a', '--source=.', '--context=second', 'prog.py')
    done = recorded.condcov('report', '--contexts=nothing,no', '--no-gaps')
    assert done.stderr == "condcov: no context matches '(?:nothing)|(?:no)'; the names are second\n"
    assert recorded.condcov('report', '--contexts=nothing,sec', '--no-gaps').stderr == ''
    recorded.condcov('json', '--show-contexts')
    document = json.loads((recorded.path / 'condcov.json').read_text())
    file = next(file for file in document['files'] if file['path'] == 'prog.py')
    assert file['contexts']['1'] == ['', 'second']
    assert file['decisions'][0]['conditions'][0]['contexts'] == {'T': ['', 'second'], 'F': ['', 'second']}
    recorded.condcov('html', '--show-contexts')
    text = ''.join(path.read_text() for path in (recorded.path / 'condcov-html').glob('prog*.html'))
    assert '<b>T</b>: (no name), second' in text and '<b>F</b>: in no context' in text


# --- what a run leaves ---

@pytest.mark.parametrize('arguments', [['nosuch.py'], ['--source=nosuch', 'prog.py'], ['-m', 'nosuch']])
def test_a_run_that_records_nothing_keeps_the_data(recorded, arguments):
    before = (recorded.path / '.condcov').read_bytes()
    recorded.python('-m', 'condcov', 'run', *arguments)
    assert (recorded.path / '.condcov').read_bytes() == before


def test_another_virtual_environment(recorded):
    os.mkdir('venv')
    environment = recorded.environment | {'VIRTUAL_ENV': str(recorded.path / 'venv')}
    done = recorded.condcov('run', '--source=.', 'prog.py', env=environment)
    assert done.stderr.startswith('condcov: this condcov belongs to ') and 'venv/bin/python -m pip' in done.stderr


def test_debug_and_help(recorded):
    output = recorded.condcov('debug', 'sys', 'data', 'config').stdout
    assert 'condcov_version: ' in output and f'{recorded.path / "prog.py"}: ' in output and 'data_file: ' in output
    assert recorded.condcov('help', 'report').stdout == recorded.condcov('report', '--help').stdout
    assert recorded.condcov('help').stdout == recorded.condcov('--help').stdout


def test_most_gaps(recorded):
    output = recorded.condcov('report', '--gaps=1').stdout
    assert output.startswith('\nprog.py:2\n') and output.count('^ ') == 1
    assert 'more gaps are not shown, which probably tell less: use --gaps=all.' in output
    every = recorded.condcov('report', '--gaps=all').stdout
    assert 'not shown' not in every
    number = int(re.search(r'^(\d+) gaps', every, re.MULTILINE)[1])
    output = recorded.condcov('report', f'--gaps={number - 1}').stdout
    assert '1 more gap is not shown, which probably tells less: use --gaps=all.' in output


def test_readers_of_lcov(recorded):
    """What diff-cover and lcov-parse require of each record."""
    recorded.condcov('lcov')
    for line in (recorded.path / 'condcov.lcov').read_text().splitlines():
        assert re.fullmatch(r'TN:|SF:.+|DA:\d+,\d+|BRDA:\d+,\d+,\d+,(\d+|-)|(LF|LH|BRF|BRH):\d+|end_of_record', line)


def test_diff_cover(recorded):
    pytest.importorskip('diff_cover', reason='diff-cover is not installed')
    git = ['git', '-c', 'user.name=x', '-c', 'user.email=x@x']
    for command in ['init', '-q', '-b', 'main'], ['add', 'other.py'], ['commit', '-qm', 'x'], ['checkout', '-qb', 'y'], \
            ['add', 'prog.py'], ['commit', '-qm', 'y']:
        subprocess.run([*git, *command], check=True)
    for command in 'lcov', 'xml':
        recorded.condcov(command)
        done = recorded.python('-m', 'diff_cover.diff_cover_tool', f'condcov.{command}', '--compare-branch=main')
        assert 'prog.py (' in done.stdout and done.returncode == 0, done


def test_progress_on_a_terminal(monkeypatch, capsys):
    from condcov import progress
    monkeypatch.setattr(progress, 'PATIENCE', 0)
    with progress.progress(2, 'files') as advance:
        advance()
        time.sleep(0.2)
    assert capsys.readouterr().err == ''
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True, raising=False)
    with progress.progress(2, 'files') as advance:
        advance()
        time.sleep(0.5)         # one file takes long
        advance()
    erased = f'\r{" " * 21}\r'
    assert capsys.readouterr().err.endswith(f'\rcondcov: 1 of 2 files{erased}')
    monkeypatch.setattr(progress, 'PATIENCE', 60)
    with progress.progress(2, 'files') as advance:
        advance()
    assert capsys.readouterr().err == ''
    monkeypatch.setattr(sys, 'stderr', None)        # as with 2>&-
    with progress.progress(2, 'files') as advance:
        advance()


def test_progress_of_a_report(recorded, monkeypatch, capsys):
    from condcov import cli, progress
    from condcov.report import html
    monkeypatch.setattr(progress, 'PATIENCE', 0)
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True, raising=False)
    monkeypatch.setattr(source_text, 'read', lambda path, read=source_text.read: time.sleep(0.3) or read(path))
    monkeypatch.setattr(html, '_save', lambda path, text, save=html._save: time.sleep(0.3) or save(path, text))
    assert cli.main(['html']) == 0
    shown = capsys.readouterr().err
    for things in 'files', 'pages':
        assert f'\rcondcov: 2 of 3 {things}\r{" " * 21}\r' in shown


def test_an_accepted_condition_that_does_not_exist(recorded):
    recorded.write('pyproject.toml', '[tool.condcov]\naccept = [{condition = "zz", reason = "why"}]\n')
    assert recorded.condcov('report').stderr == \
        'condcov: "accept" in the configuration has the condition \'zz\', which no decision has\n'
