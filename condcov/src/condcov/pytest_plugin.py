"""pytest --condcov: records the tests, including xdist workers and subprocesses, and reports.

Imports are delayed, because pytest always imports this module.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from condcov.analysis.results import Result
    from condcov.config import Config, Reporting


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup('condcov', 'condition coverage')
    group.addoption('--condcov', action='append', nargs='?', const='', default=[], metavar='SOURCE',
                    help='record a package, module or folder; without SOURCE, those of the configuration')
    group.addoption('--condcov-report', action='append', default=[], metavar='FORMAT[:DESTINATION]',
                    help='print or write a report: term, html[:FOLDER], lcov[:FILE], xml[:FILE], json[:FILE]')
    group.addoption('--condcov-fail-under', action='append', default=[], metavar='[LEVEL=]PERCENT',
                    help='fail if the coverage is lower; LEVEL is line (the default), branch, condition or mcdc')
    group.addoption('--condcov-context', action='store_true',
                    help='record each test in its own context, such as test_x.py::test_y|call')
    group.addoption('--condcov-config', metavar='FILE',
                    help='a TOML file with [tool.condcov], or a configuration file of coverage.py')
    group.addoption('--condcov-append', action='store_true', help='add to the data of earlier runs')


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Start before the conftest files import the code under test."""
    options = early_config.known_args_namespace
    if options.condcov:
        early_config.pluginmanager.register(Plugin(options), 'condcov-recording')


class Plugin:
    """The hooks of a session that is recorded."""

    def __init__(self, options: Any) -> None:
        from condcov import config as configuration
        from condcov.errors import CondcovError
        self._error = CondcovError
        self._contexts = options.condcov_context
        self._result: Result | None = None
        self._errors: list[str] = []
        self._written: list[str] = []
        try:
            from condcov.record import recording, subprocess_hook
            worker = 'PYTEST_XDIST_WORKER' in os.environ and subprocess_hook.begin()
            reporting = configuration.reporting(options.condcov_config)
            self._reporting = reporting
            self._contexts = self._contexts or reporting.test_contexts
            self._reports = [_report(text, reporting) for text in options.condcov_report]
            if worker:
                self._recording = worker
                return
            outer = recording.current()
            if outer is not None:
                if outer.first:
                    raise CondcovError('"condcov run" is already recording: use only one of the two')
                outer.finish()
            self._config = _configuration(options)
            self._fail_digits = None if options.condcov_fail_under else reporting.fail_digits
            self._recording = recording.Recording(self._config, append=options.condcov_append)
            self._recording.start()
        except CondcovError as error:
            raise pytest.UsageError(f'condcov: {error}') from error

    # Contexts: each phase of a test has its own.

    def _begin(self, item: pytest.Item, phase: str) -> None:
        if self._contexts:
            self._recording.switch(f'{item.nodeid}|{phase}')

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._begin(item, 'setup')

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        self._begin(item, 'call')

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        self._begin(item, 'teardown')
        try:
            return (yield)
        finally:
            if self._contexts:
                self._recording.switch(self._recording.config.context)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the data; in the first process of the run, check the coverage."""
        if not self._recording.first:
            self._recording.save()
            return
        try:
            self._recording.finish()
            if self._reports or self._config.fail_under:
                from condcov import cli
                from condcov.analysis import loading, results
                from condcov.report import messages
                reporting = self._reporting
                show = reporting.show_contexts or reporting.json_show_contexts
                self._result = loading.load(self._config, show_contexts=show).select(
                    reporting.sort, reporting.skip_covered, reporting.skip_empty, reporting.precision)
                self._errors = [] if reporting.ignore_errors else list(self._result.problems)
                self._errors += map(messages.below_minimum, results.fail_under(
                    self._result, self._config.fail_under, self._fail_digits))
                for name, destination in self._reports:
                    if destination is not None:
                        self._written.append(cli.write(self._result, name, destination, reporting, {}))
        except self._error as error:
            self._errors.append(' '.join(str(error).split()))
        if self._errors and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the requested reports, and errors."""
        for problem in self._recording.problems():
            terminalreporter.write_line(f'condcov: {problem}')
        if self._result is not None and ('term', None) in self._reports:
            from condcov.report import text
            terminalreporter.section('condcov')
            terminalreporter.flush()
            text.write(self._result, terminalreporter._tw._file, most_gaps=text.MOST_GAPS)
        for sentence in filter(None, self._written):
            terminalreporter.write_line(f'condcov: {sentence}')
        ignored = [name for name in self._reporting.ignored if name != '[run] dynamic_context' or not self._contexts]
        if ignored and self._recording.first:
            terminalreporter.write_line(f'condcov: settings of coverage.py without effect: {", ".join(ignored)}')
        for warning in self._result.warnings if self._result is not None else ():
            terminalreporter.write_line(f'condcov: {warning}')
        for error in self._errors:
            terminalreporter.write_line(f'condcov: {error}', red=True)

    def pytest_unconfigure(self) -> None:
        """End a recording whose session never began, so that no files of single processes remain."""
        if self._recording.first:
            try:
                self._recording.finish()
            except self._error:
                pass        # reported in the summary, or there was no session


def _report(text: str, reporting: Reporting) -> tuple[str, str | None]:
    from condcov import cli
    from condcov.errors import CondcovError
    name, colon, destination = text.partition(':')
    if text == 'term':
        return name, None
    if name not in cli.WRITERS or colon and not destination:
        raise CondcovError(f'--condcov-report has {text!r}; use term, html[:FOLDER], lcov[:FILE], xml[:FILE] '
                           'or json[:FILE]')
    return name, os.path.abspath(destination or reporting.outputs.get(name) or cli.WRITERS[name][1])


def _configuration(options: Any) -> Config:
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
