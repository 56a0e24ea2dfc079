"""Compares the lines and branches that condcov and coverage.py record of a program in the same run.

As a program, reads {"program": text} from each line of its standard input, and writes {"lines", "arcs", "explained",
"unexplained"}: how many lines and arcs were recorded, how many differences each of EXPLANATIONS explains, and
descriptions of the others. Needs condcov/tests in PYTHONPATH.
"""

import ast
import collections
import dis
import faulthandler
import functools
import gc
import json
import opcode
import sys
import tempfile
import warnings
from pathlib import Path

from support import beside_coverage

PATIENCE = 60           # seconds after which a program counts as hanging
YIELDS = {opcode.opmap[name] for name in ('YIELD_VALUE', 'SEND', 'RETURN_GENERATOR', 'ASYNC_GEN_WRAP', 'RESUME')}
CLEANUP = bytes(opcode.opmap[name] for name in ('COPY', 'POP_EXCEPT', 'RERAISE'))


def run(code, **names):
    """Run a program and its main(), with these global names."""
    namespace = {'__name__': 'program', **names}
    exec(code, namespace)
    try:
        namespace['main']()
    except Exception:
        pass


def yields(frame):
    """Whether the event 'return' of a frame only suspends it."""
    return frame.f_code.co_code[frame.f_lasti] in YIELDS


def cleans_up(frame):
    """Whether a frame only ends a handler because an exception leaves it. The compiler of 3.11 may give that a line."""
    return frame.f_code.co_code[frame.f_lasti:frame.f_lasti + 6:2] == CLEANUP


def ends_await(frame, error):
    """Whether the event 'exception' of a frame only ends an await: trace functions see a StopIteration."""
    return error[0] is StopIteration and frame.f_code.co_code[frame.f_lasti] == opcode.opmap['SEND']


@functools.cache
def loop_offsets(code):
    """The offsets from which an exception goes to the end of an `async for`."""
    return {offset for entry in dis.Bytecode(code).exception_entries for offset in range(entry.start, entry.end)
            if code.co_code[entry.target] == opcode.opmap['END_ASYNC_FOR']}


def ends_loop(frame, error):
    """Whether the event 'exception' of a frame only ends an `async for`."""
    return error[0] is StopAsyncIteration and frame.f_lasti in loop_offsets(frame.f_code)


def traced(code, parser):
    """What a trace function sees: lines, arcs, and the lines that began while an exception was handled.

    Only the arcs that control took without an exception.
    """
    arcs, lines, handling, last, raised, outside = set(), set(), set(), {}, {}, {}

    def trace(frame, event, arg):
        firstlineno = frame.f_code.co_firstlineno
        if event == 'call':
            outside.setdefault(frame, sys.exc_info()[1])        # later, that of a generator may be its own
        elif event == 'line' and sys.exc_info()[1] not in (None, outside[frame]):
            handling.add(frame.f_lineno)
        if event == 'line':
            if not raised[frame] and not cleans_up(frame):
                arcs.add((last[frame], frame.f_lineno))
            lines.add(frame.f_lineno)
            last[frame], raised[frame] = frame.f_lineno, False
        elif event == 'exception':
            raised[frame] = not ends_await(frame, arg) and not ends_loop(frame, arg)
        elif event == 'return' and not yields(frame):
            if not raised[frame]:
                arcs.add((last[frame], -firstlineno))
            del last[frame], raised[frame], outside[frame]
        return trace

    def start(frame, event, arg):
        if frame.f_code.co_filename != code.co_filename:
            return None
        last.setdefault(frame, -frame.f_code.co_firstlineno)
        raised.setdefault(frame, False)
        return trace(frame, event, arg)

    sys.settrace(start)
    try:
        run(code)
    finally:
        sys.settrace(None)
    return (parser.translate_lines(lines), parser.translate_arcs(parser.translate_arcs(arcs)),
            parser.translate_lines(handling))


