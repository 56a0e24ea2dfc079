"""Facts about a code object that do not depend on a run: its instructions by offset, and where frames are entered."""

import dis
import types

from _bytecodeview import cut, handlers, instructions, printable
from _ownmodules import __builtins__

RESUME = dis.opmap['RESUME']
_LEAVES = {dis.opmap['RETURN_VALUE']: 'return', dis.opmap['YIELD_VALUE']: 'yield'}
_SUSPENDS = 0x20 | 0x80 | 0x200             # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR
_LONGEST_ARGUMENT = 60


def argument(instruction):
    """Return the argument as dis shows it in parentheses, in one line of limited length."""
    if instruction.opname == 'RESUME':
        return ''
    value, text = instruction.argval, instruction.argrepr
    if isinstance(value, types.CodeType):
        text = f'<code object {value.co_name}>'         # no address: it differs from run to run
    return cut(text or ('' if instruction.arg is None else str(instruction.arg)), _LONGEST_ARGUMENT)


def short_name(code):
    """Return the qualified name without the functions that the code is local to."""
    return printable(code.co_qualname.rpartition('<locals>.')[2])


class CodeInfo:
    """Facts about one code object, for the events of its frames.  It keeps the code object alive."""

    __slots__ = ('code', 'shown', 'name', 'module', 'opcodes', 'suspends', 'texts', 'place',
                 '_instructions', '_handlers', '_resumes')

    def __init__(self, code, module, shown, place):
        self.code = code
        self.module = module                # name, from the first frame seen
        self.place = place                  # (module, file), one object for all the code of a module
        self.shown = shown
        self.name = short_name(code)
        self.opcodes = code.co_code
        self.suspends = bool(code.co_flags & _SUSPENDS)
        self.texts = {}                     # indentation: {(source, offset): text}
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
            self._handlers = handlers(self.code)
        return self._handlers

    @property
    def resumes(self):
        """{offset of a RESUME: offset of the YIELD_VALUE before it, None for the first RESUME}.

        generator.throw() causes the 'call' events at other offsets.
        """
        if self._resumes is None:
            code = self.opcodes
            offsets = [offset for offset in range(0, len(code), 2) if code[offset] == RESUME]
            self._resumes = {offset: offset - 2 for offset in offsets} | dict.fromkeys(offsets[:1])
        return self._resumes

    def leaves(self, offset):
        """Return 'return' or 'yield', or None for an instruction that leaves a frame only by an exception."""
        return _LEAVES.get(self.opcodes[offset])


class CodeInfos:
    """The CodeInfo of each code object that runs.  Old ones are dropped, to limit memory.

    They are found by identity, because equal code objects can come from different files.
    """

    LIMIT = 4096

    def __init__(self, selection):
        self._selects = selection.selects
        self.known = {}                     # id(code): CodeInfo, which keeps the code alive and the id valid
        self._places = {}

    def add(self, frame):
        code = frame.f_code
        # Any code of the program may be behind these, as in exec() with a dictionary of its own.
        module = dict.get(frame.f_globals, '__name__')
        module = module if type(module) is str else ''
        if len(self.known) >= self.LIMIT:
            for key in list(self.known)[:self.LIMIT // 4]:
                self.known.pop(key, None)
            self._places.clear()            # at worst, a module is introduced again
        place = module, code.co_filename
        place = self._places.setdefault(place, place)
        info = self.known[id(code)] = CodeInfo(code, module, self._selects(code, module), place)
        return info
