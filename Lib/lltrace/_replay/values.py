"""Values as text, at most LONGEST characters long.

Unlike repr(), this runs no code of the program: the program must do the same with and without a recording.
"""

import enum
import gc
import os
import sys
import types
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from itertools import islice

from _bytecodeview import cut, printable, type_name
from _ownmodules import __builtins__

LONGEST = 240                               # characters; the page shortens it further, until the reader opens it
_MOST = 40                                  # items of a container
_DEEPEST = 4                                # containers within containers

# Values that never change, and for which two equal ones are as good as the same.
ATOMS = frozenset((int, float, bool, type(None), type(Ellipsis), type(NotImplemented), str, bytes, complex, range,
                   type(sys.stack_null)))
# Objects whose text never changes.
_ITERATORS = frozenset(type(iter(x)) for x in ([], (), '', b'', {}, {}.values(), {}.items(), set(), range(0),
                                               range(1 << 70), bytearray(), reversed([]), reversed({})))
_LIBRARY = os.path.join(os.path.dirname(os.__file__), '')
_FUNDAMENTAL = (dict, list, set, frozenset, tuple, deque, str, bytes, int, float, BaseException)

_mro_of = type.__dict__['__mro__'].__get__
_dict_of = type.__dict__['__dict__'].__get__
_qualname_of = type.__dict__['__qualname__'].__get__
_args_of = BaseException.__dict__['args'].__get__


def _method(x):
    function = x.__func__
    return f'<bound method {function.__qualname__ if type(function) is types.FunctionType else "?"}>'


def _builtin(x):
    owner = x.__self__
    if owner is None or issubclass(type(owner), types.ModuleType):
        return f'<built-in function {x.__name__}>'
    return f'<built-in method {_class_name(owner if issubclass(type(owner), type) else type(owner))}.{x.__name__}>'


def _module(x):
    name = types.ModuleType.__dict__['__dict__'].__get__(x).get('__name__')
    return f'<module {name if type(name) is str else "?"}>'


def _class_name(kind):
    return cut(_qualname_of(kind), 60)


# Objects that are known by their name.  Their repr() has an address, which differs from run to run.
_NAMED = {
    types.FunctionType: lambda x: f'<function {x.__qualname__}>',
    types.MethodType: _method,
    types.BuiltinFunctionType: _builtin,
    types.CodeType: lambda x: f'<code object {x.co_name}>',
    types.ModuleType: _module,
    types.GeneratorType: lambda x: f'<generator object {x.__qualname__}>',
    types.CoroutineType: lambda x: f'<coroutine object {x.__qualname__}>',
    types.AsyncGeneratorType: lambda x: f'<async_generator object {x.__qualname__}>',
}
# Types of objects whose text never changes.
CONSTANT = frozenset(_NAMED) | {type}


def atom(x):
    """Return the text of a value whose type is in ATOMS."""
    kind = type(x)
    if kind is int:
        if -1 << 64 < x < 1 << 64:
            return repr(x)
        # Conversion may be slow, and Python limits the number of digits.
        return cut(repr(x), LONGEST) if x.bit_length() <= 1000 else f'<int of {x.bit_length()} bits>'
    if kind is str or kind is bytes:
        if len(x) > LONGEST - 3:
            return cut(repr(x[:LONGEST]), LONGEST - 20) + f'... {len(x)} in all'
        text = repr(x)
        return text if len(text) <= LONGEST and text.isprintable() else cut(text, LONGEST)
    return cut(repr(x), LONGEST)


def describe(x):
    """Return the text of any value."""
    kind = type(x)
    if kind in ATOMS:
        return atom(x)
    try:
        if (kind is list or kind is tuple) and len(x) <= _MOST and _all_atoms(x):
            text = repr(x)
        else:
            text = ''.join(_Writer().write(x, 0))
    except RuntimeError:                    # too deep, or another thread changes it
        text = f'<{type_name(x)} object>'
    return text if len(text) <= LONGEST and text.isprintable() else _cut_end(text)


