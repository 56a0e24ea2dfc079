#!/usr/bin/env python3
"""Compare what CPython's test suite does on the fork with what it does on stock CPython, test for test.

    compare.py run DIR --fork PYTHON --stock PYTHON [TEST...]  run the suite, or these files of it, on both; compare
    compare.py read DIR [--fork PYTHON --stock PYTHON]         compare what was run before

DIR has the output and the --junit-xml file of `python -m test -jN` on each side, {fork,stock}.{log,xml}, and in
retry-1, retry-2... those of the files that were tried again, FILE.{fork,stock}.{log,xml}.  With the interpreters `read`
tries again what is still to be tried; without, it only reads.  `make test-all` runs it on a build and its stock twin.

The exit status is 0 if nothing differs, 1 if something does, 2 if there are no two whole results to compare.  judge.py
has the rule, which is printed with the report too.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from judge import SIDES, Judgement, is_new, our_files  # noqa: E402
from report import counted, report, verdict  # noqa: E402
from results import BadInput, Run, read  # noqa: E402
from run import retry, suite  # noqa: E402


def say(text):
    print(text, flush=True)


def run_both(options, pythons):
    """The suite on one side after the other, in place of what the folder has of an earlier run; as read_first()."""
    runs = {}
    for old in options.dir.glob('retry-*'):
        shutil.rmtree(old)
    for side in SIDES:
        tests = [name for name in options.tests if side == 'fork' or not is_new(options.overlay, name)]
        if options.tests and not tests:
            raise BadInput(f'stock CPython has no {" ".join(options.tests)}; name a file that both have too')
        say(f'{side}: running {counted(len(tests), "test file") if tests else "the whole suite"} '
            f'(log: {options.dir / side}.log)')
        seconds = suite(pythons[side], options.dir, side, options.jobs, options.timeout,
                        [*ignored(options), *tests])
        runs[side] = read_first(options.dir, side)
        say(f'{side}: {counted(len(runs[side].files), "test file")} in {seconds / 60:.0f} min')
    return runs


def read_first(folder, side):
    return read(folder / f'{side}.log', folder / f'{side}.xml')


def ignored(options):
    return [f'--ignore={pattern}' for pattern in options.ignore]


def retry_both(judgement, folder, pythons, options):
    """One more attempt at what is to be tried again; False if there is nothing of it."""
    attempt = {side: Run() for side in SIDES}
    commands = set()
    for name in judgement.to_retry():
        sides = judgement.sides_of(name)
        runs = {side: retry(pythons[side], folder, side, options.timeout, name, ignored(options)) for side in sides}
        missing = [side for side in sides if runs[side] is None]
        if len(missing) == len(sides):
            continue
        if missing:
            raise BadInput(f'{folder} has {name} of one side only; name the interpreters, to have it run on both')
        for side in sides:
            if list(runs[side].files) != [name]:
                raise BadInput(f'{folder / name}.{side}.log is not of {name} alone; '
                               f'remove it, and name the interpreters')
            attempt[side].files.update(runs[side].files)
            commands.add((runs[side].command or 'not in the log').replace(f' {name}', ' FILE'))
        if pythons['fork']:
            say(f'{folder.name}: {name}: ' + ', '.join(f'{runs[side].files[name].outcome} on {side}' for side in sides))
    if any(run.files for run in attempt.values()):
        for run in attempt.values():
            run.command = ' and '.join(sorted(commands))
        judgement.attempts.append(attempt)
        return True
    return False


def compare(options, pythons):
    """The judgement on the results of both sides and on the retries."""
    if options.what == 'run':
        attempts = [run_both(options, pythons)]
    else:
        attempts = [{side: read_first(options.dir, side) for side in SIDES}]
    ours = our_files(options.overlay)
    judgement = Judgement(attempts, ours)
    for number in range(1, options.retries + 1):
        if not retry_both(judgement, options.dir / f'retry-{number}', pythons, options):
            break
        judgement = Judgement(attempts, ours)
    return judgement


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('what', choices=['run', 'read'], help='run both sides first, or read what was run')
    parser.add_argument('dir', metavar='DIR', type=Path, help='where the results are, and the retries')
    parser.add_argument('tests', metavar='TEST', nargs='*', help='files of the suite to run; the whole suite if none')
    for side in SIDES:
        parser.add_argument(f'--{side}', metavar='PYTHON', type=Path, help=f"{side}'s interpreter")
    parser.add_argument('--jobs', metavar='N', type=int, default=os.cpu_count() or 1,
                        help='how many test files run at once (%(default)s)')
    parser.add_argument('--timeout', metavar='SECONDS', type=int, default=1200,
                        help='how long a test may take (%(default)s)')
    parser.add_argument('--ignore', metavar='PATTERN', action='append', default=[],
                        help='leave these tests out on both sides, such as those that hang on this machine')
    parser.add_argument('--retries', metavar='N', type=int, default=2,
                        help='how many more times to try what differs or fails (%(default)s)')
    parser.add_argument('--overlay', metavar='DIR', type=Path, default=HERE.parent.parent,
                        help="the fork's repository, whose Lib/test tells which files are its own")
    parser.add_argument('--report', metavar='FILE', type=Path, help='keep the report in this file too')
    options = parser.parse_intermixed_args(arguments)
    given = [side for side in SIDES if getattr(options, side)]
    if len(given) == 1 or options.what == 'run' and not given:
        parser.error('name both interpreters, with --fork and --stock')
    if options.what == 'read' and options.tests:
        parser.error('read compares what was run; test files are for run')
    if options.jobs < 1 or options.timeout < 1 or options.retries < 0:
        parser.error('--jobs and --timeout are at least 1, --retries at least 0')
    return options


def main(arguments):
    options = parse(arguments)
    # not resolved: the interpreter of a virtual environment is a link
    pythons = {side: getattr(options, side) and Path(os.path.abspath(getattr(options, side))) for side in SIDES}
    try:
        for side, python in pythons.items():
            if python and not os.access(python, os.X_OK):
                raise BadInput(f'{python} is not an interpreter; build it, or name another with --{side}')
        judgement = compare(options, pythons)
        text = report(judgement)
        if options.report:
            try:
                options.report.write_text(text, 'utf-8')
            except OSError as exc:
                raise BadInput(f'cannot write {options.report}: {exc.strerror}') from None
    except BadInput as exc:
        print(f'compare.py: error: {exc}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(text)
    if judgement.differences():
        print(f'compare.py: error: {verdict(judgement)}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