class OneLineJumps(ast.NodeTransformer):
    """Makes a program tell what its one-line jumps do, as in `if x: continue` and `if x: raise ValueError`.

    jumps   {line: _Jump}, with the first line of the statement, whose test is there too
    begun   {frame: _Jump} of the jumps that were executed and have not got to their target
    """

    def __init__(self, text, first_line):
        self.lines = text.split('\n')
        self.first_line = first_line
        self.jumps = {}
        self.begun = {}
        self.loops = []
        self.withs = []             # the first lines of those around the node, in the same function
        self.finals = 0             # how many finally clauses there are around the node
        self.final_lines = set()    # the first lines of what is in finally clauses
        self.handlers = set()       # their first lines

    def suite(self, node, body):
        """Instrument a suite that starts in the line of its test and ends with a jump."""
        first, last = body[0], body[-1]
        if (self.lines[first.lineno - 1].encode()[:first.col_offset].strip()
                and isinstance(last, ast.Break | ast.Continue | ast.Return | ast.Raise)):
            line = self.first_line(last.lineno)
            head, end, outer = self.loops[-1] if self.loops else (None, None, 0)
            withs = self.withs if isinstance(last, ast.Return) else self.withs[outer:]
            self.jumps[line] = _Jump(last, head, end, withs, self.handlers, bool(self.finals), self.begun)
            called = ast.parse(f'_jumps[{line}].jump()').body
            if isinstance(node, ast.If):
                passed = ast.parse(f'_jumps[{line}].test()', mode='eval').body
                node.test = ast.Call(passed.func, [node.test], [])
            if isinstance(last, ast.Return) and last.value:
                body[-1:] = [ast.Assign([ast.Name('_value', ast.Store())], last.value), *called,
                             ast.Return(ast.Name('_value', ast.Load()))]
            else:
                body[-1:] = [*called, last]

    def visit_If(self, node):
        self.generic_visit(node)
        self.suite(node, node.body)
        return node

    visit_match_case = visit_If

    def visit_While(self, node):
        loops = self.loops
        head = node.test if isinstance(node, ast.While) else node.iter
        self.loops = [*loops, (self.first_line(head.lineno), (node.orelse or node.body)[-1].end_lineno,
                               len(self.withs))]
        node.body = [self.visit(each) for each in node.body]
        self.suite(node, node.body)
        self.loops = loops
        node.orelse = [self.visit(each) for each in node.orelse]
        return node

    visit_For = visit_AsyncFor = visit_While

    def visit_FunctionDef(self, node):
        around = self.loops, self.withs, self.finals
        self.loops, self.withs, self.finals = [], [], 0
        self.generic_visit(node)
        self.loops, self.withs, self.finals = around
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_With(self, node):
        withs, self.withs = self.withs, [*self.withs, self.first_line(node.lineno)]
        self.generic_visit(node)
        self.withs = withs
        return node

    visit_AsyncWith = visit_With

    def visit_Try(self, node):
        for suite in node.body, node.handlers, node.orelse:
            suite[:] = [self.visit(each) for each in suite]
        self.final_lines.update(self.first_line(line) for statement in node.finalbody
                                for line in range(statement.lineno, statement.end_lineno + 1))
        self.finals += 1
        node.finalbody = [self.visit(each) for each in node.finalbody]
        self.finals -= 1
        return node

    visit_TryStar = visit_Try

    def visit_ExceptHandler(self, node):
        self.handlers.add(self.first_line(node.lineno))
        self.generic_visit(node)
        return node


class _Jump:
    """A one-line jump.

    head, end   the first and last line of the loop around it, or None
    withs   the first lines of the with statements that it leaves
    taken   whether it got to its target, and not the exit of one of these raised an exception; or raised its own
    unsure  whether a finally clause raised an exception before, or was left waiting: condcov records the jump in the
            part of the clause that only this jump executes, if there is one
    passed  whether the test of its if statement was false; None for other statements
    raised  whether this was in an except or finally clause, which an exception may leave after the test
    final   whether it is in a finally clause, which a jump out of the try may leave after the test
    """

    def __init__(self, node, head, end, withs, handlers, final, begun):
        self.node, self.head, self.end, self.withs, self.handlers = node, head, end, withs, handlers
        self.final, self.begun = final, begun
        self.times = 0
        self.unsure = False
        self.raised = False
        self.passed = None

    @property
    def taken(self):
        return None if self.unsure else self.times > 0

    def jump(self):
        """The next statement of the caller is the jump."""
        self.times += 1
        self.begun[sys._getframe(1)] = self

    def test(self, value):
        """Note the truth of the test, and return it."""
        truth = bool(value)
        self.passed = self.passed or not truth
        self.raised = self.raised or sys.exc_info()[0] is not None
        return truth

    def goes_to(self, line):
        """Whether the jump, and not the next statement, is the way to this line."""
        if isinstance(self.node, ast.Return):
            return line < 0
        if isinstance(self.node, ast.Raise):
            return line < 0 or line in self.handlers
        if isinstance(self.node, ast.Continue):
            return line == self.head
        return not self.head <= line <= self.end

    def took(self, line):
        """Whether control went to this line from here; None if that is not known."""
        return self.taken if self.goes_to(line) else self.passed


