"""What is known of a code object before it runs: its instructions by offset, and where a frame is entered."""

import dis
import types

from lltrace._values import cut

RESUME = dis.opmap['RESUME']
_LEAVES = {dis.opmap['RETURN_VALUE']: 'return', dis.opmap['YIELD_VALUE']: 'yield'}
_SUSPENDS = 0x20 | 0x80 | 0x200             # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR
_LONGEST_ARGUMENT = 60


def instructions(code):
    """{offset: dis.Instruction} in order of offset.

    An instruction with EXTENDED_ARG prefixes is at the offset of the first one, as everywhere in tracing.
    """
    found, start = {}, None
    for instruction in dis.get_instructions(code):
        if start is None:
            start = instruction.offset
        if instruction.opname != 'EXTENDED_ARG':
            found[start] = instruction
            start = None
    return found


def argument(instruction):
    """The argument as dis shows it in parentheses, of one line and not too long."""
    value = instruction.argval
    if isinstance(value, types.CodeType):
        return f'<code object {value.co_name}>'         # without the address, so that runs can be compared
    if instruction.opname == 'RESUME':
        return ''
    return cut(instruction.argrepr or ('' if instruction.arg is None else str(instruction.arg)), _LONGEST_ARGUMENT)


def short_name(code):
    """The qualified name, from the innermost function that the code is local to."""
    return code.co_qualname.rpartition('<locals>.')[2]


class CodeInfo:
    """The facts of one code object, for the events of its frames.  It keeps the code object alive."""

    __slots__ = ('code', 'shown', 'name', 'module', 'opcodes', 'suspends', 'texts', 'counting',
                 '_instructions', '_handlers', '_resumes')

    def __init__(self, code, module, shown):
        self.code = code
        self.module = module                # of the first frame seen
        self.shown = shown
        self.name = short_name(code)
        self.opcodes = code.co_code
        self.suspends = bool(code.co_flags & _SUSPENDS)
        self.texts = {}                     # indentation: {(source, offset): text}
        self.counting = None                # for _counts
        self._instructions = self._handlers = self._resumes = None

    @property
    def instructions(self):
        if self._instructions is None:
            self._instructions = instructions(self.code)
        return self._instructions

    @property
    def handlers(self):
        """The offsets of the exception handlers."""
        if self._handlers is None:
            self._handlers = frozenset(entry.target for entry in dis._parse_exception_table(self.code))
        return self._handlers

    @property
    def resumes(self):
        """{offset of a RESUME: offset of the YIELD_VALUE before it, None for the first}.

        A 'call' event at another offset is one of generator.throw().
        """
        if self._resumes is None:
            code = self.opcodes
            offsets = [offset for offset in range(0, len(code), 2) if code[offset] == RESUME]
            self._resumes = {offset: offset - 2 for offset in offsets} | {offset: None for offset in offsets[:1]}
        return self._resumes

    def leaves(self, offset):
        """'return' or 'yield', or None for an instruction that a frame leaves only with an exception."""
        return _LEAVES.get(self.opcodes[offset])


class CodeInfos:
    """The CodeInfo of each code object that runs, of the latest ones only, so that memory stays flat.

    They are found by identity: equal code objects can be from different files.
    """

    LIMIT = 4096

    def __init__(self, selection):
        self._selects = selection.selects
        self.known = {}                     # id(code): CodeInfo; the CodeInfo keeps the id from being used again

    def add(self, frame):
        code = frame.f_code
        module = frame.f_globals.get('__name__')
        module = module if isinstance(module, str) else ''
        if len(self.known) >= self.LIMIT:
            for key in list(self.known)[:self.LIMIT // 4]:
                self.known.pop(key, None)
        info = self.known[id(code)] = CodeInfo(code, module, self._selects(code, module))
        return info