def _all_atoms(items):
    for item in items:
        if type(item) not in ATOMS or type(item) is int and not -1 << 64 < item < 1 << 64:
            return False
    return True


def _first(items):
    """Return the first items, one more than are shown."""
    return list(islice(items, _MOST + 1))


def _cut_end(text):
    return printable(text if len(text) <= LONGEST else text[:LONGEST - 3] + '...')


def exception(error):
    """Return the type and message of an exception, as in the last line of a traceback."""
    args = _args_of(error)
    if all(type(arg) in ATOMS for arg in args) and not _defined_by_program(type(error), '__str__'):
        try:
            message = str(error)
        except Exception:
            message = ''
    else:
        message = args[0] if len(args) == 1 and type(args[0]) is str else ', '.join(map(describe, args))
    name = type_name(error)
    return cut(f'{name}: {message}' if message else name, LONGEST)


def _find(kind, name):
    """Return an attribute of a class, without running a metaclass."""
    for base in _mro_of(kind):
        namespace = _dict_of(base)
        if name in namespace:
            return namespace[name]
    return None


def _defined_by_program(kind, name):
    """Return whether a method of a class is in Python, and not in the standard library."""
    method = _find(kind, name)
    if type(method) in (types.WrapperDescriptorType, types.MethodDescriptorType):
        return False
    return not (type(method) is types.FunctionType and method.__code__.co_filename.startswith((_LIBRARY, '<frozen ')))


def attributes(x):
    """Yield (name, value) for each attribute that the object itself holds, without running properties."""
    for base in _mro_of(type(x)):
        for name, found in _dict_of(base).items():
            if type(found) is types.MemberDescriptorType and not name.startswith('__'):
                try:
                    yield name, found.__get__(x)
                except AttributeError:
                    pass                    # it has no value
    for base in _mro_of(type(x)):
        found = _dict_of(base).get('__dict__')
        if type(found) is types.GetSetDescriptorType:
            namespace = found.__get__(x)
            if type(namespace) is dict:
                yield from dict.items(namespace)
            return