def jumps_of(text, path, parser):
    """The one-line jumps of a program, after it has run: {line: _Jump}."""
    transformer = OneLineJumps(text, parser.first_line)
    code = compile(ast.fix_missing_locations(transformer.visit(ast.parse(text))), path, 'exec')
    begun = transformer.begun

    def trace(frame, event, arg):
        jump = begun.get(frame)
        if jump is not None:
            line = parser.first_line(frame.f_lineno)
            if event == 'exception' and not isinstance(jump.node, ast.Raise) and not ends_await(frame, arg):
                if line in transformer.final_lines:
                    jump.unsure = True
                elif line in jump.withs:
                    jump.times -= 1
                    del begun[frame]
            elif event == 'line' and jump.goes_to(line) or event == 'return' and not yields(frame):
                del begun[frame]
        return trace

    sys.settrace(lambda frame, event, arg: trace if frame.f_code.co_filename == path else None)
    try:
        run(code, _jumps=transformer.jumps)
    finally:
        sys.settrace(None)
    for jump in begun.values():
        jump.unsure = True
    return transformer.jumps


def final_lines(text, first_line):
    """The first lines of the statements in finally clauses in with statements."""
    return {first_line(line) for around in ast.walk(ast.parse(text)) if isinstance(around, ast.With | ast.AsyncWith)
            for node in ast.walk(around) if isinstance(node, ast.Try | ast.TryStar)
            for statement in node.finalbody for line in range(statement.lineno, statement.end_lineno + 1)}


def next_clauses(text, first_line):
    """For the lines of the statements in except* clauses, the first line of the clause that follows, or None."""
    found = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.TryStar):
            following = [*(first_line(clause.lineno) for clause in node.handlers[1:]), None]
            for clause, next_line in zip(node.handlers, following):
                for line in range(clause.lineno, clause.end_lineno + 1):
                    found.setdefault(first_line(line), set()).add(next_line)
    return found


