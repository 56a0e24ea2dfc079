"""A pytest plugin that writes the outcome of each test immediately, as one JSON object per line.

JUnit XML is not suitable: it is written at the end, so it is lost in a crash, and it has no node IDs with which to
select tests for another run.
"""

import json


def pytest_addoption(parser):
    group = parser.getgroup('outcomes')
    group.addoption('--outcomes', metavar='FILE', help='write what became of each test to FILE')
    group.addoption('--only', metavar='FILE', help='run only the tests whose node ids are in FILE, one a line')


def pytest_configure(config):
    # with pytest-xdist, the workers report to the process that started them, which writes the file
    if config.getoption('outcomes') and not hasattr(config, 'workerinput'):
        config.pluginmanager.register(Writer(config.getoption('outcomes')), 'outcomes-writer')


def pytest_collection_modifyitems(config, items):
    if config.getoption('only'):
        with open(config.getoption('only'), encoding='utf-8') as file:
            only = set(file.read().split('\n'))
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in only])
        items[:] = [item for item in items if item.nodeid in only]


class Writer:
    def __init__(self, path):
        self.file = open(path, 'w', encoding='utf-8')

    def write(self, test, outcome, why=''):
        self.file.write(json.dumps({'test': test, 'outcome': outcome, 'why': why}) + '\n')
        self.file.flush()

    def pytest_runtest_logstart(self, nodeid):
        self.write(nodeid, 'started')

    def pytest_runtest_logreport(self, report):
        outcome = report.outcome
        if outcome == 'passed' and report.when != 'call':
            outcome = 'around'          # setup or teardown succeeded
        self.write(report.nodeid, outcome, reason(report) if report.failed else '')

    def pytest_collectreport(self, report):
        if report.outcome != 'passed':
            self.write(report.nodeid, report.outcome, reason(report) if report.failed else '')


def reason(report):
    """The line of a failed report that has the reason."""
    crash = getattr(report.longrepr, 'reprcrash', None)
    lines = (crash.message if crash else str(report.longrepr)).strip().splitlines()
    # the first line of an exception's message, or the last line of any other text
    return (lines[0] if crash else lines[-1]).strip() if lines else ''
