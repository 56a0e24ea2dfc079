"""Formats the lines of a trace: as text for people, as JSON for programs."""

import linecache
import os

from _bytecodeview import cut, printable
from _ownmodules import __builtins__, load
from lltrace._code import argument
from lltrace._files import shown

_json = load('json.encoder').JSONEncoder().encode

# The ways to leave a frame, or to enter it without an instruction, as they are written in text.
LEAVING = {'return': 'returns', 'yield': 'yields', 'raise': 'raises', 'throw': 'is thrown'}


class Text:
    """Lines in columns: thread, depth, function:line, offsets, instruction, argument, exception, value stack.

    width       the width of the terminal, which the lines fit, or None
    stack       whether the value stack follows
    source      whether source lines are shown
    """

    WHERE = 26                              # the most characters for function and line
    NAME = 16                               # characters for the name of an instruction
    ARGUMENT = 12                           # and for the argument, if the stack follows

    def __init__(self, color=False, width=None, stack=False, source=False):
        def paint(*codes):
            if not color:
                return str
            start = f'\033[{";".join(codes)}m'
            return lambda text: f'{start}{text}\033[0m' if text.strip() else text
        self._faint = paint('2')
        self._name = paint('36')
        self._strong = paint('1')
        self._value = paint('33')
        self._alarm = paint('1', '31')
        self._left = {'return': paint('32'), 'yield': paint('34'), 'raise': self._alarm, 'throw': self._alarm}
        self._width = width
        self._stack = stack
        # Leave 18 characters for an argument, or 20 for the stack.
        self._room = self.WHERE if width is None else min(max(width - (73 if stack else 56), 12), self.WHERE)
        self._deepest = max(self._room - 14, 0) // 2        # the prefix shows the real depth
        self.shows_modules = True
        self.shows_source = source

    def level(self, depth):
        """Return the indentation, which the other methods depend on."""
        return min(depth, self._deepest)

    def prefix(self, process, thread, depth):
        name = f'{process}:{thread}' if process else f'{thread}'
        return self._faint(f'{name:<2}{depth:>3}  ')

    def _fit(self, text, used, least=10):
        """Cut a text that follows `used` characters and a prefix."""
        return text if self._width is None else cut(text, max(self._width - 7 - used, least))

    def module(self, info):
        """Return the rest of a line that introduces the module of the lines that follow."""
        module, filename = info.place
        return self._faint(self._fit(printable(f'in module {module or "?"} ({shown(filename)})'), 0)) + '\n'

    def source(self, info, level, line, module_globals):
        """Return the rest of a line that shows a source line, or None if that is not found."""
        try:
            text = linecache.getline(info.code.co_filename, line, module_globals)
        except Exception:                   # of a __loader__ of the program, or as it has replaced builtins
            text = ''
        if text:
            number = f'{"  " * level}{line:>4}  '
            return number + self._fit(printable(text.rstrip().expandtabs()), len(number)) + '\n'

    def _where(self, info, level, line):
        room = self._room - 2 * level
        text = f'{info.name}:{"-" if line is None else line}'
        if len(text) > room:
            text = '...' + text[3 - room:]
        return '  ' * level + self._name(f'{text:<{room}}')

    def instruction(self, info, level, line, source, offset, exception=None):
        """Return the rest of a line after its prefix; if the stack follows, what with_stack() completes."""
        found = info.instructions[offset]
        caught = offset in info.handlers
        arrow = self._alarm('=>') if caught else self._faint('->')
        came = '' if source is None or source < 0 else source
        start = f'{self._where(info, level, line)} {self._faint(f"{came:>4}")} {arrow} {self._faint(f"{offset:<4}")} '
        text = argument(found)
        if exception is not None:
            text = f'{text} {exception}' if text else exception
        name = f'{found.opname:<{self.NAME}} ' if text else found.opname
        used = self._room + 14 + len(name)
        text = self._fit(text, used + 13 if self._stack else used)      # leave 10 characters for the stack
        note = self._alarm(text) if exception is not None else text
        line = f'{start}{self._strong(name)}{note}'
        return (line, used + len(text)) if self._stack else line + '\n'

    def with_stack(self, found, values):
        """Return a line completed by the value stack, a list of texts or None if it is not known."""
        text, used = found
        stack = '?' if values is None else ', '.join(values)
        if not stack:
            return text + '\n'
        padding = max(self._room + 15 + self.NAME + self.ARGUMENT - used, 0)
        if self._width is not None and len(stack) > (room := max(self._width - 10 - used - padding, 10)):
            stack = '...' + stack[3 - room:]                # the top is the most interesting
        return f'{text}{" " * padding}{self._faint(" | ")}{self._value(stack)}\n'

    def leaving(self, info, level, line, offset, event, value):
        verb = self._left[event](f'{LEAVING[event]:<{self.NAME}}')
        arrow = self._faint('=>' if event == 'throw' else '<-')
        value = self._fit(value, self._room + 15 + self.NAME)
        return f'{self._where(info, level, line)} {self._faint(f"{offset:>4}")} {arrow} {"":4} {verb} {value}\n'

    def started(self, name):
        return self._faint(f'this is {name}') + '\n'


class Json:
    """One JSON object per line; Doc/library/lltrace.rst describes the fields."""

    shows_modules = shows_source = False

    def level(self, depth):
        return 0

    def prefix(self, process, thread, depth):
        return f'{{"process": {process or os.getpid()}, "thread": {thread}, "depth": {depth}, '

    @staticmethod
    def _rest(info, event, line, **fields):
        where = {'event': event, 'module': info.module, 'function': info.code.co_qualname,
                 'file': info.code.co_filename, 'line': line}
        return _json(where | fields)[1:] + '\n'

    def instruction(self, info, level, line, source, offset, exception=None):
        found = info.instructions[offset]
        more = {}
        if offset in info.handlers:
            more['exception'] = exception
        return self._rest(info, 'instruction', line, source=source if source != -1 else None, offset=offset,
                          opname=found.opname, arg=argument(found), **more)

    def with_stack(self, text, values):
        return f'{text[:-2]}, "stack": {_json(values)}}}\n'

    def leaving(self, info, level, line, offset, event, value):
        return self._rest(info, event, line, offset=offset, value=value)

    def started(self, name):
        return _json({'event': 'thread', 'name': name})[1:] + '\n'
