"""README.rst and CONTRIBUTING.rst: the transcripts match the output of the commands, and the named files exist."""

import os
import re
import subprocess
import textwrap

import pytest

SHOP = '''\
def price(amount, member, coupon=None):
    if member or coupon:
        amount = amount * 9 // 10
    return amount
'''
TEST = '''\
from shop import price

def test_price():
    assert price(100, True) == 90 and price(100, False) == 100
'''
PROJECT = '''\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "shop"
version = "1"
[tool.setuptools]
packages = ["shop"]
'''


@pytest.fixture(scope='module')
def readme(root):
    return (root / 'README.rst').read_text()


def blocks(text):
    """The literal blocks of a document, dedented, in order."""
    found = re.findall(r'::\n\n((?: .*\n|\n(?= ))+)', text)
    return [textwrap.dedent(block) for block in found]


def shell(script, folder):
    """The output of a shell script."""
    __tracebackhide__ = True
    clean = {name: value for name, value in os.environ.items() if not name.startswith(('CONDCOV', 'COV', 'PYTEST'))}
    done = subprocess.run(['sh', '-ec', script], cwd=folder, env=clean, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_transcript_of_the_demo(readme, python, root, tmp_path):
    script, transcript = blocks(readme)[:2]
    (tmp_path / 'ratio.py').write_text(script)
    prompt, expected = transcript.split('\n', 1)
    command = prompt.removeprefix('$ ').replace('./python Tools/', f'{python} {root}/Tools/')
    assert shell(command, tmp_path) == expected


def test_demo_finds_the_modules_of_the_program(python, root, tmp_path):
    package = tmp_path / 'package'
    package.mkdir()
    (tmp_path / 'other.py').write_text('')
    (package / '__main__.py').write_text('import other\nprint("ran")\n')
    (tmp_path / 'script.py').write_text('import other\nprint("ran")\n')
    demo = f'{python} {root}/Tools/demo/transitions.py'
    assert 'ran' in shell(f'{demo} -m package', tmp_path)
    assert 'ran' in shell(f'{demo} {tmp_path}/script.py', root)


def test_ci_runs_the_two_commands(readme, root):
    ours = (root / '.ci/run').read_text()
    build, tests = blocks(readme)[2:4]
    assert build.strip() in ours and tests.strip() in ours


@pytest.mark.slow
def test_recipe_for_a_project(readme, python, root, tmp_path):
    recipe, report = blocks(readme)[4:6]
    project = tmp_path / 'project'
    for name, text in {'shop/__init__.py': SHOP, 'test_shop.py': TEST, 'pyproject.toml': PROJECT}.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    here = {'python3': str(python), '/path/to/this/repository': str(root)}
    for name, ours in here.items():
        assert name in recipe
        recipe = recipe.replace(name, ours)
    assert report in shell(recipe, project)
    assert (project / 'condcov-html/index.html').exists()


def named_files(text):
    """The words in a document that look like paths in the repository: ``a/b.c``, and the targets of links."""
    literals = re.findall(r'``([\w.*-]+(?:/[\w.*-]*)+)``', text)
    links = re.findall(r'`[^`]+ <([^`>:]+)>`_', text)
    images = re.findall(r'^\.\. image:: (\S+)', text, re.MULTILINE)
    return {name for name in literals + links + images
            if not name.startswith(('build/', 'condcov-html/', './'))}


@pytest.mark.parametrize('document', ['README.rst', 'CONTRIBUTING.rst'])
def test_files_that_it_names_exist(root, document):
    names = named_files((root / document).read_text())
    assert len(names) > 5
    places = [root, root / 'build/src/fork']        # ours, and CPython's
    missing = [name for name in names if not any(any(place.glob(name.rstrip('/'))) for place in places)]
    assert not sorted(missing)


@pytest.mark.parametrize('document', ['README.rst', 'CONTRIBUTING.rst'])
def test_targets_that_it_names_exist(root, document):
    targets = (root / 'Makefile.pre.in').read_text().split('.PHONY:')[1].split('\n')[0].split()
    named = re.findall(r'``make ([a-z][a-z-]*)', (root / document).read_text())
    assert named and set(named) <= set(targets)
