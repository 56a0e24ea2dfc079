"""The instructions of code objects, and how tools show them and values.

Offsets are in bytes.  The offset of an instruction with EXTENDED_ARG prefixes is
the offset of the first prefix, as in trace events.
"""

import bisect
import dis as public_dis
import linecache
import shutil
import types
from _ownmodules import __builtins__, load

# It makes the same types of objects as dis itself.
dis = load('dis', Instruction=public_dis.Instruction, Positions=public_dis.Positions)


def code_of(x):
    """Return the code object of x: x itself, or what dis would disassemble.

    Raises TypeError if there is none, SyntaxError for a string that cannot be
    compiled.
    """
    code = dis._get_code_object(x)
    if not isinstance(code, types.CodeType):
        raise TypeError(f"don't know the code of {type(x).__name__} objects")
    return code


def without_prefixes(instructions):
    """Yield (offset, dis.Instruction) for each instruction but EXTENDED_ARG."""
    offset = None
    for instruction in instructions:
        if offset is None:
            offset = instruction.offset
        if instruction.opcode != dis.EXTENDED_ARG:
            yield offset, instruction
            offset = None


def instructions(code):
    """Return {offset: dis.Instruction} in order of offset."""
    return dict(without_prefixes(dis.get_instructions(code)))


def handlers(code):
    """Return the offsets of the exception handlers, a frozenset."""
    return frozenset(entry.target for entry in dis._parse_exception_table(code))


class Code:
    """A code object as a sequence of instructions, without EXTENDED_ARGs.

    offsets         the offset of each instruction, in order
    instructions    the dis.Instruction of each, with the whole argument
    targets         the offsets of jump targets and exception handlers
    """

    def __init__(self, code):
        self.code = code
        found = instructions(code)
        self.offsets, self.instructions = list(found), list(found.values())
        self.targets = handlers(code).union(
            instruction.argval for instruction in self.instructions
            if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs)

    def index(self, offset):
        """Return the index of the instruction that has offset, or whose inline cache has it."""
        return max(bisect.bisect_right(self.offsets, offset) - 1, 0)

    def traced_near(self, offset):
        """Return the nearest traced offsets before and after offset, and offset if it is traced."""
        names = [instruction.opname for instruction in self.instructions]
        traced = self.offsets[names.index('RESUME'):]
        left, right = bisect.bisect_left(traced, offset), bisect.bisect_right(traced, offset)
        return traced[max(left - 1, 0):right + 1]

    def format(self, index):
        """Return the instruction as dis shows it, without its offset."""
        instruction = self.instructions[index]
        text = instruction.opname
        if instruction.arg is not None:
            text = f'{text:<{dis._OPNAME_WIDTH}} {instruction.arg:>{dis._OPARG_WIDTH}}'
            if instruction.argrepr:
                text += f' ({instruction.argrepr})'
        return text

    def listing(self, first, last, current, breaks, line_breaks, module_globals):
        """Yield the lines of text for the instructions with indexes first to last - 1.

        Each run of instructions from one line follows its source code.  '->' marks
        the instruction at the index current, '>>' jump targets and handlers, and
        'B' the offsets in breaks and the lines in line_breaks.
        """
        lineno = 0              # no line yet; None means an instruction without a line
        for i in range(first, last):
            line = self.instructions[i].positions.lineno
            if line != lineno:
                lineno = line
                source = linecache.getline(self.code.co_filename, line, module_globals) if line else ''
                number = '-' if line is None else line
                mark = 'B' if line in line_breaks else ' '
                yield f'{number:>3} {mark}\t{source.rstrip()}'.rstrip()
            offset = self.offsets[i]
            mark = 'B' if offset in breaks else ' '
            arrow = '->' if i == current else '  '
            target = '>>' if offset in self.targets else '  '
            yield fit(f'    {mark}{arrow}\t{target} {offset:>4} {self.format(i)}')


def line_of(code, offset):
    """Return the line of the instruction at offset, or a nearby line.

    Some instructions that the compiler adds have no line.  The first instruction
    of a handler gets the line that follows, any other the line before.
    """
    before = after = None
    for start, end, line in code.co_lines():
        if line is None:
            continue
        if start <= offset < end:
            return line
        if start < offset:
            before = line
        elif after is None:
            after = line
    if before is None or (after is not None and
                          code.co_code[offset] == dis.opmap['PUSH_EXC_INFO']):
        before = after
    return code.co_firstlineno if before is None else before


