"""Other interpreters record the same decisions as this one, apart from what docs/interpreters.rst lists.

For lines and branches, see test_lines_and_arcs: they are those of coverage.py on the same interpreter.

CONDCOV_PEERS names the others, separated by colons. Each needs condcov; make test-condcov-everywhere sets it.
"""

import ast
import json
import os
import pathlib
import subprocess
import sys

import pytest

import condcov
from support.decision_programs import collected

PEERS = [name for name in os.environ.get('CONDCOV_PEERS', '').split(':') if name]
SCRIPT = pathlib.Path(__file__).parents[1] / 'support/recorded_programs.py'
EXAMPLES = int(os.environ.get('ORACLE_PROGRAMS') or 150)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PEERS, reason='CONDCOV_PEERS names no interpreter')]


@pytest.fixture(scope='module')
def texts(tmp_path_factory):
    """(the file of random programs, the programs)."""
    found = collected(EXAMPLES)
    path = tmp_path_factory.mktemp('programs') / 'programs.json'
    path.write_text(json.dumps(found))
    return path, found


def recorded(python, path, form='python'):
    """What the interpreter records of the programs, with this form of the recorder."""
    environment = {**os.environ, 'CONDCOV_CORE': form}
    if form == 'python':
        # Not the interpreter's own condcov, which need not have one, but the one that is tested.
        environment['PYTHONPATH'] = os.path.dirname(os.path.dirname(condcov.__file__))
    return json.loads(subprocess.run([python, SCRIPT, path], check=True, capture_output=True, env=environment).stdout)


def constants(text):
    """The keys of the loops over a list of one constant in comprehensions."""
    return {repr((node.target.lineno, node.target.col_offset, node.iter.end_lineno, node.iter.end_col_offset, 'for'))
            for node in ast.walk(ast.parse(text)) if isinstance(node, ast.comprehension)
            and isinstance(node.iter, ast.List) and isinstance(node.iter.elts[0], ast.Constant)}


@pytest.mark.parametrize('form', ['python', 'c'])
@pytest.mark.parametrize('peer', PEERS)
def test_the_same_program_has_the_same_record(peer, form, texts):
    if form == 'c' and subprocess.run([peer, '-c', 'import condcov.record._monitoring_core'],
                                      stderr=subprocess.DEVNULL).returncode:
        pytest.skip(f'the condcov of {peer} has no compiled recorder')
    path, found = texts
    version = subprocess.run([peer, '-c', 'import sys; print(sys.version_info.minor)'], check=True,
                             capture_output=True, text=True).stdout
    for (text, _), ours, theirs in zip(found, recorded(sys.executable, path),
                                         recorded(peer, path, form), strict=True):
        # A comprehension in code that is never reached has code of its own in 3.11, and none when it is inlined.
        dead = set(ours['decisions']) ^ set(theirs['decisions'])
        apart = {*ours['unknown'], *theirs['unknown'], *(constants(text) if int(version) >= 14 else ())}
        for one in ours, theirs:
            assert not dead & one['paths'].keys() - apart, text
            one['decisions'] = sorted(set(one['decisions']) - dead)
            one['paths'] = {key: paths for key, paths in one['paths'].items() if key not in apart}
            del one['unknown']
        assert ours == theirs, text
