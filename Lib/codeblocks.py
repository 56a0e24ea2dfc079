"""Basic blocks of bytecode, and the edges between them.

A basic block is a sequence of instructions that control enters at the first
instruction, the leader, and leaves after the last one.
sys.settracestate(trace_branches=True) reports each entry into a block: the
argument of a 'branch' event is the (source, target) of an edge.  Offsets are in
bytes, as in dis and frame.f_lasti.
"""

import bisect
import collections
import dis
import operator
import sys
import types

from _bytecodeview import Code, code_of, without_prefixes
from _codeblocks import EdgeRecorder

__all__ = ['basic_blocks', 'BasicBlock', 'Edge', 'EdgeRecorder']


class Edge(collections.namedtuple('Edge', 'source target kind condition')):
    """A transition into a basic block.

    source      offset of the instruction executed before; -1 for the entry of
                the code
    target      offset of the leader of the block
    kind        'entry'         start of the code, at its first RESUME
                'fall-through'  to the next instruction
                'jump'          to the target of a jump
                'resume'        from a yield to the RESUME after it
                'throw'         from the yield of a 'yield from' or 'await' when
                                generator.throw() ends the awaited iterator
                'exception'     to an exception handler
    condition   for the two edges of a conditional jump, the result of its test:
                whether the operand is true; for ..._IF_NONE and
                ..._IF_NOT_NONE, whether the operand is None; for FOR_ITER,
                whether there is another item; for SEND, whether there is another
                value to yield.  None for all other edges.
    """

    __slots__ = ()


class BasicBlock(collections.namedtuple(
        'BasicBlock', 'start end instructions predecessors successors')):
    """A basic block.

    start           offset of its first instruction, the leader
    end             offset after its last instruction and its inline cache
    instructions    a tuple of dis.Instruction, including EXTENDED_ARG prefixes;
                    each has its source positions
    predecessors    a tuple of the edges that lead to the leader
    successors      a tuple of the edges that leave the block: edges of kind
                    'exception' from any instruction that can raise an exception
                    (if traced, any instruction can), all others from the last
                    instruction
    """

    __slots__ = ()

    def __repr__(self):
        return f'<basic block {self.start} to {self.end}>'


# Instructions that cannot raise an exception.  Jumps back are not among them
# because they can be interrupted.
_CANNOT_RAISE = frozenset(dis.opmap[name] for name in (
    'CACHE', 'COPY', 'COPY_FREE_VARS', 'EXTENDED_ARG', 'JUMP_BACKWARD_NO_INTERRUPT',
    'JUMP_FORWARD', 'KW_NAMES', 'LOAD_CLOSURE', 'LOAD_CONST', 'NOP', 'POP_EXCEPT',
    'POP_JUMP_FORWARD_IF_NONE', 'POP_JUMP_FORWARD_IF_NOT_NONE', 'POP_TOP',
    'PUSH_EXC_INFO', 'PUSH_NULL', 'RETURN_VALUE', 'STORE_FAST', 'SWAP',
))

_UNCONDITIONAL = frozenset(dis.opmap[name] for name in (
    'JUMP_BACKWARD', 'JUMP_BACKWARD_NO_INTERRUPT', 'JUMP_FORWARD',
))

_NO_SUCCESSOR = frozenset(dis.opmap[name] for name in (
    'RAISE_VARARGS', 'RERAISE', 'RETURN_VALUE',
))

_ENDS = _UNCONDITIONAL | _NO_SUCCESSOR

_SEND = dis.opmap['SEND']
_YIELD_VALUE = dis.opmap['YIELD_VALUE']

# The result of a conditional jump's test when it jumps.
_JUMPS_IF = {
    dis.opmap['FOR_ITER']: False,
    dis.opmap['SEND']: False,
} | {opcode: not name.endswith(('_IF_FALSE', '_IF_FALSE_OR_POP', '_IF_NOT_NONE'))
     for name, opcode in dis.opmap.items() if '_IF_' in name}


def basic_blocks(x):
    """Return the basic blocks of x, a tuple of BasicBlock in order of offset.

    x is a code object, a function, method, generator or coroutine, or a string
    of source code, as for dis.get_instructions().  Raises TypeError for anything
    else, SyntaxError for a string that cannot be compiled.

    The first block starts at the first RESUME.  Instructions before it (which
    create cells or a generator) are never traced and belong to no block.
    Neither do instructions that are unreachable after a return, raise or jump.
    """
    code = code_of(x)
    starts = set(sys._getcodeleaders(code))
    instructions = _instructions(code)
    after = [i.offset for i in instructions[1:]] + [len(code.co_code)]
    bodies, ends = [], []
    reachable = False
    for instruction, end in zip(instructions, after):
        if instruction.offset in starts:
            bodies.append([])
            ends.append(end)
            reachable = True
        if reachable:
            bodies[-1].append(instruction)
            ends[-1] = end
            reachable = instruction.opcode not in _ENDS
    handlers = sorted(dis._parse_exception_table(code), key=_start)

    # Only code made by hand jumps to where no instruction starts.
    predecessors = {body[0].offset: [] for body in bodies}
    successors = []
    throw_target = None
    for body, end in zip(bodies, ends):
        edges = [edge for edge in _successors(body, end, predecessors, handlers, throw_target)
                 if edge.target in predecessors]
        successors.append(edges)
        # throw() goes where SEND does when it ends the loop that follows.
        throw_target = body[-1].argval if body[-1].opcode == _SEND else None
    if bodies:
        start = bodies[0][0].offset
        predecessors[start].append(Edge(-1, start, 'entry', None))
    for edges in successors:
        for edge in edges:
            predecessors[edge.target].append(edge)
    return tuple(
        BasicBlock(start, end, tuple(body), tuple(predecessors[start]), tuple(edges))
        for start, end, body, edges in zip(predecessors, ends, bodies, successors))


