"""pytest --condcov: records the tests, those of pytest-xdist's workers and of subprocesses too, and reports.

Little is imported here, since pytest imports this whether it is used or not.
"""

import os

import pytest

REPORTS = {'term': None, 'html': 'condcov-html', 'lcov': 'condcov.lcov', 'xml': 'condcov.xml', 'json': 'condcov.json'}


def pytest_addoption(parser):
    """Add the options."""
    group = parser.getgroup('condcov', 'coverage of conditions')
    group.addoption('--condcov', action='append', nargs='?', const='', default=[], metavar='SOURCE',
                    help='record a package, module or folder; without SOURCE what the configuration says')
    group.addoption('--condcov-report', action='append', default=[], metavar='FORMAT[:DESTINATION]',
                    help='print or write a report: term, html[:FOLDER], lcov[:FILE], xml[:FILE], json[:FILE]')
    group.addoption('--condcov-fail-under', action='append', default=[], metavar='[LEVEL=]PERCENT',
                    help='fail if the level (line, branch, condition or mcdc) has less')
    group.addoption('--condcov-context', action='store_true',
                    help='record under the name of the test and its phase, as in test_x.py::test_y|call')
    group.addoption('--condcov-config', metavar='FILE',
                    help='a TOML file with [tool.condcov], or a configuration of coverage.py')
    group.addoption('--condcov-append', action='store_true', help='add to the data of earlier runs')


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config):
    """Begin before the conftest files import what is tested."""
    options = early_config.known_args_namespace
    if options.condcov:
        early_config.pluginmanager.register(Plugin(options), 'condcov-recording')


class Plugin:
    """What pytest calls while a session is recorded."""

    def __init__(self, options):
        from condcov.record import recording, subprocess_hook
        from condcov.errors import CondcovError
        self._error = CondcovError
        self._contexts = options.condcov_context
        self._result = None
        self._sentences = []
        worker = 'PYTEST_XDIST_WORKER' in os.environ and subprocess_hook.begin()
        try:
            self._reports = [_report(text) for text in options.condcov_report]
            if worker:
                self._recording = worker
                return
            outer = recording.current()
            if outer is not None:
                if outer.first:
                    raise CondcovError('"condcov run" records already: leave out one of the two')
                outer.finish()
            self._config = _configuration(options)
            self._recording = recording.Recording(self._config, append=options.condcov_append)
        except CondcovError as error:
            raise pytest.UsageError(f'condcov: {error}') from error
        self._recording.start()

    # Contexts: each phase of a test has its own.

    def _begin(self, item, phase):
        if self._contexts:
            self._recording.switch(f'{item.nodeid}|{phase}')

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        self._begin(item, 'setup')

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item):
        self._begin(item, 'call')

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item):
        self._begin(item, 'teardown')
        try:
            return (yield)
        finally:
            if self._contexts:
                self._recording.switch(self._recording.config.context)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session):
        """Write the data; where it is the first process of the run, judge it."""
        if not self._recording.first:
            self._recording.save()
            return
        try:
            self._recording.finish()
            if self._reports or self._config.fail_under:
                from condcov.analysis import load, results
                self._result = load.judge(self._config)
                self._sentences = results.fail_under(self._result, self._config.fail_under)
                for name, destination in self._reports:
                    if name != 'term':
                        _write(self._result, name, destination)
        except self._error as error:
            self._sentences.append(' '.join(str(error).split()))
        if self._sentences and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        """Print what was asked for, and what is wrong."""
        for problem in self._recording.problems():
            terminalreporter.write_line(f'condcov: {problem}')
        if self._result is not None and ('term', None) in self._reports:
            from condcov.report import text
            terminalreporter.section('condcov')
            terminalreporter.flush()
            text.write(self._result, terminalreporter._tw._file)
        if self._result is not None:
            for name, destination in self._reports:
                if name != 'term':
                    terminalreporter.write_line(f'condcov: wrote {destination}')
        for sentence in self._sentences:
            terminalreporter.write_line(f'condcov: {sentence}', red=True)

    def pytest_unconfigure(self):
        """End a recording whose session never began, so that it leaves no files of single processes."""
        if self._recording.first:
            try:
                self._recording.finish()
            except self._error:
                pass        # told in the summary, or there was no session


def _report(text):
    from condcov.errors import CondcovError
    name, colon, destination = text.partition(':')
    if name not in REPORTS or colon and (not destination or name == 'term'):
        raise CondcovError(f'--condcov-report has {text!r}; it can be term, html[:FOLDER], lcov[:FILE], xml[:FILE] '
                           'or json[:FILE]')
    return name, os.path.abspath(destination or REPORTS[name]) if name != 'term' else None


def _configuration(options):
    import argparse

    from condcov import cli
    from condcov import config as configuration
    from condcov.errors import CondcovError
    try:
        levels = dict(map(cli.level, options.condcov_fail_under))
    except argparse.ArgumentTypeError as error:
        raise CondcovError(f'--condcov-fail-under: {error}') from error
    return configuration.read(options.condcov_config, source=tuple(filter(None, options.condcov)) or None,
                              fail_under=levels or None)


def _write(result, name, destination):
    import importlib

    from condcov import cli
    importlib.import_module(f'condcov.report.{cli.WRITERS[name][0]}').write(result, destination)
