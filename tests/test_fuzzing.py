"""The fuzzer in Doc/howto/fuzzing.rst finds the bug of the parser on that page, and random inputs do not."""

import subprocess

import pytest

from support.commands import environment
from test_howto import blocks

PAGE = 'Doc/howto/fuzzing.rst'
FUZZER = 'Doc/includes/fuzz.py'


@pytest.fixture
def folder(root, tmp_path):
    """A folder with the parser and the fuzzer."""
    for _, name, content in blocks((root / PAGE).read_text()):
        if name is not None:
            (tmp_path / name).write_text(content)
    (tmp_path / 'fuzz.py').write_text((root / FUZZER).read_text())
    return tmp_path


def run(python, folder, command):
    done = subprocess.run(['sh', '-c', command.replace('python ', f'{python} ')], cwd=folder, text=True, capture_output=True,
                          env=environment('PYTHON'))
    assert (done.returncode, done.stderr) == (0, ''), done.stderr
    return done.stdout


def test_transcripts(root, python, folder):
    commands = 0
    for kind, _, content in blocks((root / PAGE).read_text()):
        if kind == 'shell-session':
            command, _, shown = content.removeprefix('$ ').partition('\n')
            assert run(python, folder, command) == shown
            assert "raises KeyError('undefined character name " in shown or 'raises KeyError("undefined' in shown
            commands += 1
    assert commands == 2


def test_not_found_without_the_corpus(python, folder):
    text = (folder / 'fuzz.py').read_text()
    assert text.count('corpus.append(text)') == 1
    (folder / 'fuzz.py').write_text(text.replace('corpus.append(text)', 'pass'))
    assert run(python, folder, 'python fuzz.py settings parse 100000') == '100000 runs, 0 inputs in the corpus\n'


def test_not_found_by_random_strings(python, folder):
    (folder / 'random_strings.py').write_text("""
import random, settings, string
random.seed(1)
for _ in range(100_000):
    try:
        settings.parse(''.join(random.choices(string.printable, k=random.randrange(30))))
    except ValueError:
        pass
""")
    assert run(python, folder, 'python random_strings.py') == ''


def test_a_package(python, folder):
    """The code of all its modules is recorded, and no other code; each line that fails is reported once."""
    package = folder / 'reader'
    package.mkdir()
    (package / '__init__.py').write_text('from reader.inner import read\n')
    (package / 'inner.py').write_text("def read(text):\n if text == 'a': raise KeyError\n if text[:1] == 'b': return text[5]\n")
    printed = run(python, folder, 'python fuzz.py reader read 50 a a b b c').splitlines()
    assert printed[:2] == ["run 0: 'a' raises KeyError()", "run 2: 'b' raises IndexError('string index out of range')"]
    assert printed[2:] == ['50 runs, 3 inputs in the corpus']


def test_length(root):
    assert len((root / FUZZER).read_text().splitlines()) < 60