class _Writer:
    """Writes one value, and the values that it contains."""

    def __init__(self):
        self.room = LONGEST                 # a rough count of the characters left
        self.open = set()                   # the ids of the containers around the value

    def write(self, x, level):
        """Yield the parts of the text."""
        kind = type(x)
        if kind in ATOMS:
            text = atom(x)
        elif level > _DEEPEST or id(x) in self.open:
            text = '...' if id(x) not in self.open else '<itself>'
        else:
            text = self._simple(x, kind)
            if text is None:
                self.open.add(id(x))
                yield from self._compound(x, kind, level + 1)
                self.open.discard(id(x))
                return
        self.room -= len(text)
        yield text

    def _simple(self, x, kind):
        """Return the text of a value that contains no others, or None."""
        if kind in _NAMED:
            return cut(_NAMED[kind](x), LONGEST)
        if issubclass(kind, type):
            return f"<class '{_class_name(x)}'>"
        if kind in _ITERATORS:
            try:
                return f'<{kind.__name__} object, {x.__length_hint__()} left>'
            except Exception:
                return f'<{kind.__name__} object>'
        return None

    def _items(self, items, level, open='', close=''):
        yield open
        for i, item in enumerate(items):
            if i:
                yield ', '
            if i >= _MOST or self.room <= 0:
                yield '...'
                break
            yield from self.write(item, level)
            self.room -= 2
        yield close

    def _pairs(self, pairs, level, between, names=False):
        for i, (name, item) in enumerate(pairs):
            if i:
                yield ', '
            if i >= _MOST or self.room <= 0:
                yield '...'
                break
            if names:
                yield name if type(name) is str else '?'
            else:
                yield from self.write(name, level)
            yield between
            yield from self.write(item, level)
            self.room -= 4

    def _compound(self, x, kind, level):
        name = type_name(x)
        if issubclass(kind, BaseException):
            yield from self._items(_args_of(x), level, f'{name}(', ')')
        elif issubclass(kind, enum.Enum):
            yield f'<{name}.{dict(attributes(x)).get("_name_", "?")}>'
        elif kind is list:
            yield from self._items(x, level, '[', ']')
        elif kind is tuple:
            yield from self._items(x, level, '(', ',)' if len(x) == 1 else ')')
        elif issubclass(kind, tuple) and type(fields := _find(kind, '_fields')) is tuple and len(fields) == len(x):
            yield f'{name}('
            yield from self._pairs(zip(fields, tuple.__iter__(x)), level, '=', names=True)
            yield ')'
        elif kind in (dict, OrderedDict, defaultdict, Counter):
            yield '{' if kind is dict else f'{name}({{'
            yield from self._pairs(_first(dict.items(x)), level, ': ')
            yield '}' if kind is dict else '})'
        elif kind is set or kind is frozenset:
            yield from self._set(x, kind, level)
        elif (kind is bytearray or kind is array) and len(x) > _MOST:
            yield f'<{name} of {len(x)} items>'
        elif kind is types.CellType:
            contents = gc.get_referents(x)
            yield '<cell of ' if contents else '<empty cell'
            for one in contents:
                yield from self.write(one, level)
            yield '>'
        elif kind is deque:
            yield from self._items(_first(x), level, 'deque([', '])')
        elif not _defined_by_program(kind, '__repr__') and _find(kind, '__repr__') is not object.__repr__ \
                and not issubclass(kind, _FUNDAMENTAL) and _only_atoms(x):
            try:
                yield cut(repr(x), 80)
            except Exception:
                yield f'<{name} object>'
        else:
            yield from self._instance(x, kind, name, level)

    def _set(self, x, kind, level):
        items = _first(x)
        if items and len(x) <= _MOST and len({type(item) for item in items}) == 1 and type(items[0]) in (int, str):
            items.sort()
        if not items:
            yield f'{kind.__name__}()'
        elif kind is set:
            yield from self._items(items, level, '{', '}')
        else:
            yield from self._items(items, level, 'frozenset({', '})')

    def _instance(self, x, kind, name, level):
        """An object of a class of the program: its attributes, and its content if it is a list, or the like."""
        content = None
        for base in _FUNDAMENTAL[:-1]:
            if issubclass(kind, base):
                if base in (str, bytes):
                    content = atom(base.__getitem__(x, slice(LONGEST)))
                elif base in (int, float):
                    content = atom(base(base.__add__(x, 0)))
                else:
                    content = _first(dict.items(x) if base is dict else base.__iter__(x))
                break
        pairs = list(attributes(x))
        if content is not None:
            yield f'{name}('
            if type(content) is str:
                yield cut(content, LONGEST // 2)
            elif base is dict:
                yield '{'
                yield from self._pairs(content, level, ': ')
                yield '}'
            else:
                yield from self._items(content, level, '[', ']')
            yield ')'
        elif type(_find(kind, '__dataclass_fields__')) is dict:
            yield f'{name}('
            yield from self._pairs(pairs, level, '=', names=True)
            yield ')'
        elif pairs:
            yield f'<{name} '
            yield from self._pairs(pairs, level, '=', names=True)
            yield '>'
        else:
            yield f'<{name} object>'


def _only_atoms(x):
    """Return whether repr() of an object of the standard library can reach only atoms."""
    for one in gc.get_referents(x):
        if type(one) is dict:
            if len(one) > _MOST or not _all_atoms(one) or not _all_atoms(one.values()):
                return False
        elif type(one) is tuple or type(one) is list:
            if len(one) > _MOST or not _all_atoms(one):
                return False
        elif type(one) not in ATOMS and not issubclass(type(one), (type, types.ModuleType)):
            return False
    return True
