"""A recording, and its format.

A recording is stored as one block of bytes:

    the length of the head, 4 bytes
    the head: a JSON object, padded with spaces to a multiple of 4 bytes
    the columns: 32-bit integers.  head['columns'] lists their names and lengths

All integers are little-endian.  The columns of each step:

    at          offset of the instruction << 2 | kind; KINDS has the kinds
    visit       the number of the visit, which is the execution of a frame up to its next yield or return
    depth       the number of values on the stack, before the instruction
    end         the number of changes up to this step

Of each change, in order of steps:

    place       a place of the frame: 0 is its result, then the variables, then the value stack;
                or minus the number of an object, whose text has changed;
                or NAMED + the number of a variable of a module or class, in head['names']
    reference   what the place now holds: 0 for nothing, the number of a text, or minus the number of an object

Of each visit: visit_frame, visit_parent (or -1), visit_thread.  Of each frame: frame_code.  Of each exception that was
raised, in each frame that it passed: raise_step (of the instruction that raised it), raise_text, raise_object (the
number of the exception object), raise_origin (the entry where it was raised first) and raise_cause (the entry of the
exception that was being handled, or -1).

Texts are numbered from 1, everything else from 0.
"""

import sys
from array import array

from _ownmodules import __builtins__, load

KINDS = ('instruction', 'return', 'yield', 'raise', 'throw')
INSTRUCTION, RETURN, YIELD, RAISE, THROW = range(5)

_encode = load('json.encoder').JSONEncoder(separators=(',', ':')).encode
_PRINTED = 2_000_000                        # the most characters of output that are stored


class Recording:
    """Columns and tables to which a recorder appends."""

    def __init__(self):
        self.at, self.visit, self.depth, self.end = array('i'), array('i'), array('i'), array('i')
        self.places, self.references = array('i'), array('i')
        self.visit_frame, self.visit_parent, self.visit_thread = array('i'), array('i'), array('i')
        self.frame_code = array('i')
        self.raise_step, self.raise_text, self.raise_object = array('i'), array('i'), array('i')
        self.raise_origin, self.raise_cause = array('i'), array('i')
        self.objects = 0                    # how many objects have been seen
        self.names = []                     # (name, its module or -1, its frame or -1) of the variables known by name
        self.threads = []                   # names
        self.printed = []                   # [steps recorded before, 1 for standard output or 2 for error, text]
        self.sources = []                   # (step, offset) where the frame's previous instruction is not its last step
        self.infos = []                     # the CodeInfo of each code object
        self.modules = []                   # names
        self._room = _PRINTED
        self._texts = {}

    def text(self, text):
        """Return the number of a text."""
        number = self._texts.get(text)
        if number is None:
            number = self._texts[text] = len(self._texts) + 1
        return number

    def module(self, name):
        self.modules.append(name)
        return len(self.modules) - 1

    def prints(self, stream, text):
        if self._room > 0:
            self._room -= len(text)
            text = text if self._room > 0 else text[:self._room] + '\n[more was printed]\n'
            steps, printed = len(self.at), self.printed
            if printed and printed[-1][:2] == [steps, stream]:
                printed[-1][2] += text
            else:
                printed.append([steps, stream, text])

    def stored(self, head):
        """Return the bytes, with these entries added to the head."""
        columns = {name: column for name, column in vars(self).items() if isinstance(column, array)}
        head = head | {
            'columns': [[name, len(column)] for name, column in columns.items()],
            'objects': self.objects, 'names': self.names, 'threads': self.threads, 'printed': self.printed,
            'sources': self.sources,
            'modules': self.modules, 'texts': list(self._texts), 'named': 1 << 28}
        text = _encode(head).encode()
        text += b' ' * (-len(text) % 4)
        if sys.byteorder == 'big':
            for column in columns.values():
                column.byteswap()
        return b''.join((len(text).to_bytes(4, 'little'), text, *columns.values()))
