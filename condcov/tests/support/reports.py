"""The result of the samples, of which the tests make every kind of report."""

from condcov.analysis import results

from support import sample


def result():
    """The Result of three files: with gaps, without, and with nothing to cover."""
    samples = sample.fares(), sample.small(), sample.empty()
    return results.Result([results.examine(each.source(), each.seen) for each in samples])
