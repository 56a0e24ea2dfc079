"""Counts executed instructions, and the edges taken between basic blocks."""

import itertools
import types

from _ownmodules import __builtins__
from lltrace._code import CodeInfos
from lltrace._state import Tracing


class CodeCounts:
    """The counts of one code object."""

    def __init__(self, code, module):
        self.code = code
        self.module = module                # its name
        # {offset or edge: itertools.count}: threads can advance an itertools.count without a lock
        self.executed = {}
        self.taken = {}

    @staticmethod
    def _values(counts):
        # next() would advance the count.
        return {key: counts[key].__reduce__()[1][0] for key in sorted(counts)}

    @property
    def instructions(self):
        """{offset: how often the instruction was executed}, for executed instructions only."""
        return self._values(self.executed)

    @property
    def edges(self):
        """{(source, target): how often this edge into a basic block was taken}, for edges that were taken only."""
        return self._values(self.taken)


class Counts(Tracing):
    """Counts of the executed instructions and taken edges of a program, or of the body of a with statement.

    lltrace.count() makes it.
    """

    def __init__(self, selection, instructions=True, branches=True):
        self._infos = CodeInfos(selection)
        self._flags = {'trace_lines': False, 'trace_instructions': instructions, 'trace_branches': branches}
        self._found = {}                    # (file, code object): CodeCounts; equal code can be in two files
        self._call, self._local_of = self._make(instructions)

    @property
    def codes(self):
        """The CodeCounts of all code objects executed, in order of file and line."""
        return sorted(self._found.values(),
                      key=lambda counts: (counts.code.co_filename, counts.code.co_firstlineno, counts.code.co_qualname))

    def never_called(self):
        """Return the code objects of functions and classes that executed code defines but that were never executed."""
        never = []
        todo = [counts.code for counts in self.codes]
        for code in todo:
            for const in code.co_consts:
                if isinstance(const, types.CodeType) and (const.co_filename, const) not in self._found:
                    never.append(const)
                    todo.append(const)
        return never

    def print(self, file=None):
        """Print the annotated disassembly of each code object to a text stream, sys.stdout if it is None."""
        from lltrace import _report         # imported late, as below: a trace does not need it
        print(_report.text(self), end='', file=file)

    def write_html(self, path):
        """Write an HTML page with the source and its bytecode, colored by count.  Raises OSError."""
        from lltrace import _html
        _html.write(self, path)

    def write_graph(self, path, function=None):
        """Write the control-flow graph of a function: as SVG, using Graphviz, or as DOT to a .dot or .gv file.

        function is its name or qualified name, and can be left out if only one was executed.  Raises ValueError if the
        name is unknown or ambiguous, or for another suffix, and OSError.
        """
        from lltrace import _graph
        _graph.write(self, path, function)

    def _counts_of(self, info):
        key = info.code.co_filename, info.code
        return self._found.get(key) or self._found.setdefault(key, CodeCounts(info.code, info.module))

    def _make(self, instructions):
        infos, known = self._infos, self._infos.known
        counts_of = self._counts_of

        def advance(counts, key):
            return next(counts.setdefault(key, itertools.count()))

        def make_local(info):
            counts = counts_of(info)
            executed, taken = counts.executed, counts.taken

            def local(frame, event, arg):
                if event == 'instruction':
                    counted, key = executed, frame.f_lasti
                elif event == 'branch':
                    counted, key = taken, arg
                else:
                    return frame.f_trace
                counter = counted.get(key)
                if counter is None:
                    advance(counted, key)
                else:
                    next(counter)
                return frame.f_trace

            def enter(frame):
                if instructions and (not info.suspends or frame.f_lasti in info.resumes):
                    advance(executed, frame.f_lasti)
                return local

            return enter, local

        def functions(frame):
            info = known.get(id(frame.f_code)) or infos.add(frame)
            if not info.shown:
                return None
            found = info.counting
            if found is None:
                found = info.counting = make_local(info)
            return found

        def call(frame, event, arg):
            found = functions(frame)
            return None if found is None else found[0](frame)

        def local_of(frame):
            found = functions(frame)
            return None if found is None else found[1]

        return call, local_of