# How many values each instruction pushes if it does not jump, counting those that
# it pops and pushes back: a number, or a function of its argument and its stack
# effect.  taken() computes the number of popped values from it.
PUSHED = dict.fromkeys('''
    CACHE COPY_FREE_VARS DELETE_ATTR DELETE_DEREF DELETE_FAST DELETE_GLOBAL DELETE_NAME
    DELETE_SUBSCR DICT_MERGE DICT_UPDATE END_ASYNC_FOR EXTENDED_ARG IMPORT_STAR
    JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT JUMP_FORWARD JUMP_IF_FALSE_OR_POP
    JUMP_IF_TRUE_OR_POP KW_NAMES LIST_APPEND LIST_EXTEND MAKE_CELL MAP_ADD NOP
    POP_EXCEPT POP_JUMP_BACKWARD_IF_FALSE POP_JUMP_BACKWARD_IF_NONE
    POP_JUMP_BACKWARD_IF_NOT_NONE POP_JUMP_BACKWARD_IF_TRUE POP_JUMP_FORWARD_IF_FALSE
    POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE POP_JUMP_FORWARD_IF_TRUE
    POP_TOP PRINT_EXPR RAISE_VARARGS RERAISE RESUME RETURN_GENERATOR RETURN_VALUE
    SETUP_ANNOTATIONS SET_ADD SET_UPDATE STORE_ATTR STORE_DEREF STORE_FAST STORE_GLOBAL
    STORE_NAME STORE_SUBSCR
    '''.split(), 0) | dict.fromkeys('''
    ASYNC_GEN_WRAP BINARY_OP BINARY_SUBSCR BUILD_CONST_KEY_MAP BUILD_LIST BUILD_MAP
    BUILD_SET BUILD_SLICE BUILD_STRING BUILD_TUPLE CALL CALL_FUNCTION_EX COMPARE_OP
    CONTAINS_OP COPY FORMAT_VALUE GET_AITER GET_AWAITABLE GET_ITER GET_YIELD_FROM_ITER
    IMPORT_NAME IS_OP LIST_TO_TUPLE LOAD_ASSERTION_ERROR LOAD_ATTR LOAD_BUILD_CLASS
    LOAD_CLASSDEREF LOAD_CLOSURE LOAD_CONST LOAD_DEREF LOAD_FAST LOAD_NAME MAKE_FUNCTION
    MATCH_CLASS PREP_RERAISE_STAR PUSH_NULL UNARY_INVERT UNARY_NEGATIVE UNARY_NOT
    UNARY_POSITIVE YIELD_VALUE
    '''.split(), 1) | dict.fromkeys('''
    BEFORE_ASYNC_WITH BEFORE_WITH CHECK_EG_MATCH CHECK_EXC_MATCH FOR_ITER GET_ANEXT
    GET_LEN IMPORT_FROM LOAD_METHOD MATCH_MAPPING MATCH_SEQUENCE PUSH_EXC_INFO SEND
    '''.split(), 2) | {
    'LOAD_GLOBAL': lambda arg, effect: effect,
    'MATCH_KEYS': 3,
    'PRECALL': lambda arg, effect: arg + 2,
    'SWAP': lambda arg, effect: arg,
    'UNPACK_EX': lambda arg, effect: effect + 1,
    'UNPACK_SEQUENCE': lambda arg, effect: arg,
    'WITH_EXCEPT_START': 5,
}


def taken(instruction):
    """Return how many values at the top of the stack the instruction uses.

    It pops them, or keeps them below its result, as FOR_ITER does.  A value or
    container further down that it copies or changes does not count.
    """
    opcode, arg = instruction.opcode, instruction.arg
    effect = dis.stack_effect(opcode, arg, jump=False)
    # In dis, PRECALL pops the arguments of the CALL that follows it.
    if instruction.opname == 'PRECALL':
        effect = 0
    elif instruction.opname == 'CALL':
        effect = -1 - arg
    pushed = PUSHED[instruction.opname]
    if callable(pushed):
        pushed = pushed(arg, effect)
    return pushed - effect


def printable(text):
    """Escape unprintable characters, such as newlines."""
    if not text.isprintable():
        text = ''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in text)
    return text


def cut(text, longest):
    """Replace the middle of a text that is too long by an ellipsis, and escape unprintable characters."""
    if len(text) > longest:
        head = (longest - 3) // 2
        text = f'{text[:head]}...{text[len(text) - (longest - 3 - head):]}'
    return printable(text)


def plain(text):
    """Return a str as one whose methods are not the program's."""
    return text if type(text) is str else str.__str__(text)


def type_name(x):
    """Return the name of the type of x, without calling code of the program."""
    return cut(plain(type.__dict__['__name__'].__get__(type(x))), 40)


def without_repr(value, error):
    """Return a text for a value whose repr() raised error."""
    return f'<{type_name(value)} object: its repr() raised {type_name(error)}>'


def format_value(value):
    """Return repr(value), or a text that names the exception it raised."""
    try:
        return repr(value)
    except KeyboardInterrupt:
        raise
    except BaseException as e:
        return without_repr(value, e)


def stack_lines(values, instruction=None):
    """Yield a line of text for each value, deepest first, with its index.

    '*' marks the values that instruction, the next one, uses.
    """
    first = len(values) - (taken(instruction) if instruction else 0)
    for i, value in enumerate(values):
        mark = '*' if i >= first else ' '
        yield fit(f'{i:>4} {mark} {format_value(value)}')


def fit(line):
    """Return the line, cut to the width of the terminal."""
    width = shutil.get_terminal_size().columns
    text, newline, rest = line.partition('\n')
    if len(text) > width or newline:
        text = text[:max(width - 3, 0)] + '...'
    return text