def handlers(text, first_line):
    """The lines where an exception can go: the first ones of except and finally clauses."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Try | ast.TryStar):
            found |= {first_line(each.lineno) for each in [*node.handlers, *node.finalbody[:1]]}
    return found


class Evidence:
    """What other runs of the program show: see traced() and jumps_of().

    throws  whether the program throws exceptions into generators
    """

    def __init__(self, text, code, parser):
        self._text, self._code, self._parser = text, code, parser
        self.throws = '"throw"' in text or '.athrow(' in text

    @functools.cached_property
    def traced(self):
        return traced(self._code, self._parser)

    @functools.cached_property
    def raised_again(self):
        """The lines in finally clauses in with statements that began while an exception was handled."""
        return self.traced[2] & final_lines(self._text, self._parser.first_line)

    @functools.cached_property
    def next_clauses(self):
        return next_clauses(self._text, self._parser.first_line)

    @functools.cached_property
    def handlers(self):
        return handlers(self._text, self._parser.first_line)

    @functools.cached_property
    def jumps(self):
        return jumps_of(self._text, self._code.co_filename, self._parser)


def exception_left(arc, recorded_by, evidence):
    """coverage.py counts an arc whenever its second line follows the first, also in an except or finally clause."""
    return recorded_by == 'coverage.py' and arc not in evidence.traced[1]


def exception_thrown(arc, recorded_by, evidence):
    """coverage.py loses its place if an exception is thrown into a generator that waits for another one.

    CPython announces no call of the other one, but its return.
    """
    return recorded_by == 'condcov' and evidence.throws and arc in evidence.traced[1]


def one_line_jump(arc, recorded_by, evidence):
    """coverage.py does not see where a jump in the line of its test goes, if a with or a finally is left.

    condcov assumes that a with does not suppress an exception that is raised there.
    """
    jump = evidence.jumps.get(arc[0])
    return jump is not None and (jump.unsure and jump.goes_to(arc[1])
                                 or (recorded_by == 'condcov') == jump.took(arc[1]))


def exception_suppressed(arc, recorded_by, evidence):
    """coverage.py takes an exception that a finally clause in a with raises again for the end of the with."""
    return recorded_by == 'coverage.py' and arc[0] in evidence.raised_again


def clauses_follow(arc, recorded_by, evidence):
    """coverage.py does not know that after an except* clause, the next one is tested. condcov passes by those."""
    return recorded_by == 'condcov' and any((arc[0], line) in evidence.traced[1]
                                            for line in evidence.next_clauses.get(arc[0], ()))


def exceptions_remain(arc, recorded_by, evidence):
    """condcov assumes that the except* clauses of a try have handled all exceptions."""
    return (recorded_by == 'condcov' and arc[0] in evidence.next_clauses
            and any(start == arc[0] and (end < 0 or end in evidence.handlers) for start, end in evidence.traced[1]))


# Why an arc may be recorded by only one of the two.
EXPLANATIONS = [exception_left, one_line_jump, exception_thrown, exception_suppressed, clauses_follow,
                exceptions_remain]


def examine(text, path):
    path.write_text(text)
    code = compile(text, str(path), 'exec', dont_inherit=True)
    both = beside_coverage.Both(str(path), text)
    with both:
        run(code)
    source, seen = both.ours()
    theirs = both.theirs()
    evidence = Evidence(text, code, both.source.parser)
    explained, unexplained = collections.Counter(), []
    taken = beside_coverage.arcs_of(theirs.executed_branch_arcs())
    untaken = beside_coverage.arcs_of(theirs.missing_branch_arcs())
    # coverage.py does not list the untaken branches of a line like `if 1:`, and condcov assumes that they are taken.
    for what, ours, other in (('possible lines', source.lines, theirs.statements),
                              ('possible arcs', source.arcs - (source.assumed - taken), taken | untaken)):
        if ours != other:
            unexplained.append(f'{what}: condcov {sorted(ours - other)}, coverage.py {sorted(other - ours)}')
    executed = seen.lines & source.lines
    for line in sorted(executed ^ theirs.executed):
        if line in executed and evidence.throws and line in evidence.traced[0]:
            explained[exception_thrown.__name__] += 1
        else:
            unexplained.append(f'line {line}: only {"condcov" if line in executed else "coverage.py"}')
    for arc in sorted(seen.arcs ^ taken):
        recorded_by = 'condcov' if arc in seen.arcs else 'coverage.py'
        for explanation in EXPLANATIONS:
            if explanation(arc, recorded_by, evidence):
                explained[explanation.__name__] += 1
                break
        else:
            unexplained.append(f'arc {arc}: only {recorded_by}')
    for arc in sorted(source.arcs):
        jump = evidence.jumps.get(arc[0])
        if (jump is not None and not jump.raised and not jump.final
                and jump.took(arc[1]) not in (None, arc in seen.arcs)):
            unexplained.append(f'arc {arc} of a one-line jump: condcov says {arc in seen.arcs}')
    return {'lines': len(theirs.executed), 'arcs': len(taken), 'explained': explained, 'unexplained': unexplained}


def main():
    warnings.simplefilter('ignore')                 # such as a coroutine that nobody awaits
    sys.unraisablehook = lambda unraisable: None    # such as a generator that ignores GeneratorExit
    gc.disable()                                    # finalizers would run at different times
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
            answer = examine(json.loads(line)['program'], Path(folder, 'program.py'))
            faulthandler.cancel_dump_traceback_later()
            gc.collect()
            print(json.dumps(answer), flush=True)


if __name__ == '__main__':
    main()
