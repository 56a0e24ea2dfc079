"""Formats the lines of a trace: as text for people, as JSON for programs."""

import os

from _ownmodules import __builtins__, load
from lltrace._code import argument

_json = load('json.encoder').JSONEncoder().encode

# The ways to leave a frame, or to enter it without an instruction, as they are written in text.
LEAVING = {'return': 'returns', 'yield': 'yields', 'raise': 'raises', 'throw': 'is thrown'}


class Text:
    """Lines in columns: thread, depth, function:line, offsets, instruction, argument, exception, value stack."""

    DEEPEST = 12                            # levels of indentation; the depth column shows the real depth
    WHERE = 30                              # characters for function and line
    STACK = 24                              # and for the argument, if the stack follows

    def __init__(self, color=False):
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
        self._bar = self._faint(' | ')
        self._left = {'return': paint('32'), 'yield': paint('34'), 'raise': self._alarm, 'throw': self._alarm}

    def level(self, depth):
        """Return the indentation, which instruction() and leaving() depend on."""
        return depth if depth < self.DEEPEST else self.DEEPEST

    def prefix(self, process, thread, depth):
        name = f'{process}:{thread}' if process else f'{thread}'
        return self._faint(f'{name:<2}{depth:>3}  ')

    def _where(self, info, level, line):
        room = self.WHERE - 2 * level
        text = f'{info.name}:{"-" if line is None else line}'
        if len(text) > room:
            text = '...' + text[3 - room:]
        return '  ' * level + self._name(f'{text:<{room}}')

    def instruction(self, info, level, line, source, offset, exception=None, padded=False):
        """Return the rest of a line after its prefix; with padded, for with_stack() to complete."""
        found = info.instructions[offset]
        caught = offset in info.handlers
        arrow = self._alarm('=>') if caught else self._faint('->')
        came = '' if source is None or source < 0 else source
        text = argument(found)
        parts = [self._where(info, level, line), f' {self._faint(f"{came:>5}")} {arrow} {self._faint(f"{offset:<5}")} ']
        notes = [text] if text else []
        width = len(text)
        if exception is not None:
            notes.append(self._alarm(exception))
            width += len(exception) + (width > 0)
        if notes or padded:
            parts += self._strong(f'{found.opname:<26}'), ' ', ' '.join(notes)
        else:
            parts.append(self._strong(found.opname))
        if padded:
            parts.append(' ' * (self.STACK - width))
        return ''.join(parts) + ('' if padded else '\n')

    def with_stack(self, text, values):
        """Return a padded line completed by the value stack, a list of texts or None if it is not known."""
        shown = '?' if values is None else ', '.join(values)
        return f'{text}{self._bar}{self._value(shown)}'.rstrip() + '\n'

    def leaving(self, info, level, line, offset, event, value):
        verb = self._left[event](f'{LEAVING[event]:<26}')
        arrow = self._faint('=>' if event == 'throw' else '<-')
        return f'{self._where(info, level, line)} {self._faint(f"{offset:>5}")} {arrow} {"":5} {verb} {value}\n'

    def started(self, name):
        return self._faint(f'this is {name}') + '\n'


class Json:
    """One JSON object per line; Doc/library/lltrace.rst describes the fields."""

    def level(self, depth):
        return 0

    def prefix(self, process, thread, depth):
        return f'{{"process": {process or os.getpid()}, "thread": {thread}, "depth": {depth}, '

    @staticmethod
    def _rest(info, event, line, **fields):
        where = {'event': event, 'module': info.module, 'function': info.code.co_qualname,
                 'file': info.code.co_filename, 'line': line}
        return _json(where | fields)[1:] + '\n'

    def instruction(self, info, level, line, source, offset, exception=None, padded=False):
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
