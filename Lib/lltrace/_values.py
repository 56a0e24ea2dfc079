"""Formats values as text: in one line of limited length, without raising, whatever the program's classes do."""

import types
from collections import OrderedDict, defaultdict, Counter, deque
from array import array

from _bytecodeview import cut, type_name, without_repr
from _ownmodules import __builtins__, load

reprlib = load('reprlib', builtins=types.SimpleNamespace(**__builtins__))

_LONGEST = 60
_SIMPLE = frozenset((int, float, bool, type(None), type(Ellipsis)))
_SIZED = (list, tuple, dict, set, frozenset, str, bytes, bytearray, array, deque, OrderedDict, defaultdict, Counter)
_LARGE = 1000                               # items; the repr of larger containers is not computed


def _method(x):
    return f'<bound method {getattr(x.__func__, "__qualname__", "?")}>'


def _builtin(x):
    if isinstance(x.__self__, types.ModuleType) or x.__self__ is None:
        return repr(x)
    return f'<built-in method {x.__qualname__}>'


_NAMED = {
    types.FunctionType: lambda x: f'<function {x.__qualname__}>',
    types.MethodType: _method,
    types.BuiltinFunctionType: _builtin,
    types.CodeType: lambda x: f'<code object {x.co_name}>',
}


class _Repr(reprlib.Repr):

    def __init__(self):
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = self.maxlong = 40

    def repr1(self, x, level):
        # reprlib goes by the name of the type, which classes of the program can share.
        if type(x).__module__ != 'builtins' and not isinstance(x, (deque, array)):
            return self.repr_instance(x, level)
        if type(x) in (bytes, bytearray):
            return self.repr_bytes(x)
        return super().repr1(x, level)

    def repr_bytes(self, x):
        if len(x) > self.maxstring:
            return f'<{type(x).__name__} of {len(x)} items>'
        return repr(x)

    def repr_int(self, x, level):
        if x.bit_length() > 1000:           # conversion may be slow, and Python limits the number of digits
            return f'<int of {x.bit_length()} bits>'
        return super().repr_int(x, level)

    def repr_instance(self, x, level):
        for kind in _SIZED:
            if isinstance(x, kind) and kind.__len__(x) > _LARGE:
                return f'<{type(x).__qualname__} of {kind.__len__(x)} items>'
        return cut(repr(x), 2 * self.maxother)


_repr_of = _Repr()


def value(x):
    """Return a shortened repr() of x; for functions and objects without their own __repr__, the name or type.

    This calls __repr__ methods of the program.
    """
    if type(x) in _SIMPLE and (type(x) is not int or -1 << 64 < x < 1 << 64):
        return repr(x)
    if type(x) is str and len(x) <= _repr_of.maxstring - 2:
        return cut(repr(x), _LONGEST)
    try:
        kind = type(x)
        # Their repr() has an address, which differs from run to run.
        describe = _NAMED.get(kind)
        if describe is not None:
            return cut(describe(x), _LONGEST)
        if kind.__repr__ is object.__repr__:
            return cut(f'<{kind.__qualname__} object>', _LONGEST)
        return cut(_repr_of.repr(x), _LONGEST)
    except BaseException as error:
        return without_repr(x, error)


def exception(error):
    """Return the type and message of an exception, as in the last line of a traceback."""
    try:
        message = str(error)
        if not isinstance(message, str):
            raise TypeError
    except BaseException as another:
        message = f'<its str() raised {type_name(another)}>'
    name = type_name(error)
    return cut(f'{name}: {message}' if message else name, 80)
