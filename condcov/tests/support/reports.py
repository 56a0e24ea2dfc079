"""The result of the samples, for tests of every format, and the sentences of reports."""

from condcov.analysis import mcdc, results
from condcov.report import messages
from support import sample


def result():
    """The Result of three files: with gaps, without gaps, and with nothing to cover."""
    samples = sample.fares(), sample.small(), sample.empty()
    return results.Result([results.examine(each.source(), each.seen) for each in samples])


def sentences(decision, paths):
    """The sentence about each condition of the decision after these paths; '' if nothing is missing."""
    analyses = mcdc.analyse(decision, paths)
    return [messages.of_conditions(decision, (index,), analyses) for index in range(len(analyses))]
