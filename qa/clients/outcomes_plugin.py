"""A pytest plugin that writes down what became of each test, one JSON object a line, as it happens.

A file of JUnit's kind would not do: it is written at the end, so that a crash leaves none, and it has no node ids, by
which a test can be chosen once more.
"""

import json


def pytest_addoption(parser):
    group = parser.getgroup('outcomes')
    group.addoption('--outcomes', metavar='FILE', help='write what became of each test to FILE')
    group.addoption('--only', metavar='FILE', help='run only the tests whose node ids are in FILE, one a line')


def pytest_configure(config):
    # with pytest-xdist the workers report to the process that started them, and that one writes
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
            outcome = 'around'          # setting up or tearing down went well
        self.write(report.nodeid, outcome, reason(report) if report.failed else '')

    def pytest_collectreport(self, report):
        if report.outcome != 'passed':
            self.write(report.nodeid, report.outcome, reason(report) if report.failed else '')


def reason(report):
    """The line of a failed report that says what is wrong."""
    crash = getattr(report.longrepr, 'reprcrash', None)
    lines = (crash.message if crash else str(report.longrepr)).strip().splitlines()
    # the first line of an exception's message; of text that somebody made, the last
    return (lines[0] if crash else lines[-1]).strip() if lines else ''
