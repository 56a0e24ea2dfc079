"""How often each instruction is executed, and each edge between basic blocks taken."""

import itertools
import types
from copy import copy

from lltrace._code import CodeInfos
from lltrace._state import Tracing


class CodeCounts:
    """The counts of one code object."""

    def __init__(self, code):
        self.code = code
        # {offset or edge: itertools.count}, which threads advance without a lock
        self.executed = {}
        self.taken = {}

    @staticmethod
    def _values(counts):
        # of a copy, since to read a count is to advance it
        return {key: next(copy(counts[key])) for key in sorted(counts)}

    @property
    def instructions(self):
        """{offset: how often the instruction was executed}, without those that never were."""
        return self._values(self.executed)

    @property
    def edges(self):
        """{(source, target): how often control took this edge into a basic block}, without those never taken."""
        return self._values(self.taken)


class Counts(Tracing):
    """Counts of the instructions executed and the edges taken by a program, or the body of a with statement.

    It is made by lltrace.count().
    """

    def __init__(self, selection, instructions=True, branches=True):
        self._infos = CodeInfos(selection)
        self._flags = {'trace_lines': False, 'trace_instructions': instructions, 'trace_branches': branches}
        self._found = {}                    # (file, code object): CodeCounts; code objects of two files can be equal
        self._call, self._local_of = self._make(instructions)

    @property
    def codes(self):
        """The CodeCounts of all code objects executed, in order of file and line."""
        return sorted(self._found.values(),
                      key=lambda counts: (counts.code.co_filename, counts.code.co_firstlineno, counts.code.co_qualname))

    def never_called(self):
        """The code objects of functions and classes in those executed which were not executed themselves."""
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
        from lltrace import _report         # where it is needed: a trace needs none of them
        print(_report.text(self), end='', file=file)

    def write_html(self, path):
        """Write a page with the source and its bytecode, colored by count.  Raises OSError."""
        from lltrace import _html
        _html.write(self, path)

    def write_graph(self, path, function=None):
        """Write the control-flow graph of a function: as SVG through Graphviz, or as DOT to a .dot or .gv file.

        function is its name or qualified name, and can be left out if there is only one.  Raises ValueError if it
        does not tell which, or for another suffix, and OSError.
        """
        from lltrace import _graph
        _graph.write(self, path, function)

    def _counts_of(self, code):
        key = code.co_filename, code
        return self._found.get(key) or self._found.setdefault(key, CodeCounts(code))

    def _make(self, instructions):
        infos, known = self._infos, self._infos.known
        counts_of = self._counts_of

        def advance(counts, key):
            return next(counts.setdefault(key, itertools.count()))

        def make_local(info):
            counts = counts_of(info.code)
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
