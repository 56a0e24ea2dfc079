"""Plans the code of a program, as condcov does for a file. Only condcov is needed, so any interpreter can run it."""

from condcov.analysis.coverable import analyse
from condcov.code.parsing import Tables
from condcov.model import Seen
from condcov.record.plan import Plan
from condcov.record.planner import plan


class Planned:
    """The `select` of a recorder, for code whose filename is the given one.

    source      what analyse() says of the program
    """

    def __init__(self, text, filename='program'):
        self.source = analyse(text, filename)
        self._tables = Tables(text, filename)
        self._filename = filename
        self._plans = {}

    def __call__(self, code):
        if code.co_filename != self._filename:
            return None
        self._plans[code] = Plan(*plan(code, self._tables).facts)       # as in the cache
        return self._plans[code].probes

    @property
    def unknown(self):
        """The keys of the decisions that the plans call unknown."""
        return {key for one in self._plans.values() for key in one.meaning[-1]}

    @property
    def totals(self):
        """For the keys of the decisions whose paths are recorded, the number of complete paths."""
        return {key: total for one in self._plans.values()
                for (key, *_), (_, total) in zip(one.meaning[4], one.probes[2], strict=True)}

    def seen(self, recorder):
        """(Source, Seen), from what the recorder has recorded."""
        seen = Seen()
        for code, *harvest in recorder.harvest():
            seen.update(self._plans[code].seen(*harvest))
        return self.source.counted(seen)
