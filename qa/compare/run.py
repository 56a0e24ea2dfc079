"""Running CPython's test suite, or files of it, on an interpreter."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from results import BadInput, read


def command(python, jobs, timeout, *more):
    return [str(python), '-m', 'test', f'-j{jobs}', f'--timeout={timeout}', *more]


def run(words, log, xml):
    """Run the tests; their output goes to the log, whose first line is the command, and the outcomes to the XML.

    A run that is not finished leaves no XML.
    """
    Path(xml).unlink(missing_ok=True)
    # the user's settings for some other Python are not for these
    environment = {name: value for name, value in os.environ.items() if not name.startswith('PYTHON')}
    try:
        # A folder whose path is as long on either side: what is too long for the path of a socket is so on both.
        with open(log, 'w', encoding='utf-8') as output, \
                tempfile.TemporaryDirectory(prefix='suite-', ignore_cleanup_errors=True) as folder:
            print('$', ' '.join(['python', *words[1:]]), file=output, flush=True)
            subprocess.run([*words, f'--tempdir={folder}', f'--junit-xml={Path(xml).absolute()}'],
                           stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False)
    except OSError as exc:
        raise BadInput(f'cannot run {words[0]} with its output in {log}: {exc.strerror}') from None


def suite(python, where, side, jobs, timeout, more):
    """The suite with these words more, on one side, into where/SIDE.log and where/SIDE.xml; the seconds it took."""
    started = time.monotonic()
    where.mkdir(parents=True, exist_ok=True)
    run([*command(python, jobs, timeout, '--header'), *more], where / f'{side}.log', where / f'{side}.xml')
    return time.monotonic() - started


def retry(python, where, side, timeout, name, more=()):
    """One file once more on one side, as a Run; or what was kept of such a run, if there is no interpreter."""
    log, xml = where / f'{name}.{side}.log', where / f'{name}.{side}.xml'
    if python and not xml.exists():
        where.mkdir(parents=True, exist_ok=True)
        run([*command(python, 1, timeout, '--verbose3', *more), name], log, xml)
    return read(log, xml) if log.exists() else None
