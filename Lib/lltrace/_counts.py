"""Counts executed instructions, and the edges taken between basic blocks."""

import sys
import types

from _codeblocks import EdgeRecorder
from _ownmodules import __builtins__


class CodeCounts:
    """The counts of one code object."""

    def __init__(self, code, module):
        self.code = code
        self.module = module                # its name
        self._executed = {}
        self._taken = {}

    @property
    def instructions(self):
        """{offset: how often the instruction was executed}, for executed instructions only."""
        return dict(sorted(self._executed.items()))

    @property
    def edges(self):
        """{(source, target): how often this edge into a basic block was taken}, for edges that were taken only."""
        return dict(sorted(self._taken.items()))


class Counts:
    """Counts of the executed instructions and taken edges of a program, or of the body of a with statement.

    lltrace.count() makes it.
    """

    ended = False                           # as for a trace, which can have a limit

    def __init__(self, selection, instructions=True):
        self._selection = selection
        self._recorder = EdgeRecorder(self._select, counts=True, instructions=instructions)
        self._instructions = instructions
        self._modules = {}                  # {id(code): name}; the recorder keeps the code alive
        self._started = False

    def start(self):
        """Start with the next instruction of the caller, in all threads."""
        if self._started:
            raise RuntimeError('this object can be started only once; create another one')
        self._started = True
        self._recorder.start()

    _start = start

    def stop(self):
        """Stop counting.  A second call does nothing."""
        self._recorder.stop()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.stop()

    def lost(self):
        """Nothing ends a count before stop() is called."""
        return None

    def interrupt(self, frame, function):
        """Call a function for a signal that arrived while code was selected.  It may raise."""
        function()

    def _select(self, code):
        module = sys._getframe(1).f_globals.get('__name__')     # of the frame that is about to execute the code
        module = module if isinstance(module, str) else ''
        selected = self._selection.selects(code, module)
        if selected:
            self._modules[id(code)] = module
        return selected

    def _found(self):
        """{(file, code object): CodeCounts}.  Equal code can be in two files; equal code in one file counts as one."""
        found = {}

        def counts_of(code):
            key = code.co_filename, code
            counts = found.get(key)
            if counts is None:
                counts = found[key] = CodeCounts(code, self._modules[id(code)])
            return counts

        def add(counts, more):
            for key, count in more.items():
                counts[key] = counts.get(key, 0) + count

        for code, edges in self._recorder.edges():
            add(counts_of(code)._taken, edges)
        if self._instructions:
            for code, instructions in self._recorder.instructions():
                add(counts_of(code)._executed, instructions)
        return found

    @property
    def codes(self):
        """The CodeCounts of all code objects executed, in order of file and line."""
        return sorted(self._found().values(),
                      key=lambda counts: (counts.code.co_filename, counts.code.co_firstlineno, counts.code.co_qualname))

    def never_called(self):
        """Return the code objects of functions and classes that executed code defines but that were never executed."""
        never = []
        todo = [counts.code for counts in self.codes]
        executed = {(code.co_filename, code) for code in todo}
        for code in todo:
            for const in code.co_consts:
                if isinstance(const, types.CodeType) and (const.co_filename, const) not in executed:
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
