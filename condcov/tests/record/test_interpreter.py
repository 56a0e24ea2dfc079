"""Where the facts come from, and what condcov says where it cannot record."""

import importlib.util
import sys

import pytest

from condcov.record import interpreter

stock = pytest.mark.skipif(importlib.util.find_spec('codeprobes') is not None, reason='the fork has code probes')

# Changes that make this interpreter look like another one.
OTHERS = {
    'it is pypy, whose bytecode is different': "sys.implementation.name = 'pypy'",
    'Python {0}.{1} has no sys.monitoring': 'del sys.monitoring',
    'its bytecode is newer than this version of condcov': 'sys.version_info = (3, 15)',
    'it is a free-threaded build, on which threads can record at the same time':
        "import sysconfig; sysconfig.get_config_vars()['Py_GIL_DISABLED'] = 1",
}


@stock
@pytest.mark.parametrize('reason', OTHERS)
def test_an_interpreter_that_cannot_record(folder, reason):
    folder.write('prog.py', 'print("ran")\n')
    folder.write('other.py', f"""
        import sys
        from condcov import cli
        {OTHERS[reason]}
        sys.exit(cli.main(['run', 'prog.py']))
    """)
    done = folder.python('other.py')
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr == (f'condcov: {sys.executable} cannot record conditions: {reason.format(*sys.version_info)}; '
                           f'condcov runs on {interpreter.SUPPORTED}\n')


@stock
def test_tool_ids_that_are_taken(folder):
    program = """
        import sys
        for number in {}:
            sys.monitoring.use_tool_id(number, f'tool {{number}}')
        from condcov import cli
        sys.exit(cli.main(['run', 'prog.py']))
    """
    folder.write('prog.py', 'print("ran")\n')
    folder.write('some.py', program.format('(0, 1, 2, 3, 5)'))
    done = folder.python('some.py')
    assert (done.returncode, done.stdout, done.stderr) == (0, 'ran\n', '')
    folder.write('all.py', program.format('range(6)'))
    done = folder.python('all.py')
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr == ('condcov: cannot record: tool 3, tool 4, tool 1 use all ids of sys.monitoring that condcov '
                           'can use; run without one of them\n')


def test_the_source_of_facts_is_named(folder):
    assert f'records: with {interpreter.FACTS}\n' in folder.condcov('debug', 'sys').stdout


@stock
def test_the_form_of_the_recorder_can_be_chosen(folder):
    folder.environment['CONDCOV_CORE'] = 'python'
    assert 'records: with sys.monitoring, in Python\n' in folder.condcov('debug', 'sys').stdout
    folder.environment['CONDCOV_CORE'] = 'pascal'
    folder.write('prog.py', '')
    assert folder.refused('run', 'prog.py') == 'condcov: CONDCOV_CORE must be c or python, not pascal'
    folder.environment['CONDCOV_CORE'] = 'c'
    if importlib.util.find_spec('condcov.record._monitoring_core'):
        assert 'records: with sys.monitoring, in C\n' in folder.condcov('debug', 'sys').stdout
    else:
        assert folder.refused('run', 'prog.py').startswith(
            'condcov: CONDCOV_CORE is c, but condcov was installed without it: ')


def test_an_evaluation_belongs_to_its_activation(folder):
    """Recursion in a condition, generators that take turns, and threads in the same decision."""
    folder.write('prog.py', """
        import threading
        def recursive(n):
            return n == 0 or recursive(n - 1) and n < 3
        def generator(a):
            if (yield) and a or (yield):
                yield 'true'
            yield 'false'
        def threaded(a, barrier):
            if a and not barrier.wait() * 0 and a > 1:
                pass
        recursive(3)
        one, two = generator(1), generator(0)
        for values in (None, None), (1, 1), (1, 0):
            one.send(values[0]), two.send(values[1])
        barrier = threading.Barrier(2)
        threads = [threading.Thread(target=threaded, args=(n, barrier)) for n in (1, 2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    """)
    folder.condcov('run', '--counts', 'prog.py')
    ((_, seen),) = folder.data().read().values()
    by_line = {key[0]: paths for key, paths in seen.paths.items()}
    assert by_line[3] == {'T--': 1, 'FTe': 3}
    assert by_line[5] == {'TT-': 1, 'TFF': 1}
    assert by_line[9] == {'TFF': 1, 'TFT': 1}
