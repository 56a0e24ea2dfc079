"""Run tests of the standard library under each combination of flags, and compare their outcomes with untraced ones.

    python differential.py PYTHON [--stock PYTHON] [--report FILE] [--modules NAMES] [--combinations NAMES] [--jobs N]

PYTHON is the interpreter under test; differential_corpus.py has the tests, and those known to differ. What is listed
there as the same on stock CPython is tried on that, if it is given.
"""

import argparse
import time
from pathlib import Path

from differential_corpus import EXCEPTIONS, MODULES
from differential_report import Report
from differential_runs import COMBINATIONS, run


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('python', help='the interpreter under test')
    parser.add_argument('--stock', help='the same interpreter without the overlay')
    parser.add_argument('--report', help='write the report to this file, too')
    parser.add_argument('--modules', help='these tests, by their names in Lib/test, rather than the whole corpus')
    parser.add_argument('--combinations', help='these combinations, with ; between them, rather than all')
    parser.add_argument('--jobs', type=int, help='how many modules at once, rather than one a processor')
    options = parser.parse_args(arguments)
    wanted = COMBINATIONS
    if options.combinations:
        names = [name.strip() for name in options.combinations.split(';')]
        if unknown := [name for name in names if name not in COMBINATIONS]:
            parser.error(f'no such combination: {unknown[0]}; there are {", ".join(COMBINATIONS)}')
        wanted = {name: COMBINATIONS[name] for name in names}
    names = [f'test.{name}' for name in (options.modules or MODULES).split()]
    begin = time.monotonic()
    modules = run(options.python, names, wanted, jobs=options.jobs, progress=lambda line: print(line, flush=True))
    report = Report(options.python, modules, wanted, EXCEPTIONS, options.stock)
    text = report.text(time.monotonic() - begin)
    if options.report:
        Path(options.report).write_text(text)
    print(f'\n{text}', end='')
    if report.wrong:
        more = f' (and {len(report.wrong) - 1} more, above)' if len(report.wrong) > 1 else ''
        raise SystemExit(report.wrong[0] + more)


if __name__ == '__main__':
    main()
