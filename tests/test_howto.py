"""The transcripts in Doc/howto/watch-python-run.rst match the output of their commands."""

import os
import pty
import subprocess
import termios
import textwrap

from support.commands import environment

PAGE = 'Doc/howto/watch-python-run.rst'
REFERENCE = 'Doc/library/lltrace.rst'


def blocks(text):
    """[(kind, name of the file or None, content)] for each code block."""
    found, name, body = [], None, None
    for line in text.splitlines():
        if body is not None and (line.startswith(' ') or not line):
            body.append(line)
            continue
        body = None
        if line.startswith('.. file: '):
            name = line.removeprefix('.. file: ')
        elif line.startswith('.. code-block:: '):
            body = []
            found.append((line.removeprefix('.. code-block:: '), name, body))
            name = None
    return [(kind, name, textwrap.dedent('\n'.join(body)).strip('\n') + '\n') for kind, name, body in found]


def run(command, python, folder):
    """The output of a command in a folder where python is the interpreter under test."""
    bin = folder / 'bin'
    bin.mkdir(exist_ok=True)
    if not (bin / 'python').exists():
        (bin / 'python').write_text(f'#!/bin/sh\nexec {python} "$@"\n')
        (bin / 'python').chmod(0o755)
    # On a terminal, as readers use it, the program's output is mixed with the lines of its trace.
    main, terminal = pty.openpty()
    attributes = termios.tcgetattr(terminal)
    attributes[1] &= ~termios.OPOST     # no carriage returns
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
    termios.tcsetwinsize(terminal, (24, 100))
    process = subprocess.Popen(['sh', '-c', command], cwd=folder, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
                               env=environment('PYTHON') | {'PATH': f'{bin}:{os.environ["PATH"]}', 'NO_COLOR': '1'})
    os.close(terminal)
    printed = b''
    while True:
        try:
            printed += (more := os.read(main, 65536))
        except OSError:         # this ends the output on Linux
            more = b''
        if not more:
            break
    os.close(main)
    assert process.wait() == 0, printed
    return printed.decode()


def sessions(root, python, folder):
    """(command, output on the page, actual output) for each command."""
    for kind, name, content in blocks((root / PAGE).read_text()):
        if name is not None:
            (folder / name).write_text(content)
        elif kind == 'shell-session':
            for session in ('\n' + content).split('\n$ ')[1:]:
                command, _, shown = session.partition('\n')
                printed = run(command, python, folder)
                yield command, shown.rstrip('\n'), '\n'.join(line.rstrip() for line in printed.splitlines()).rstrip('\n')


def test_transcripts(root, python, tmp_path):
    commands = 0
    for command, shown, printed in sessions(root, python, tmp_path):
        assert shown == printed, command
        assert printed, command
        commands += 1
    assert commands >= 7


def test_the_reference_shows_what_the_tutorial_shows(root):
    """The example of the reference is an excerpt of a transcript, which test_transcripts has run."""
    transcripts = {session.partition('\n')[0]: session.splitlines() for kind, _, content in blocks((root / PAGE).read_text())
                   if kind == 'shell-session' for session in ('\n' + content).split('\n$ ')[1:]}
    excerpts = [content.splitlines() for kind, _, content in blocks((root / REFERENCE).read_text()) if '\n...\n' in content]
    assert excerpts
    for command, *lines in excerpts:
        whole = transcripts[command.removeprefix('$ ')]
        assert [line for line in lines if line != '...' and line not in whole] == []