def _instructions(code):
    try:
        return list(dis.get_instructions(code))
    except IndexError:
        # Code made by hand that has an operand for which there is no constant or name.
        return list(dis._get_instructions_bytes(
            code.co_code, linestarts=dict(dis.findlinestarts(code)), co_positions=code.co_positions()))


_start = operator.attrgetter('start')


def _successors(body, end, leaders, handlers, throw_target):
    """Return the edges that leave a block, which ends at offset end."""
    edges = []
    opcode, source = dis.EXTENDED_ARG, body[0].offset      # of a block of prefixes alone
    for source, instruction in without_prefixes(body):
        opcode = instruction.opcode
        if opcode not in _CANNOT_RAISE:
            index = bisect.bisect_right(handlers, instruction.offset, key=_start)
            if index and instruction.offset < handlers[index - 1].end:
                edges.append(Edge(source, handlers[index - 1].target, 'exception', None))
        if opcode in _NO_SUCCESSOR:
            return edges
        if opcode in _UNCONDITIONAL:
            edges.append(Edge(source, instruction.argval, 'jump', None))
            return edges
    if opcode == _YIELD_VALUE and throw_target is not None:
        edges.append(Edge(source, throw_target, 'throw', None))
    condition = _JUMPS_IF.get(opcode)
    if condition is not None:
        edges.append(Edge(source, instruction.argval, 'jump', condition))
        condition = not condition
    if end in leaders:
        kind = 'resume' if opcode == _YIELD_VALUE else 'fall-through'
        edges.append(Edge(source, end, kind, condition))
    return edges


# --- The command line -------------------------------------------------------------

def _codes(code):
    """Yield a code object and those nested in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _listing(code, lines):
    """Yield the lines of text for the blocks of a code object.  lines are those of its file."""
    yield f'{code.co_qualname}, line {code.co_firstlineno}'
    view = Code(code)
    for block in basic_blocks(code):
        yield f'  block {block.start} to {block.end}'
        last = None
        for i in range(view.index(block.start), len(view.offsets)):
            offset, line = view.offsets[i], view.instructions[i].positions.lineno
            if offset >= block.end:
                break
            if line != last and line:
                source = lines[line - 1].strip() if line <= len(lines) else ''
                yield f'    line {line}: {source}' if source else f'    line {line}'
            last = line
            yield f'{offset:>10} {" ".join(view.format(i).split(maxsplit=2))}'
        # Most instructions can raise an exception: one line for each handler.
        for target, kind, condition in dict.fromkeys(edge[1:] for edge in block.successors):
            yield f'      -> {target:<6} {kind}' + ('' if condition is None else f', if {condition}')


def _main():
    import argparse
    import importlib.util
    import traceback
    parser = argparse.ArgumentParser(
        'python -m codeblocks', allow_abbrev=False,
        description='Show the basic blocks of the code in a source file, and the edges between them.')
    parser.add_argument('file', metavar='FILE', help='a source file, or - for standard input')
    parser.add_argument('names', nargs='*', default=[], metavar='FUNCTION',
                        help='show only functions with these names, which may be qualified')
    options = parser.parse_args()
    filename = '<stdin>' if options.file == '-' else options.file
    try:
        if options.file == '-':
            source = sys.stdin.buffer.read()
        else:
            with open(filename, 'rb') as file:
                source = file.read()
    except OSError as error:
        parser.exit(2, f'codeblocks: error: cannot read {filename}: {error.strerror}\n')
    try:
        codes = list(_codes(compile(source, filename, 'exec', dont_inherit=True)))
    except (SyntaxError, ValueError) as error:
        parser.exit(1, ''.join(traceback.format_exception_only(error)))
    known = {name for code in codes for name in (code.co_name, code.co_qualname)}
    for name in options.names:
        if name not in known:
            parser.exit(2, f'codeblocks: error: there is no function {name} in {filename}\n')
    lines = importlib.util.decode_source(source).split('\n')
    for code in codes:
        if not options.names or not {code.co_name, code.co_qualname}.isdisjoint(options.names):
            print('\n'.join(_listing(code, lines)), end='\n\n')


if __name__ == '__main__':
    _main()
